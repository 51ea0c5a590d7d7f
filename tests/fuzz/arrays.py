# SPDX-License-Identifier: MIT
"""Arguments of compiled models: views of shared buffers with any shapes, strides, offsets, dtypes and flags.

Each call ends in the values that contiguous copies of its arguments give, with every other byte of the buffers as it
was; or in an error of the project's, with all bytes as they were.
"""

from __future__ import annotations

import contextlib
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neml2.aoti import Exception as ModelError
from neml2.aoti import Model
from neml2.native import NumericalFunction

BYTES = 1 << 18  # as much as the largest block of the largest batch takes
SIZES = {0: [1], 1: [0, 1, 2, 7, 16, 33], 2: [0, 1, 2, 5, 17], 3: [0, 1, 2, 3, 5]}
ELASTICITY = """\
[Models]
  [model]
    type = LinearIsotropicElasticity
    coefficients = '200e3 0.3'
    coefficient_types = 'YOUNGS_MODULUS POISSONS_RATIO'
  []
[]
"""
COMBINATION = """\
[Models]
  [model]
    type = SR2LinearCombination
    from = 'a b'
    to = to
    weights = '2 -3'
  []
[]
"""
PACKAGES = {
    "native": (ELASTICITY, ["-p", "E", "-d", "stress:strain", "-d", "stress:E", "--backend", "native"]),
    "aoti": (ELASTICITY, ["-p", "E", "-d", "stress:strain", "-d", "stress:E"]),
    "combination": (COMBINATION, ["-d", ":", "--backend", "native"]),
}
UNIT = np.diag([1.0] * 6) / 1.3 + 0.3 / (1.3 * 0.4) * np.outer([1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0])  # E = 1


@dataclass
class Geometry:
    """A view of one of the buffers, in bytes."""

    buffer: int
    shape: tuple[int, ...]
    offset: int
    strides: tuple[int, ...]

    def of(self, buffers: list[np.ndarray], dtype: str = "f8") -> np.ndarray:
        return np.ndarray(self.shape, dtype, buffers[self.buffer].data, self.offset, self.strides)


@dataclass
class Given:
    """What is passed, the numbers it stands for (none: it cannot be right), and where it lies (none: elsewhere)."""

    value: Any
    numbers: np.ndarray | None = None
    geometry: Geometry | None = None
    usual: bool = True  # else it may be refused: its strides count no elements, or its batch is another


class Target:
    def __init__(self, folder: Path) -> None:
        from neml2.cli.compile import main

        self.models: dict[str, Model] = {}
        for name, (text, flags) in PACKAGES.items():
            made = folder / name
            if not (made / "model").exists():
                made.mkdir(parents=True, exist_ok=True)
                (made / "input.i").write_text(text)
                if main([str(made / "input.i"), "--model", "model", "--output-dir", str(made), "-q", *flags]):
                    raise RuntimeError(f"{name} does not compile")
            self.models[name] = Model(made / "model" / "cpu" / "model_meta.json")
        self.function = NumericalFunction(lambda a, x: a @ x, {"a": (2, 3), "x": (3,)}, ["y"], name="product")

    def run(self, rng: random.Random) -> None:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            case = _Case(rng)
            kind = rng.choice([*self.models, "function"])
            if kind == "function":
                case.call_function(self.function)
            else:
                case.call_model(self.models[kind], kind == "combination")


