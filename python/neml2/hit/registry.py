# SPDX-License-Identifier: MIT
"""Which class an input file means by `type = X`: one registry per section, filled by decorators.

The modules that hold the classes are imported one after the other until the wanted name has turned up.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import pkgutil
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from ..errors import BrokenExtension, ExtensionError, InputError, UnknownType, Where, listing, suggestion

C = TypeVar("C", bound=type)

ENTRY_POINTS = "neml2.models"
EXTENSION = "neml2_extension_"
"""What the names of modules begin with that `load_extension` makes."""


class Registry:
    """The types of one section. `packages` are searched for modules that register some; `homes` name a
    type's module that must not be imported unless that very type is asked for."""

    def __init__(self, section: str, packages: tuple[str, ...], homes: dict[str, str] | None = None) -> None:
        self.section = section
        self.packages = packages
        self.homes = homes or {}
        self._classes: dict[str, type] = {}
        self._modules: Iterator[str] | None = None

    def add(self, name: str, cls: type) -> None:
        old = self._classes.get(name)
        if old is not None and (old.__module__, old.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"type '{name}' of [{self.section}] is registered twice: {_place(old)} and {_place(cls)}")
        self._classes[name] = cls

    def find(self, name: str) -> type | None:
        """The class registered under `name`, importing modules until it is there; None if it never is."""
        if name not in self._classes and name in self.homes:
            importlib.import_module(self.homes[name])
        while name not in self._classes and self._import_next():
            pass
        return self._classes.get(name)

    def lookup(self, name: str, where: Where | None = None, error: type[InputError] = UnknownType) -> type:
        found = self.find(name)
        if found is None:
            hint = suggestion(name, self.names()) or f"; known types: {listing(self.names(), 40)}"
            own = "; types of your own come with --load FILE.py"
            raise error(f"no type '{name}' is registered for [{self.section}]{hint}{own}", where)
        return found

    def names(self) -> list[str]:
        """All names, sorted; imports every module first."""
        while self._import_next():
            pass
        return sorted({*self._classes, *self.homes})

    def _import_next(self) -> bool:
        if self._modules is None:
            self._modules = self._walk()
        module = next(self._modules, None)
        if module is None:
            return False
        importlib.import_module(module)
        return True

    def _walk(self) -> Iterator[str]:
        for package in self.packages:
            if importlib.util.find_spec(package) is None:
                continue
            path = getattr(importlib.import_module(package), "__path__", ())
            for info in pkgutil.walk_packages(path, prefix=f"{package}."):
                yield info.name
        for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
            try:
                importlib.import_module(entry.module)
            except Exception as error:  # one broken package must not take away all the others
                source = f"entry point '{entry.name}' = '{entry.value}' in group '{ENTRY_POINTS}'"
                package = f" of {entry.dist.name}" if entry.dist else ""
                text = f"{source}{package} is left out: {type(error).__name__}: {error}"
                warnings.warn(text, BrokenExtension, stacklevel=2)
            else:
                yield entry.module


def _place(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


REGISTRIES: dict[str, Registry] = {
    registry.section: registry
    for registry in (
        Registry("Models", ("neml2.models", "neml2.equations"), {"AOTIModel": "neml2.aoti.shim"}),
        Registry("Tensors", ("neml2.hit.tensors",)),
        Registry("EquationSystems", ("neml2.equations",)),
        Registry("Solvers", ("neml2.solvers",)),
        Registry("Drivers", ("neml2.drivers",)),
        Registry("Data", ("neml2.data",)),
        Registry("Calibration", ("neml2.calibration",)),
    )
}


def register(*names: str) -> Callable[[C], C]:
    """Class decorator: `type = NAME` in the section `cls.SECTION` means this class."""

    def add(cls: C) -> C:
        section: Any = getattr(cls, "SECTION", None)
        if section not in REGISTRIES:
            raise TypeError(f"{cls.__name__}.SECTION must be one of {listing(REGISTRIES)}, not {section!r}")
        for name in names:
            REGISTRIES[section].add(name, cls)
        return cls

    return add


def load_extension(path: str | os.PathLike) -> Any:
    """Import the Python file at `path`, whose `@register` decorators make its types known. Returns the
    module.

    A file that was loaded before is not loaded again. Raises FileNotFoundError, and ExtensionError, which names the
    line of the file, for whatever goes wrong in it.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise FileNotFoundError(f"{path}: no such extension file")
    name = f"{EXTENSION}{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, ExtensionError) or not isinstance(error, Exception):
            raise
        text = f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
        raise ExtensionError(text, Where(os.fspath(path), _line(error, file))) from error
    return module


def _line(error: BaseException, file: Path) -> int | None:
    """The last line of `file` that an error came through."""
    if isinstance(error, SyntaxError):
        return error.lineno if error.filename == os.fspath(file) else None
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == os.fspath(file)]
    return lines[-1] if lines else None


def place_in_extension(error: BaseException | None) -> Where | None:
    """The line of a user's own file that an error, or what caused it, came through last; None where it came through
    none."""
    found = None
    while error is not None and found is None:
        for frame, line in traceback.walk_tb(error.__traceback__):
            if str(frame.f_globals.get("__name__", "")).startswith(EXTENSION):
                found = Where(frame.f_code.co_filename, line)
        error = error.__cause__ or error.__context__
    return found
