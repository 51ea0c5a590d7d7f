# SPDX-License-Identifier: MIT
"""Traces: the ATen operations that a torch function does at one material point, and where its text does them.

The function runs on small tensors of static shape, below everything that torch.func does: nested transforms are
resolved by that run, and what they come down to is a list of ATen operations on plain tensors. What no example reaches
is a constant, and torch computes it.

A kernel computes what the list says, for any values. So whatever takes values out of the list is refused, with the
user's own file and line: numbers and arrays made from a tensor, branches on one, random numbers, changes of tensors
that outlive the call. What that cannot see (a cache, a clock) shows by a second trace, at other values, being another.
"""

from __future__ import annotations

import linecache
import math
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

Function = Callable[..., Sequence["torch.Tensor"]]
HOLD = "hold"
"""The operation whose result has no derivative, in place of the copy that `detach` makes."""


class CaptureError(ValueError):
    """A function that has no point graph; says which operation or which habit of the function is at fault, and
    where."""


@dataclass
class Operation:
    """One ATen operation of a trace; tensors, also those inside lists, stand for themselves."""

    target: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    place: str = ""


@dataclass
class Trace:
    """Operations in their order, the tensors that the function returned, and what it was called with."""

    examples: Sequence[torch.Tensor]
    operations: list[Operation] = field(default_factory=list)
    results: Sequence[torch.Tensor] = ()


def trace(function: Function, examples: Sequence[torch.Tensor]) -> Trace:
    """What `function` does. Raises CaptureError where that is not the same for all values of the examples."""
    first = _Recording(examples).run(function)
    _same(first, _Recording([_moved(x) for x in examples]).run(function))
    return first


def tensors(value: Any) -> list[torch.Tensor]:
    """The tensors in a value, a sequence or a mapping."""
    import torch

    if isinstance(value, torch.Tensor):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return [x for part in inner for x in tensors(part)]


def _moved(example: torch.Tensor) -> torch.Tensor:
    """Other values, all different, near those of an example."""
    import torch

    if not example.dtype.is_floating_point:
        return example.clone()
    steps = torch.arange(1, example.numel() + 1, dtype=example.dtype).reshape(example.shape) / (example.numel() + 1)
    return example * (1 + 0.25 * steps)


# ---- the user's text -------------------------------------------------------------------------------------------------

_PACKAGE = Path(__file__).resolve().parents[2]
_MACHINERY = tuple(str(_PACKAGE / room) for room in ("compiler", "native", "types", "models/base.py"))


@cache
def _is_machinery(file: str) -> bool:
    """Whether a file is part of torch, NumPy, Python, or of the rooms of this package that users' code calls."""
    import numpy
    import torch

    rooms = (str(Path(torch.__file__).parent), str(Path(numpy.__file__).parent), *_MACHINERY, "<frozen")
    return file.startswith(rooms) or (file.startswith(sysconfig.get_path("stdlib")) and "-packages" not in file)


def _quoted(file: str, line: int) -> str:
    text = linecache.getline(file, line).strip()
    text = text if len(text) <= _WIDE else text[:_WIDE] + "..."
    return f"{file}:{line}" + (f" `{text}`" if text else "")


_WIDE = 80


def here() -> str:
    """The innermost place outside all that which is being executed: file, line, and what stands there."""
    frame = sys._getframe(1)
    while frame is not None:
        if not _is_machinery(frame.f_code.co_filename):
            return _quoted(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]
    return ""


def raised_at(error: BaseException) -> str:
    """The innermost such place on the way of an error."""
    found = ""
    link = error.__traceback__
    while link is not None:
        file = link.tb_frame.f_code.co_filename
        if not _is_machinery(file):
            found = _quoted(file, link.tb_lineno)
        link = link.tb_next
    return found


def _control_flow(error: BaseException) -> str:
    """The operation over functions (torch.cond, ...) that torch itself gave up in, if any."""
    found = ""
    link = error.__traceback__
    while link is not None:
        file = Path(link.tb_frame.f_code.co_filename)
        if file.parent.name == "_higher_order_ops":
            found = found or file.stem
        elif not _is_machinery(str(file)):
            found = ""
        link = link.tb_next
    return found


# ---- recording -------------------------------------------------------------------------------------------------------

_FIXED = "a kernel is made once, for all values"
_READS = "what leaves torch is lost to the kernel, which is made once, for all values; stay with torch operations"
_BRANCHES = f"{_FIXED}; use torch.where instead of a branch"
_COPIES = f"it copies values, and {_FIXED}; use torch.stack, x.clone(), or x.detach() where no derivative is wanted"
_EXITS = {
    **dict.fromkeys(("numpy", "tolist", "item", "__float__", "__int__", "__index__", "__complex__", "__array__"),
                    _READS),
    **dict.fromkeys(("data_ptr", "const_data_ptr", "mutable_data_ptr", "untyped_storage", "storage", "_typed_storage",
                     "__dlpack__", "to_dlpack", "__reduce_ex__", "__deepcopy__"), _READS),
    **dict.fromkeys(("__bool__", "__contains__", "equal", "allclose", "is_nonzero", "nonzero", "unique"), _BRANCHES),
    **dict.fromkeys(("tensor", "asarray"), _COPIES), "as_tensor": _COPIES,
}  # fmt: skip
_COPYING = ("clone", "detach", "detach_copy", "alias", "alias_copy")
_CONSTANT = ("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full")  # of the shape alone
_WRITTEN_OUT = 4  # rows of a determinant that is differentiated by torch
_RANDOM = "draws random numbers, which a kernel would draw once: give them as an input"
_OUTLIVES = "changes a tensor that outlives the call, which a kernel cannot: work on a clone()"


