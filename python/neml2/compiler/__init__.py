# SPDX-License-Identifier: MIT
"""From a model of an input file to a package; compile.py has the stages in order."""
