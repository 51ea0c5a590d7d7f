# SPDX-License-Identifier: MIT
"""Inputs of a driven model that nothing gives a value."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import SuspiciousReference, nearest
from ..hit import base_name

if TYPE_CHECKING:
    from .transient import TransientDriver


def undriven(driver: TransientDriver) -> list[str]:
    """Inputs that are zero all the time: not prescribed, no time, no history of something that is, and no unknown that
    starts from zero."""
    model = driver.model
    known = {driver.time, *map(base_name, (*driver.given, *model.output_spec))}
    return [name for name in model.input_spec if base_name(name) not in known]


def warn_if_undriven(driver: TransientDriver) -> None:
    """Warn with SuspiciousReference, once for each variable."""
    for name in dict.fromkeys(map(base_name, undriven(driver))):
        text = f"input '{name}' of '{driver.model.name}' is driven by nothing and no output of it, so it is zero"
        # the warning is about the file, not about a line of Python
        warnings.warn(SuspiciousReference(f"{driver.where()}: {text}{_hint(driver, name)}"), stacklevel=2)


def _hint(driver: TransientDriver, name: str) -> str:
    """What the variable may have been meant to be called: what models inside compute under a near name, or at all, and
    nobody reads; else what is driven or computed under a very near name."""
    unread = _unread(driver.model, _type(driver.model, name))
    others = [other for other in (*driver.prescribed, *driver.model.output_spec) if other != name]
    near = nearest(name, unread) or (None if unread else nearest(name, others, cutoff=0.8))
    if near:
        return f"; did you mean '{near}'?"
    spare = " and ".join(f"'{other}'" for other in unread)
    return f"; {spare} {'is' if len(unread) == 1 else 'are'} computed, but read by no model" if unread else ""


def _type(model: Any, name: str) -> type | None:
    return next((type_ for other, type_ in model.input_spec.items() if base_name(other) == name), None)


def _unread(model: Any, type_: type | None) -> list[str]:
    """Variables of a type that a model inside computes, and that are no input of another and no result."""
    parts = _parts(model)
    read = {name for part in parts for name in part.input_spec} | set(model.output_spec)
    for part in parts:
        system = getattr(part, "equation_system", None)
        read.update(system.residuals if system is not None else ())
    found = {n: None for part in parts for n, given in part.output_spec.items() if given is type_ and n not in read}
    return list(found)


def _parts(model: Any) -> list[Any]:
    modules: Iterable[Any] = model.modules() if hasattr(model, "modules") else ()
    return [part for part in modules if hasattr(part, "input_spec") and hasattr(part, "output_spec")]
