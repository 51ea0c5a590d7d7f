# SPDX-License-Identifier: MIT
"""The types of [Tensors] blocks: Python expressions and columns of CSV files."""

from __future__ import annotations

import builtins
import csv
import math
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import InputError, InvalidOption, MissingOption, TensorError, Where, listing, suggestion
from .document import Block
from .options import REQUIRED
from .registry import register

if TYPE_CHECKING:
    from .input_file import InputFile

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|nan|inf)")


def as_number(token: str) -> float | None:
    """The number a token spells, else None. There is no arithmetic: `1/2` is no number."""
    return float(token) if _NUMBER.fullmatch(token) else None


def as_typed(value: Any, cls: Any, name: str, where: Where | None) -> Any:
    """`value` as a `cls`: itself, or a raw torch tensor wrapped. A Tensor takes any typed value too. Raises TensorError
    for anything else."""
    import torch

    from ..types import Tensor, TensorWrapper

    if isinstance(value, cls):
        return value
    if cls is Tensor and isinstance(value, TensorWrapper):
        return Tensor(value)
    if isinstance(value, torch.Tensor):
        base = cls.BASE_SHAPE
        if len(base) > value.ndim or tuple(value.shape[value.ndim - len(base) :]) != tuple(base):
            shape = tuple(value.shape)
            text = f"[Tensors/{name}] has shape {shape}; a {cls.__name__} ends in {tuple(base)}"
            raise TensorError(text, where)
        return cls(value)
    text = f"[Tensors/{name}] is a {type(value).__name__}; expected {cls.__name__} or a torch.Tensor"
    raise TensorError(text, where)


class _TensorType:
    """What a type of [Tensors] tells of its options: (name, kind, default)."""

    SECTION = "Tensors"
    ROWS: tuple[tuple[str, str, Any], ...]

    @classmethod
    def option_names(cls) -> list[str]:
        return [name for name, _, _ in cls.ROWS]

    @classmethod
    def describe_options(cls) -> list[dict[str, Any]]:
        return [{"name": n, "role": "option", "kind": kind, "default": default} for n, kind, default in cls.ROWS]


@register("Python")
class PythonTensor(_TensorType):
    """`expr`: one Python expression, or statements that leave their value in the variable `result`.

    Names mean, in this order: `torch`, `math`, `np` and what neml2.types exports; other [Tensors] blocks;
    builtins.
    """

    ROWS = (("expr", "str", REQUIRED),)

    @classmethod
    def from_block(cls, block: Block, source: InputFile) -> Any:
        field = block.require("expr")
        scope = _Scope(source, block)
        text, offset = _dedent(field.text())
        # Lines of a traceback are those of the input file.
        text = "\n" * ((field.where.line or 1) - 1 + offset) + text
        name = field.where.file or "<input>"
        try:
            try:
                code = compile(text, name, "eval")
            except SyntaxError:
                exec(compile(text, name, "exec"), scope)
                if not dict.__contains__(scope, "result"):
                    raise TensorError("the statements assign no variable 'result'", field.where) from None
                return scope["result"]
            return eval(code, scope)
        except InputError:
            raise
        except Exception as error:
            _fail(error, scope, field.where)


def _dedent(text: str) -> tuple[str, int]:
    """Without the common indentation of lines 2 to n and without outer blank lines; how many lines went in
    front."""
    first, _, rest = text.partition("\n")
    lines = [first.lstrip(), *textwrap.dedent(rest).split("\n")]
    offset = next((i for i, line in enumerate(lines) if line.strip()), 0)
    return "\n".join(lines[offset:]).rstrip(), offset


def _fail(error: Exception, scope: _Scope, where: Where) -> NoReturn:
    hint = ""
    if isinstance(error, NameError):
        name = getattr(error, "name", None) or ""
        hint = suggestion(name, [*scope.source.names("Tensors"), *scope.exports]) if name else ""
    raise TensorError(f"{type(error).__name__}: {error}{hint}", where) from error


