# SPDX-License-Identifier: MIT
"""Native code behind the interfaces of host programs that know nothing of it.

    law.py       where each argument of a program comes from and goes to, at a point of such a host
    source.py    that as C++, with the entry points of the interfaces: neml2/native/interfaces/*.h does the work
    mfront.py    the symbols by which MGIS gets to know a behaviour
    header.py    the layouts of states and properties, for those who write a host's input
    write.py     shared object, header and source as files

Of a model only the arguments of its program are used, and Kernel.h.
"""
