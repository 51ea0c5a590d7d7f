# SPDX-License-Identifier: MIT
"""Registering models under the name an input file uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from ..hit.registry import REGISTRIES, load_extension, register
from .declarations import specialise

__all__ = ["find", "load_extension", "names", "register", "register_family"]

C = TypeVar("C", bound=type)


def register_family(pattern: str, types: Iterable[type]) -> Callable[[C], C]:
    """Class decorator: register one subclass for each tensor type, `{T}` in the name standing for the
    type's name.

    Declarations that use the placeholder `T` get the type; methods find it as `self.TYPE`.
    """

    def add(cls: C) -> C:
        for type_ in types:
            name = pattern.format(T=type_.__name__)
            body = {"__doc__": cls.__doc__, "__module__": cls.__module__, "TYPE": type_}
            member = type(name, (cls,), body)
            member.DECLARATIONS = {  # type: ignore[attr-defined]
                attribute: specialise(declaration, type_)
                for attribute, declaration in cls.DECLARATIONS.items()  # type: ignore[attr-defined]
            }
            register(name)(member)
        return cls

    return add


def find(name: str) -> type:
    """The model class registered under `name`. Raises UnknownType (a KeyError) that names the nearest
    ones."""
    return REGISTRIES["Models"].lookup(name)


def names() -> list[str]:
    """All registered model types."""
    return REGISTRIES["Models"].names()