class _Recording:
    """One run of a function under watch."""

    def __init__(self, examples: Sequence[torch.Tensor]) -> None:
        self.trace = Trace(examples)
        self.moving = {id(x) for x in examples}  # tensors whose values the examples decide; all are kept alive
        self.holding = False
        self.refusal: CaptureError | None = None
        self.in_place = ""

    def run(self, function: Function) -> Trace:
        import torch

        # torch.func's own transforms write in place (a basis for jacfwd); functionalised, these are plain operations
        pure = torch.func.functionalize(function, remove="mutations_and_views")
        try:
            with self._dispatch(), self._calls():
                self.trace.results = pure(*self.trace.examples)
        except Exception as error:
            name = _control_flow(error)
            if name:
                from neml2.compiler.frontend.aten import missing

                raise self.refuse(missing(name), raised_at(error)) from error
            if not isinstance(error, RuntimeError):
                raise
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            text = f"this {_OUTLIVES}" if "mutating a non-functional tensor" in reason else reason
            raise self.refuse(text, raised_at(error)) from error
        if self.refusal is not None:  # the function caught it
            raise self.refusal
        return self.trace

    def refuse(self, text: str, place: str | None = None) -> CaptureError:
        place = here() if place is None else place
        self.refusal = self.refusal or CaptureError(f"{place}: {text}" if place else text)
        return self.refusal

    def _moves(self, value: Any) -> bool:
        return not self.moving.isdisjoint(map(id, tensors(value)))

    # ---- ATen operations ---------------------------------------------------------------------------------------------

    def _dispatch(self) -> Any:
        from torch.utils._python_dispatch import TorchDispatchMode

        recording = self

        class Recorder(TorchDispatchMode):
            @classmethod
            def _should_skip_dynamo(cls) -> bool:  # or the first operation imports torch._dynamo to switch it off
                return False

            def __torch_dispatch__(self, target: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                kwargs = kwargs or {}
                with self:
                    result = target.decompose(*args, **kwargs)
                return recording.operation(target, args, kwargs) if result is NotImplemented else result

        return Recorder()

    def operation(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Does an operation, and notes it where an example decides its result."""
        import torch

        name, tags = target.__name__.split(".")[0], target.tags
        if torch.Tag.nondeterministic_seeded in tags:
            raise self.refuse(f"torch.{name.strip('_')} {_RANDOM}")
        if torch.Tag.data_dependent_output in tags and self._moves((args, kwargs)):
            raise self.refuse(f"the value of a tensor is needed as a number; {_FIXED}")
        if torch.Tag.dynamic_output_shape in tags and self._moves(_sizing(args)):
            raise self.refuse(f"values decide how many entries the result of torch.{name} has; {_BRANCHES}")
        if target._schema.is_mutable:
            raise self.refuse(f"torch.{name} {_OUTLIVES}", self.in_place or None)
        if name == "_linalg_check_errors":  # asks whether an example is singular
            return None
        if name == "_efficientzerotensor":  # zeros without memory, which few operations know
            return torch.zeros(*args, dtype=kwargs.get("dtype"))
        finite = [torch.nan_to_num(x) for x in args[:1]] if name == "_linalg_eigh" else args[:1]  # or it would raise
        result = target(*finite, *args[1:], **kwargs)
        moves = self._moves((args, kwargs)) and name not in _CONSTANT
        if moves or name.removeprefix("new_").startswith("empty"):
            self.moving.update(map(id, tensors(result)))
            kind = HOLD if self.holding and name in _COPYING else target
            self.trace.operations.append(Operation(kind, args, kwargs, result, here()))
        return result

    # ---- calls of torch ----------------------------------------------------------------------------------------------

    def _calls(self) -> Any:
        from torch.overrides import TorchFunctionMode

        recording = self

        class Watch(TorchFunctionMode):
            def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                return recording.call(function, args, kwargs or {})

        return Watch()

    def call(self, function: Any, args: Any, kwargs: Any) -> Any:
        """A call of torch by the function, or by torch on its behalf."""
        import torch

        name = getattr(function, "__name__", "")
        if name in ("__repr__", "__format__") and self._depends(args[0]):  # decides nothing
            return f"<tensor of shape {tuple(args[0].shape)} in a trace>"
        if name in _EXITS and self._leaves(name, args, kwargs):
            raise self.refuse(f"{_shown(name)} of what depends on the inputs: {_EXITS[name]}")
        if name in ("detach", "detach_") or getattr(function, "__self__", None) is torch.Tensor.data:
            with self._held():
                return torch.clone(args[0].detach())
        if name in ("det", "linalg_det") and 1 <= args[0].shape[-1] <= _WRITTEN_OUT and self._depends(args[0]):
            return _determinant(args[0])
        if (name.endswith("_") and not name.startswith("_")) or name in ("__setitem__", "__iadd__", "__imul__"):
            self.in_place = here()
        if name in _EXITS and name != "as_tensor":  # of a constant, whose wrapper has no memory of its own
            args = _plain(args)
        return function(*args, **kwargs)

    @contextmanager
    def _held(self) -> Iterator[None]:
        self.holding, before = True, self.holding
        try:
            yield
        finally:
            self.holding = before

    def _leaves(self, name: str, args: Any, kwargs: Any) -> bool:
        if name == "as_tensor" and args and tensors(args[:1]) == list(args[:1]):
            return False  # itself
        return any(self._depends(x) for x in tensors((args, kwargs)))

    def _depends(self, x: torch.Tensor) -> bool:
        """Whether an example decides the values of a tensor as the function sees it."""
        return id(_plain(x)) in self.moving


def _plain(value: Any) -> Any:
    """Tensors, also those in sequences, without what torch.func wraps them in."""
    import torch

    if isinstance(value, (tuple, list)):
        return type(value)(map(_plain, value))
    if isinstance(value, torch.Tensor):
        functorch = torch._C._functorch
        with torch._C.DisableTorchFunction():
            while functorch.is_functorch_wrapped_tensor(value):
                if torch._is_functional_tensor(value):
                    torch._sync(value)
                value = functorch.get_unwrapped(value)
    return value


def _determinant(a: torch.Tensor) -> torch.Tensor:
    """By minors of the first row: the reverse mode of torch's own reads values, to find out whether it is zero."""
    n = a.shape[-1]
    if n == 1:
        return a[..., 0, 0]
    total = a[..., 0, 0] * _determinant(a[..., 1:, 1:])
    for k in range(1, n):
        rest = a[..., 1:, [j for j in range(n) if j != k]]
        total = total + (-1) ** k * (a[..., 0, k] * _determinant(rest))
    return total


def _shown(name: str) -> str:
    """What a user wrote that came to the call `name`."""
    known = {"__array__": "a NumPy function", "__bool__": "a branch on the value", "__contains__": "`in`"}
    word = name.strip("_")
    torch_function = name in ("tensor", "asarray", "as_tensor", "equal", "allclose")
    return known.get(name) or (f"torch.{name}()" if torch_function else f"{word}()" if word != name else f".{name}()")


def _sizing(args: Any) -> Any:
    """The operands that decide the shape of a result: of an index or a selection, the masks."""
    import torch

    if len(args) > 1 and tensors(args[1]):
        return [x for x in tensors(args[1]) if x.dtype in (torch.bool, torch.uint8)]
    return args


# ---- comparing -------------------------------------------------------------------------------------------------------


def _same(first: Trace, second: Trace) -> None:
    """Raises CaptureError where two traces of one function, at different values, differ in more than their values."""
    known: dict[int, int] = {}
    for a, b in zip(first.examples, second.examples, strict=True):
        known[id(a)] = id(b)
    for a, b in zip(first.operations, second.operations, strict=False):
        if a.target != b.target or not _alike((a.args, a.kwargs), (b.args, b.kwargs), known):
            raise CaptureError(_differs(a.place or b.place))
        for x, y in zip(tensors(a.result), tensors(b.result), strict=True):
            known[id(x)] = id(y)
    longer = max(first.operations, second.operations, key=len)
    if len(first.operations) != len(second.operations):
        raise CaptureError(_differs(longer[min(len(first.operations), len(second.operations))].place))
    if not _alike(list(first.results), list(second.results), known):
        raise CaptureError(_differs(""))


def _differs(place: str) -> str:
    text = (
        "a second call, with other values, does something else: what it computes hangs on values outside the graph (a "
        f"branch on a number made from a tensor, a result kept from an earlier call, a random number), and {_FIXED}"
    )
    return f"{place}: {text}" if place else text


def _alike(a: Any, b: Any, known: dict[int, int]) -> bool:
    import torch

    if isinstance(a, torch.Tensor):
        if not isinstance(b, torch.Tensor):
            return False
        if id(a) in known:
            return known[id(a)] == id(b)
        return a is b or _equal(a, b)
    if isinstance(a, (tuple, list)):
        return isinstance(b, (tuple, list)) and len(a) == len(b) and all(map(_alike, a, b, [known] * len(a)))
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and _alike(list(a.values()), list(b.values()), known)
    return a == b or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))


def _equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    import torch

    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return bool(torch.equal(a, b)) or bool(torch.allclose(a, b, 0.0, 0.0, equal_nan=True))
