# SPDX-License-Identifier: MIT
"""Reading input files: documents, declared options, the registry of types, objects built when they are
needed."""

from __future__ import annotations

from .document import Block, Document, Field
from .input_file import InputFile, load_input, load_model, load_string
from .object import HitObject
from .options import REQUIRED, Option, OptionFamily, Reference, TensorOption
from .registry import REGISTRIES, load_extension, register
from .settings import BatchShape, Settings, base_name, lag

__all__ = [
    "REGISTRIES",
    "REQUIRED",
    "BatchShape",
    "Block",
    "Document",
    "Field",
    "HitObject",
    "InputFile",
    "Option",
    "OptionFamily",
    "Reference",
    "Settings",
    "TensorOption",
    "base_name",
    "lag",
    "load_extension",
    "load_input",
    "load_model",
    "load_string",
    "register",
]