class _Scope(dict):
    """Global names of an expression. Other blocks are evaluated when their name is used, not before."""

    def __init__(self, source: InputFile, block: Block) -> None:
        import torch

        from .. import types

        self.source = source
        self.block = block
        self.exports = {name: getattr(types, name) for name in types.__all__}
        super().__init__(self.exports, torch=torch, math=math)
        self["__builtins__"] = builtins

    def __missing__(self, name: str) -> Any:
        if name == "np":
            try:
                import numpy
            except ImportError:
                raise NameError("name 'np' needs numpy, which is not installed", name=name) from None
            return numpy
        if self.source.has("Tensors", name):
            return self.source.get("Tensors", name, self.block.where)
        if hasattr(builtins, name):
            return getattr(builtins, name)
        raise KeyError(name)  # Python makes a NameError of it


class _CSVTensor(_TensorType):
    """`csv_file`: comma-separated, one header row. Either `variable`, the prefix of the columns, or
    `column_names`.

    The value has shape (rows, *base), float64, as it stands in the file: no factor is applied to shear
    columns.
    """

    ROWS = (("csv_file", "Path", REQUIRED), ("variable", "str", ""), ("column_names", "list[str]", ()))
    TYPE: str
    SUFFIXES: tuple[str, ...]

    @classmethod
    def from_block(cls, block: Block, source: InputFile) -> Any:
        import torch

        from .. import types

        field = block.require("csv_file")
        names, where = cls._columns(block)
        header, rows = _read_csv(source.file(field.text()), field.where)
        for name in names:
            if name not in header:
                hint = suggestion(name, header) or f"; there are: {listing(header)}"
                raise TensorError(f"{field.text()} has no column '{name}'{hint}", where)
        picked = [header.index(name) for name in names]
        data = torch.tensor([[row[i] for i in picked] for row in rows], dtype=torch.float64)
        T = getattr(types, cls.TYPE)
        return T(data.reshape(len(rows), *T.BASE_SHAPE))

    @classmethod
    def _columns(cls, block: Block) -> tuple[list[str], Where]:
        variable, columns = block.field("variable"), block.field("column_names")
        prefix = variable.text() if variable is not None else ""
        names = columns.tokens() if columns is not None else []
        if bool(prefix) == bool(names):
            if prefix:
                raise InvalidOption("give either 'variable' or 'column_names', not both", block.where)
            raise MissingOption("option 'variable' or 'column_names' is required", block.where)
        if variable is not None and prefix:
            return [prefix + suffix for suffix in cls.SUFFIXES], variable.where
        assert columns is not None
        if len(names) != len(cls.SUFFIXES):
            text = f"a {cls.TYPE} needs {len(cls.SUFFIXES)} column names, {len(names)} are given"
            raise TensorError(text, columns.where)
        return names, columns.where


def _read_csv(path: Path, where: Where) -> tuple[list[str], list[list[float]]]:
    if not path.is_file():
        raise TensorError(f"no such file: {path}", where)
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(stream)
        header = [name.strip() for name in next(reader, [])]
        rows = []
        for row in reader:
            if not row:
                continue
            place = f"{path}:{reader.line_num}"
            if len(row) != len(header):
                raise TensorError(f"{place}: {len(row)} values, the header names {len(header)} columns", where)
            try:
                rows.append([float(cell) for cell in row])
            except ValueError as error:
                raise TensorError(f"{place}: {error}", where) from None
    if not rows:
        raise TensorError(f"{path}: no rows", where)
    return header, rows


@register("CSVScalar")
class CSVScalar(_CSVTensor):
    """A Scalar for each row of a CSV file with one header row.

    Columns: the column called `variable`, or that in `column_names`.
    """

    TYPE = "Scalar"
    SUFFIXES = ("",)


@register("CSVVec")
class CSVVec(_CSVTensor):
    """A Vec for each row of a CSV file with one header row.

    Columns: three columns, `variable` with _x, _y, _z.
    """

    TYPE = "Vec"
    SUFFIXES = ("_x", "_y", "_z")


@register("CSVSR2")
class CSVSR2(_CSVTensor):
    """A SR2 for each row of a CSV file with one header row.

    Columns: six columns, `variable` with _xx, _yy, _zz, _yz, _xz, _xy, as they are: no factor for shear.
    """

    TYPE = "SR2"
    SUFFIXES = ("_xx", "_yy", "_zz", "_yz", "_xz", "_xy")


@register("CSVWR2")
class CSVWR2(_CSVTensor):
    """A WR2 for each row of a CSV file with one header row.

    Columns: three columns, `variable` with _zy, _xz, _yx.
    """

    TYPE = "WR2"
    SUFFIXES = ("_zy", "_xz", "_yx")
