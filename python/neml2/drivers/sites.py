# SPDX-License-Identifier: MIT
"""The sub-batch shapes that the values of an input file's drivers give to the variables of a model."""

from __future__ import annotations

from ..errors import InputError
from ..hit import InputFile
from .model_unit_test import ModelUnitTest
from .transient import TransientDriver


def sub_batch_shapes(source: InputFile, model: str) -> dict[str, tuple[int, ...]]:
    """By variable name, from the initial, prescribed and tested values of all drivers of block [Models/`model`]. Of
    several values for one variable the first counts."""
    source = InputFile(source.document)  # what a driver builds is not built by who compiles the model
    found: dict[str, tuple[int, ...]] = {}
    for name, block in source.blocks("Drivers").items():
        field = block.field("model")
        if field is None or field.text() != model:
            continue
        try:
            driver = source.get_driver(name)
        except InputError:  # a driver that cannot be built says so to whom runs it
            continue
        if isinstance(driver, TransientDriver | ModelUnitTest):
            for variable, value in driver.given.items():
                if value.sub_batch_shape:
                    found.setdefault(variable, value.sub_batch_shape)
    return found
