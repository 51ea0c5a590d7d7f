# SPDX-License-Identifier: MIT
"""What the tests over all models share: drawing inputs, comparing, differences, and the interpreted point graph."""

from __future__ import annotations

import numpy as np
from library_common import EXAMPLES as COMMON
from library_crystal import EXAMPLES as CRYSTAL
from library_examples import Example
from library_physics import EXAMPLES as PHYSICS
from library_solid import EXAMPLES as SOLID

from neml2.compiler.frontend.capture import capture, inputs
from neml2.compiler.graph.differentiate import jacobian
from neml2.compiler.graph.pointgraph import PointGraph

EXAMPLES = [*COMMON, *SOLID, *PHYSICS, *CRYSTAL]
POINTWISE = [e for e in EXAMPLES if e.sites or not e.lead]
POINTS = 4


def draw(example: Example, seed: int, batch: tuple[int, ...] = ()) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([seed, *str(example).encode()])
    return example.inputs(lambda shape: rng.uniform(0.05, 0.95, shape), batch)


def close(actual, expected, rtol, what=""):
    """Equal up to `rtol` of the largest component."""
    actual, expected = np.asarray(actual, dtype=float), np.asarray(expected, dtype=float)
    scale = max(float(np.abs(expected).max(initial=0.0)), 1e-3)
    assert actual.shape == expected.shape, what
    np.testing.assert_allclose(actual, expected, rtol=0, atol=rtol * scale, err_msg=what)


def array(value) -> np.ndarray:
    return value.data.detach().numpy()


def differences(function, values, name, width):
    """Derivatives of a tuple of arrays to the components of `values[name]`, by differences of fourth order."""
    x = np.asarray(values[name], dtype=float)
    h = 2e-4 * width
    columns = []
    for k in range(x.size):
        unit = np.zeros(x.size)
        unit[k] = h
        step = unit.reshape(x.shape)
        p1, m1, p2, m2 = (function({**values, name: x + s * step}) for s in (1, -1, 2, -2))
        columns.append([(8 * (a - b) - (c - d)) / (12 * h) for a, b, c, d in zip(p1, m1, p2, m2, strict=True)])
    outputs = [np.stack(column, -1) for column in zip(*columns, strict=True)]
    return [o.reshape((*o.shape[:-1], *x.shape)) for o in outputs]


NUMPY = {
    "neg": np.negative, "recip": lambda a: 1.0 / np.asarray(a, dtype=float), "sqrt": np.sqrt, "exp": np.exp,
    "div": lambda a, b: np.asarray(a, dtype=float) / b,
    "log": np.log, "abs": np.abs, "sign": np.sign, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin,
    "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "floor": np.floor,
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "pow": lambda a, b: np.power(np.asarray(a, dtype=float), b),
    "lt": np.less, "le": np.less_equal, "eq": np.equal, "and": np.logical_and, "or": np.logical_or,
    "not": np.logical_not, "where": np.where,
}  # fmt: skip


class Captured:
    """The point graph of a model, interpreted for many points at once."""

    def __init__(self, example: Example, model) -> None:
        self.model = model
        point = example.typed(model, {**example.inputs(lambda shape: np.full(shape, 0.5)), **example.parameters()})
        self.shapes = {name: tuple(value.data.shape) for name, value in point.items()}
        sizes = [value.data.numel() for value in point.values()]
        offsets = np.cumsum([0, *sizes])
        self.graph, self.size = PointGraph(), int(offsets[-1])
        nodes = [inputs(self.graph, int(o), s) for o, s in zip(offsets, self.shapes.values(), strict=False)]
        self.outputs: dict[str, tuple[int, ...]] = {}

        def function(*data):
            state = {n: type(v)(x, v.sub_batch_ndim) for (n, v), x in zip(point.items(), data, strict=True)}
            values = model.evaluate(state)
            self.outputs = {name: tuple(v.data.shape) for name, v in values.items()}
            return [v.data for v in values.values()]

        results = capture(self.graph, function, [v.data for v in point.values()], nodes, repr(model))
        self.nodes = [int(n) for result in results for n in result.reshape(-1)]
        self.rows = jacobian(self.graph, self.nodes, range(self.size))

    def run(self, nodes, values) -> np.ndarray:
        """(points, len(nodes)) for inputs with one leading axis of points."""
        columns = [np.asarray(values[n]).reshape(POINTS, -1) for n in self.shapes]
        state = np.concatenate(columns, -1).T if columns else np.zeros((0, POINTS))
        with np.errstate(all="ignore"):
            results = self.graph.evaluate(nodes, state, NUMPY)
        return np.stack([np.broadcast_to(np.asarray(r, dtype=float), (POINTS,)) for r in results], -1)

    def split(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        parts = np.split(flat, np.cumsum([int(np.prod(s)) for s in self.outputs.values()])[:-1], axis=1)
        return dict(zip(self.outputs, parts, strict=True))
