# SPDX-License-Identifier: MIT
"""Refuses to load the C++ runtime beside a torch that it was not built against."""

from __future__ import annotations


def check_torch() -> None:
    """Raise ImportError unless the installed torch is the one that this copy of neml2 was built against.

    The two share C++ objects: with another torch the process would crash instead of failing.
    """
    from importlib.metadata import version

    from neml2._build_info import TORCH_VERSION

    installed = version("torch")
    if installed != TORCH_VERSION:
        raise ImportError(
            f"neml2 was built against torch {TORCH_VERSION}, but torch {installed} is installed: install torch "
            f"{TORCH_VERSION}, or build neml2 again with `pip install --no-build-isolation --force-reinstall "
            f"--no-deps neml2`"
        )
