# SPDX-License-Identifier: MIT
"""Commands: neml2-compile, neml2-run, neml2-inspect, neml2-syntax, neml2-cache. Each module has one `main`."""