class _Case:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        numbers = np.random.default_rng(rng.getrandbits(32))
        self.buffers = [numbers.normal(size=BYTES // 8).view(np.uint8) for _ in range(rng.choice([1, 1, 2]))]
        self.tensors = [torch.from_numpy(b.view(np.float64)) for b in self.buffers]
        axes = rng.choice([0, 1, 1, 1, 2, 3])
        self.batch = tuple(rng.choice(SIZES[axes]) for _ in range(axes))
        self.before = [b.copy() for b in self.buffers]

    # ---- arguments ---------------------------------------------------------------------------------------------------

    def odd(self, chance: float) -> bool:
        return self.rng.random() < chance

    def geometry(self, shape: tuple[int, ...], plain: bool) -> Geometry:
        """A view that fits into a buffer; a plain one has an element at each place and steps by whole elements."""
        rng = self.rng
        for _ in range(50):
            order = list(range(len(shape)))
            if self.odd(0.3):
                rng.shuffle(order)
            step, strides = 8, [0] * len(shape)
            for axis in reversed(order):
                step *= rng.choice([1, 1, 1, 2, 3])
                strides[axis] = step + (8 * rng.randint(0, 3) if self.odd(0.3) else 0)
                step = strides[axis] * max(shape[axis], 1)
            if not plain:
                for axis in range(len(shape)):
                    strides[axis] *= rng.choice([1, 1, 1, -1, 0])
                    strides[axis] += rng.choice([0] * 8 + [4, -1])
            reach = [(n - 1) * s if n else 0 for n, s in zip(shape, strides, strict=True)]
            low, high = sum(r for r in reach if r < 0), sum(r for r in reach if r > 0) + 8
            if high - low > BYTES:
                continue
            room = BYTES - (high - low)
            offset = rng.randint(0, room // 8) * 8 if plain or not self.odd(0.1) else rng.randint(0, room)
            return Geometry(rng.randrange(len(self.buffers)), shape, offset - low, tuple(strides))
        return Geometry(0, shape, 0, np.empty(shape).strides)

    def argument(self, base: tuple[int, ...], batch: tuple[int, ...], write: bool = False) -> Given:
        if self.odd(0.04):
            return Given(self.strange((*batch, *base)))
        geometry = self.geometry((*batch, *base), plain=self.odd(0.7))
        view = geometry.of(self.buffers)
        unusual = not view.flags.aligned or any(s % 8 for s in geometry.strides)
        whole = not unusual and all(s >= 0 for s in geometry.strides)
        if whole and self.odd(0.5):
            strides = [s // 8 for s in geometry.strides]
            value: Any = self.tensors[geometry.buffer].as_strided(geometry.shape, strides, geometry.offset // 8)
        else:
            value = view
            if self.odd(0.1):
                value.setflags(write=False)
        usual = write or not any(s % 8 for s, n in zip(geometry.strides, geometry.shape, strict=True) if n > 1)
        return Given(value, view.copy(), geometry if write else None, usual)

    def strange(self, shape: tuple[int, ...]) -> Any:
        """Something that is refused, in memory of its own."""
        zeros = torch.zeros(shape, dtype=torch.float64)
        freed = torch.ones((1, *shape), dtype=torch.float64)
        freed.untyped_storage().resize_(0)
        kinds: list[Callable[[], Any]] = [
            lambda: None,
            lambda: [0.0],
            lambda: zeros.float(),
            lambda: zeros.to("meta"),
            lambda: zeros.to_sparse(),
            lambda: freed if freed.numel() else None,
            lambda: torch._efficientzerotensor(shape, dtype=torch.float64),
            lambda: torch.nested.nested_tensor([zeros, zeros]),
            lambda: zeros.clone().requires_grad_(),
            lambda: zeros[None, ..., None].expand(*[-1] * (len(shape) + 1), 4),
            lambda: zeros.numpy().astype(">f8"),
            lambda: zeros.numpy().astype("S3"),
            lambda: np.zeros(shape, object),
            lambda: torch.zeros((*shape, 7), dtype=torch.float64),
        ]
        return self.rng.choice(kinds)()

    def some_batch(self) -> tuple[int, ...]:
        """Batch axes that broadcast with the others, as a rule."""
        batch = tuple(1 if self.odd(0.15) else n for n in self.batch)
        batch = batch[self.rng.randint(0, len(batch)) if self.odd(0.2) else 0 :]
        return (*batch[:-1], 4) if batch and self.odd(0.02) else batch

    # ---- calls -------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def refusals(self, *errors: type[BaseException], wrong: bool) -> Iterator[None]:
        """Lets errors of the project's pass where something is `wrong`; they change no byte."""
        try:
            yield
        except errors as error:
            assert "\n" not in str(error) and "frame #" not in str(error), f"several lines: {error}"
            assert wrong, f"refused without a reason: {error}"
            for now, then in zip(self.buffers, self.before, strict=True):
                assert np.array_equal(now, then), f"changed by a call that failed: {error}"

    def call_function(self, function: NumericalFunction) -> None:
        a, x = self.argument((2, 3), self.some_batch()), self.argument((3,), self.some_batch())
        wrong = a.numbers is None or x.numbers is None or _broadcast(a.numbers[..., 0, 0], x.numbers[..., 0]) is None
        with self.refusals(TypeError, ValueError, wrong=wrong):
            y = function(a.value, x.value)
            if a.numbers is not None and x.numbers is not None:  # some integers, lists and numbers can be converted
                _same(y, np.einsum("...ij,...j->...i", a.numbers, x.numbers))
                self.unchanged_but([])

    def call_model(self, model: Model, combination: bool) -> None:
        rng = self.rng
        inputs = {name: self.argument((6,), self.some_batch()) for name in model.input_names}
        tangents = {n: self.argument((6,), self.some_batch()) for n in inputs if self.odd(0.7)}
        E = Given(torch.tensor(200e3, dtype=torch.float64), np.array(200e3))
        if not combination:
            if self.odd(0.3):
                E = self.parameter(model)
            else:
                model.set_parameter("E", E.value)
        arguments = {"E": E, **inputs}
        operation = rng.choice(["forward", "forward_natural", "jvp", "jacobian", "forward", "jvp", "jacobian"])
        into = operation != "forward_natural" and self.odd(0.7)
        moving = tangents if operation == "jvp" else {}
        batch = _broadcast_all([*arguments.values(), *moving.values()])
        wrong = batch is None or not all(g.usual for g in [*arguments.values(), *moving.values()])
        output = model.output_names[0]
        expected = None if batch is None else _expected(arguments, moving, combination)
        results = self.results(model, operation, batch or ()) if into else {}
        wrong = wrong or any(given.numbers is None or not _simple(given) for given in results.values())
        wrong = wrong or not all(given.usual for given in results.values())
        wrong = wrong or len(results) > 1  # they may overlap
        with self.refusals(ModelError, wrong=wrong):
            values = {n: g.value for n, g in inputs.items()}
            slopes = {n: g.value for n, g in moving.items()}
            if into:
                _into(model, operation, values, slopes, {n: g.value for n, g in results.items()}, output)
            else:
                found = _fresh(model, operation, values, slopes, output)
            assert expected is not None and all(g.numbers is not None for g in results.values()), "nothing was refused"
            if into:
                self.stored(results, expected)
            else:
                for name, value in found.items():
                    _same(value, np.broadcast_to(expected[name], value.shape))
                    assert operation == "forward_natural" or name not in ("", "tangent") or value.shape[:-1] == batch
                self.unchanged_but([])

    def parameter(self, model: Model) -> Given:
        given = self.argument((), self.some_batch())
        try:
            model.set_parameter("E", given.value)
        except ModelError as error:
            assert "\n" not in str(error)
            assert given.numbers is None or not _simple(given), f"refused without a reason: {error}"
            given = Given(torch.tensor(300e3, dtype=torch.float64), np.array(300e3))
            model.set_parameter("E", given.value)
        else:
            given.numbers = np.array(model.named_parameters()["E"])  # it may have been none of a strain
        return given

    def results(self, model: Model, operation: str, batch: tuple[int, ...]) -> dict[str, Given]:
        """Where the results of an operation go, by their names in `_expected`."""
        wanted = {"": (6,)}
        if operation == "jvp":
            wanted["tangent"] = (6,)
        if operation == "jacobian":
            wanted |= {name: (6, 6) if name != "E" else (6,) for _, name in model.derivative_pairs}
        found = {}
        for name, base in wanted.items():
            if self.odd(0.7):
                fits = self.odd(0.97)
                found[name] = self.argument(base, batch if fits else (*batch, 2), write=True)
                found[name].usual = fits
        return found

    def stored(self, results: dict[str, Given], expected: dict[str, np.ndarray]) -> None:
        for name, given in results.items():
            assert given.geometry is not None
            view = given.geometry.of(self.buffers)
            _same(view, np.broadcast_to(expected[name], view.shape))
        self.unchanged_but([given.geometry for given in results.values() if given.geometry])

    def unchanged_but(self, written: list[Geometry]) -> None:
        marks = [np.zeros(BYTES, np.uint8) for _ in self.buffers]
        for geometry in written:
            geometry.of(marks, "i8")[...] = -1
        for now, then, mark in zip(self.buffers, self.before, marks, strict=True):
            assert np.array_equal(now[mark == 0], then[mark == 0]), "something else was written"


def _expected(arguments: dict[str, Given], tangents: dict[str, Given], combination: bool) -> dict[str, np.ndarray]:
    """Values "", their "tangent", and blocks by the name of the input, in closed form from copies."""
    numbers = {name: given.numbers for name, given in arguments.items()}
    slopes = {name: given.numbers for name, given in tangents.items()}
    if combination:
        weights = {"a": 2.0, "b": -3.0}
        found = {"": sum(w * numbers[n] for n, w in weights.items())}
        found["tangent"] = sum((w * slopes[n] for n, w in weights.items() if n in slopes), np.zeros(6))
        return found | {n: w * np.eye(6) for n, w in weights.items()}
    E, unit = numbers["E"][..., None], numbers["strain"] @ UNIT
    found = {"": E * unit, "tangent": E * (slopes["strain"] @ UNIT) if "strain" in slopes else np.zeros(6)}
    return found | {"strain": E[..., None] * UNIT, "E": unit}


def _fresh(model: Model, operation: str, values: Any, slopes: Any, output: str) -> dict[str, np.ndarray]:
    if operation == "jvp":
        outputs, products = model.jvp(values, slopes)
        found = {"": outputs[output], "tangent": products[output]}
    elif operation == "jacobian":
        outputs, blocks = model.jacobian(values)
        found = {"": outputs[output], **blocks[output]}
    else:
        found = {"": getattr(model, operation)(values)[output]}
    return {name: value.numpy() for name, value in found.items()}


def _into(model: Model, operation: str, values: Any, slopes: Any, results: dict[str, Any], output: str) -> None:
    outputs = {output: results.pop("")} if "" in results else {}
    if operation == "jvp":
        model.jvp_into(values, slopes, outputs, {output: results.pop("tangent")} if results else {})
    elif operation == "jacobian":
        model.jacobian_into(values, outputs, {output: results} if results else {})
    else:
        model.forward_into(values, outputs)


def _simple(given: Given) -> bool:
    """Whether a result can be written where it is: elements at places of their own, in memory that torch can share."""
    value = given.value
    if not isinstance(value, (np.ndarray, torch.Tensor)):
        return False
    if isinstance(value, np.ndarray):
        if not (value.flags.writeable and value.flags.aligned) or any(s < 0 or s % 8 for s in value.strides):
            return False
        axes = sorted((s // 8, n) for s, n in zip(value.strides, value.shape, strict=True) if n > 1)
    else:
        axes = sorted((s, n) for s, n in zip(value.stride(), value.shape, strict=True) if n > 1)
    reach = 1
    for stride, size in axes:
        if stride < reach:
            return False
        reach += stride * (size - 1)
    return True


def _broadcast(*arrays: np.ndarray) -> tuple[int, ...] | None:
    try:
        return np.broadcast_shapes(*(a.shape for a in arrays))
    except ValueError:
        return None


def _broadcast_all(given: list[Given]) -> tuple[int, ...] | None:
    """The common batch shape; none where there is none, or something cannot be read."""
    if any(g.numbers is None for g in given):
        return None
    first, *rest = given  # the parameter has no axes of its own
    return _broadcast(first.numbers, *(g.numbers[..., 0] for g in rest))


def _same(actual: Any, expected: np.ndarray) -> None:
    actual = np.asarray(actual)
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    scale = np.abs(expected).max(initial=1.0)
    if not scale < 1e280:  # numbers from elements that are not aligned may overflow on either way
        return
    worst = np.abs(actual - expected).max(initial=0.0)
    assert worst <= 1e-12 * scale, f"off by {worst} of {scale}"
