# SPDX-License-Identifier: MIT
"""Native packages that are made where they are used, and kept by what they were made from.

All parameters are promoted, so that other values of them need no other package. What a model is made from is read from
the model itself, which must then consist of types of this library: of a user's own, the text of one file does not say
what it does. Those are captured again in each process, and only their kernel is kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
import pickle
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neml2.compiler.package import isa, kernel_cache

if TYPE_CHECKING:
    from neml2.aoti import Model as Compiled
    from neml2.compiler.plan.layout import Request
    from neml2.models import Model

_log = logging.getLogger("neml2")

LONGEST = 2_000_000
"""Characters of C++ worth waiting for: about a minute of compiling. Packages made on request may have more."""


@dataclass
class Kept:
    """A loaded package, its metadata, and whether it had to be made."""

    model: Compiled
    metadata: dict[str, Any]
    fresh: bool = False


def load(
    model: Model,
    sub_batch: Mapping[str, tuple[int, ...]],
    dtype: str,
    derivatives: Sequence[tuple[str, str]] = (),
    ways: Sequence[str] = ("jacobian", "jvp", "vjp"),
) -> Kept:
    """The package of `model` for this CPU, with the values its parameters have now. `sub_batch`: sub-batch shapes of
    variables; `dtype`: "float64" or "float32"; `derivatives`: pairs of an output and an input or parameter; `ways`: the
    functions that there are for them.

    Raises CaptureError, CompileError and BuildError for what cannot be compiled.
    """
    import torch

    from neml2.compiler.compile import check_compiler, check_numbers
    from neml2.compiler.plan.layout import Request

    check_numbers(model)
    fresh = False
    request = Request([name for name, _ in model.named_parameters()], list(derivatives), dict(sub_batch))

    def build(path: Path, scratch: Path) -> None:
        nonlocal fresh
        fresh = True
        check_compiler()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for file in sorted(_write(model, request, dtype, ways, scratch / "package").iterdir()):
                archive.write(file, file.name)

    more = (sorted(sub_batch.items()), dtype, str(torch.get_default_dtype()), *ways, *request.pairs)
    name = fingerprint(model, more)
    if name is None:
        with tempfile.TemporaryDirectory(prefix="neml2-") as folder:
            path = Path(folder) / "package.zip"
            build(path, Path(folder))
            kept = _open(path)
    else:
        what = f"{model.name}({', '.join(model.input_spec)}), {dtype}, {isa.best()}"
        kept = kernel_cache.load(name, build, _open, suffix=".zip", kind="jit", what=what)
    kept.fresh = fresh
    _set_parameters(kept.model, model)
    return kept


def _write(model: Model, request: Request, dtype: str, ways: Sequence[str], folder: Path) -> Path:
    import torch

    from neml2.compiler.backends.native import package
    from neml2.compiler.backends.native.lower import lowered
    from neml2.compiler.backends.native.text import kernel
    from neml2.compiler.compile import CompileError
    from neml2.compiler.plan.build import plan_of

    captured, made = lowered(model, request, getattr(torch, dtype), ways)
    plan = plan_of(captured, kernels=False)
    made.inputs = [dataclasses.replace(a, value=None) for a in made.inputs]  # the kernel is that of any values
    length = len(kernel.source(made))
    if length > LONGEST:
        text = f"its kernel is {length / 1e6:.1f} MB of C++, which takes minutes to compile; neml2-compile would do it"
        raise CompileError(text)
    _log.info("compiling '%s' for this and later runs", model.name)
    return package.write(plan, made, folder, [isa.best()], dtype, {}, 2, lambda *_: None).parent


def _open(path: Path) -> Kept:
    from neml2.aoti import Model

    with tempfile.TemporaryDirectory(prefix="neml2-") as folder:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        metadata = next(Path(folder).glob("*_meta.json"))
        return Kept(Model(metadata), json.loads(metadata.read_text()))


def _set_parameters(compiled: Compiled, model: Model) -> None:
    import torch

    values = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in compiled.named_parameters().items():
            parameter.copy_(values[name])


# ---- what a model is made from ---------------------------------------------------------------------------------------


class _Foreign(Exception):
    """Something in a model is not of this library."""


_KNOWN = ("neml2", "torch", "numpy", "builtins", "collections", "pathlib", "functools", "copyreg", "dataclasses")


class _Description(pickle.Pickler):
    """All of a model but the values of its parameters. Raises _Foreign."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=4)
        self._parameters: dict[int, int] = {}

    def persistent_id(self, value: Any) -> Any:
        import torch

        if isinstance(value, type):  # some are made by the library and stand nowhere under their name
            if value.__module__.split(".")[0] not in _KNOWN:
                raise _Foreign(value.__module__)
            return (value.__module__, value.__qualname__)
        if isinstance(value, set | frozenset) and all(isinstance(item, str) for item in value):
            return (type(value).__name__, *sorted(value))  # whose order is another in each process
        if not isinstance(value, torch.Tensor):
            return None
        shape = (type(value).__name__, str(value.dtype), tuple(value.shape))
        if isinstance(value, torch.nn.Parameter):
            return (*shape, self._parameters.setdefault(id(value), len(self._parameters)))
        return (*shape, value.detach().cpu().contiguous().numpy().tobytes())


def fingerprint(model: Model, more: object = ()) -> str | None:
    """The name of what is compiled from `model` and `more`, whatever values its parameters have; None where something
    in it is not this library's."""
    text = io.BytesIO()
    try:
        _Description(text).dump(model)
    except (_Foreign, pickle.PicklingError, TypeError, AttributeError, RecursionError):
        return None
    content = hashlib.sha256(text.getvalue()).hexdigest()
    return f"package_{kernel_cache.key(content, repr(more), isa.best(), _library())}"


@cache
def _library() -> str:
    """A hash of this library's own text, and the version of torch."""
    import torch

    import neml2
    from neml2.compiler.backends.native import toolchain

    found = hashlib.sha256(f"{torch.__version__} {toolchain.runtime_headers()}".encode())
    folder = Path(neml2.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        found.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()
