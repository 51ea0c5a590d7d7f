# SPDX-License-Identifier: MIT
"""Refuses to load the C++ runtime beside a torch that it was not built against."""

from __future__ import annotations


def check_torch() -> None:
    """Raise ImportError unless the installed torch is the one that this copy of neml2 was built against.

    The two share C++ objects: with another torch the process would crash instead of failing.
    """
    from neml2._build_info import TORCH_VERSION

    installed = _installed_torch()
    if installed != TORCH_VERSION:
        raise ImportError(
            f"neml2 was built against torch {TORCH_VERSION}, but torch {installed} is installed: install torch "
            f"{TORCH_VERSION}, or build neml2 again with `pip install --no-build-isolation --force-reinstall "
            f"--no-deps neml2`"
        )


def _installed_torch() -> str:
    """What torch.__version__ is, without importing torch.

    Read where the build reads it: the metadata of the distribution leave out a suffix such as "+cu130".
    """
    from importlib.util import find_spec
    from pathlib import Path

    spec = find_spec("torch")
    for folder in (spec and spec.submodule_search_locations) or ():
        for line in (Path(folder) / "version.py").read_text().splitlines():
            if line.startswith("__version__ = "):
                return line.partition("=")[2].strip().strip("'\"")
    raise ImportError("neml2 needs torch, which is not installed: pip install 'torch>=2.11'")
