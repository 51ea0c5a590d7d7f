# SPDX-License-Identifier: MIT
"""From plans and programs to shared objects: each room has a package.py that writes its kind of package."""
