# SPDX-License-Identifier: MIT
"""Sites captured once for all of them: the same values as torch's, exact derivatives, graphs that do not grow."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neml2.compiler.frontend.capture import capture, inputs
from neml2.compiler.frontend.sites import Along
from neml2.compiler.frontend.trace import CaptureError
from neml2.compiler.graph.differentiate import Coupled, rows
from neml2.compiler.graph.interpret import NUMPY_SEMANTICS
from neml2.compiler.graph.pointgraph import PointGraph, SiteError
from neml2.compiler.graph.sites import system

SITES = 7
NUMBERS = torch.linspace(-1, 2, SITES, dtype=torch.float64)
TABLE = torch.linspace(-1, 2, 3 * SITES, dtype=torch.float64).reshape(SITES, 3) ** 3


def _assigned(x, y):
    z = torch.zeros(SITES, 4, dtype=x.dtype)
    z[:, 0] = y
    z[:, 1:] = x
    return z


FUNCTIONS = {
    "entry by entry": lambda x, y, u: torch.sin(x) * y[..., None] + u[0] * TABLE,
    "sum": lambda x, y, u: (x * y[:, None]).sum(0) + u,
    "mean": lambda x, y, u: (x * y[:, None]).mean((0, 1)),
    "sum of what is the same": lambda x, y, u: u.expand(SITES, 3).sum(0),
    "sum at a site": lambda x, y, u: (x * y[:, None]).sum(-1),
    "rows of a product": lambda x, y, u: (x[:, :2] @ (x[0, :2, None] * u[None])) * y[:, None],
    "folded axes": lambda x, y, u: torch.einsum("ni,nj->nij", x, x) @ u,
    "batch of products": lambda x, y, u: torch.bmm(x[:, :, None], x[:, None, :]).sum(0),
    "difference": lambda x, y, u: y[1:] - y[:-1],
    "joined ends": lambda x, y, u: torch.diff(torch.cat([u[:1], y * NUMBERS, y[-1:]])),
    "padded": lambda x, y, u: torch.nn.functional.pad(y, (1, 2), value=3.0).exp(),
    "upwind": lambda x, y, u: torch.where(u[0] > 0, torch.cat([u[:1], y[:-1]]), torch.cat([y[1:], u[1:2]])) * NUMBERS,
    "one site": lambda x, y, u: x[2] * y[3] + u,
    "permuted": lambda x, y, u: x.T * y,
    "stacked": lambda x, y, u: torch.stack([y, y * 2, NUMBERS], -1),
    "rolled": lambda x, y, u: torch.roll(y, 1),
    "indexed": lambda x, y, u: x[:, [2, 0]],
    "assigned": lambda x, y, u: _assigned(x, y),
    "inverse": lambda x, y, u: torch.linalg.inv(x[:, :2, None] * x[:, None, :2] + torch.eye(2)).reshape(SITES, 4),
    "norm": lambda x, y, u: torch.linalg.norm(x, dim=-1) * y,
    "Jacobian": lambda x, y, u: torch.func.vmap(torch.func.jacrev(lambda a: (a * a).sum() * a))(x),
    "expanded": lambda x, y, u: u.expand(SITES, 3) * x,
    "reshaped": lambda x, y, u: (x.reshape(SITES, 3, 1) * x.view(SITES, 1, 3)).reshape(SITES, 9),
    "largest at a site": lambda x, y, u: x.amax(-1),
    "running sum at a site": lambda x, y, u: torch.cumsum(x, -1),
}


def arguments(seed: int = 0) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return [torch.rand(*shape, dtype=torch.float64, generator=g) for shape in ((SITES, 3), (SITES,), (3,))]


def captured(function) -> tuple[PointGraph, Along | np.ndarray]:
    """A function of x (SITES, 3), y (SITES) and u (3), one after the other in the state."""
    graph = PointGraph()
    nodes = [
        inputs(graph, 0, (SITES, 3), along=True),
        inputs(graph, 3 * SITES, (SITES,), along=True),
        inputs(graph, 4 * SITES, (3,)),
    ]
    (found,) = capture(graph, lambda *a: [function(*a)], arguments(1), nodes)
    return graph, found


def states(given: list[torch.Tensor]) -> np.ndarray:
    return torch.cat([x.reshape(-1) for x in given]).numpy()[:, None]


def values(graph: PointGraph, found, state: np.ndarray) -> np.ndarray:
    """What nodes are at one point, in the shape of the tensor."""
    nodes = found.full() if isinstance(found, Along) else found
    flat = found.nodes.reshape(-1) if isinstance(found, Along) else found.reshape(-1)
    results = dict(zip(flat.tolist(), graph.evaluate(flat.tolist(), state, NUMPY_SEMANTICS), strict=True))
    where = found.numbers() if isinstance(found, Along) else np.zeros(nodes.shape, dtype=np.int64)
    out = np.empty(nodes.shape)
    for place in np.ndindex(*nodes.shape):
        node = int(nodes[place])
        result = np.asarray(results[node])
        out[place] = result[-2 - where[place], 0] if graph.size[node] else result.reshape(-1)[0]
    return out


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_those_of_torch(name):
    graph, found = captured(FUNCTIONS[name])
    given = arguments()
    want = FUNCTIONS[name](*given).numpy()
    got = values(graph, found, states(given))
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-14, atol=1e-15)


COUPLED = ("rows of a product", "joined ends")
"""Values at sites that depend on the value at one of them."""


def derivatives(graph: PointGraph, nodes: list[int]):
    leaves = [graph.sites(k, 3, SITES) for k in range(3)] + [graph.sites(3 * SITES, 1, SITES)]
    return rows(graph, nodes, leaves + [graph.input(4 * SITES + k) for k in range(3)])


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n not in COUPLED])
def test_derivatives_are_those_of_torch(name):
    graph, found = captured(FUNCTIONS[name])
    state = states(arguments())
    want = torch.autograd.functional.jacobian(lambda s: _on_state(name, s), torch.tensor(state[:, 0])).numpy()
    if isinstance(found, Along):  # sites first, then the entries of one
        want = np.moveaxis(want, found.axis, 0).reshape(found.size, -1, len(state))
        nodes = np.moveaxis(found.nodes, found.axis, 0).reshape(-1).tolist()
    else:
        want, nodes = want.reshape(1, -1, len(state)), found.reshape(-1).tolist()
    for k, (node, row) in enumerate(zip(nodes, derivatives(graph, nodes), strict=True)):
        dense = _dense(graph, graph.size[node], row, state)
        np.testing.assert_allclose(dense, want[: len(dense), k], rtol=1e-12, atol=1e-13)


def _dense(graph: PointGraph, size: int, row, state: np.ndarray) -> np.ndarray:
    """Derivatives of an output, at each of its sites, by every component of the state."""
    dense = np.zeros((size or 1, len(state)))
    for (leaf, offset), coefficient in row.items():
        value = np.asarray(graph.evaluate([coefficient], state, NUMPY_SEMANTICS)[0])
        value = value[..., 0] if value.ndim else value
        components = np.array(list(graph.components_of(leaf)))
        if not size:
            dense[0, components] += value
        elif not graph.size[leaf]:
            dense[:, components[0]] += value
        else:
            here = np.broadcast_to(value, (size,))
            inside = [i for i in range(size) if 0 <= i + offset < len(components)]
            assert not np.delete(here, inside).any()
            dense[inside, components[np.array(inside) + offset]] += here[inside]
    return dense


@pytest.mark.parametrize("name", COUPLED)
def test_what_couples_all_sites_has_no_derivative_of_this_form(name):
    graph, found = captured(FUNCTIONS[name])
    with pytest.raises(Coupled, match="depends on a value at one of them"):
        derivatives(graph, found.nodes.reshape(-1).tolist())


def _on_state(name: str, state: torch.Tensor) -> torch.Tensor:
    x, y, u = state[: 3 * SITES].reshape(SITES, 3), state[3 * SITES : 4 * SITES], state[4 * SITES :]
    return FUNCTIONS[name](x, y, u)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y, u: torch.cumsum(y, 0),
        lambda x, y, u: torch.sort(y)[0],
        lambda x, y, u: y.amax(),
        lambda x, y, u: x.T @ x,
        lambda x, y, u: torch.flip(y, (0,)),
        lambda x, y, u: y[:, None] * y[None, :],
    ],
)
def test_what_mixes_sites_in_other_ways_is_refused(function):
    with pytest.raises(CaptureError):
        captured(function)


def test_the_graph_does_not_grow_with_the_sites():
    def nodes_of(count: int) -> int:
        graph = PointGraph()
        x = inputs(graph, 0, (count, 3), along=True)
        example = torch.rand(count, 3, dtype=torch.float64)
        capture(graph, lambda x: [(x * x).sum(-1)[1:] - x[:-1, 0]], [example], [x])
        return len(graph)

    assert nodes_of(5) == nodes_of(500)


def test_values_at_different_numbers_of_sites_do_not_meet():
    graph = PointGraph()
    with pytest.raises(SiteError, match="at 4 and 5 sites"):
        graph.add(graph.sites(0, 1, 4), graph.sites(4, 1, 5))


# ---- systems ---------------------------------------------------------------------------------------------------------


def test_a_system_has_the_blocks_of_its_couplings():
    graph = PointGraph()
    x, y = graph.sites(0, 1, 5), graph.input(5)
    mean = graph.mul(graph.const(0.2), graph.total(x))
    alone = system(graph, [x, y], [graph.sub(graph.mul(x, x), y), graph.sub(mean, y)])
    assert (alone.banded, alone.links, len(alone.border)) == (False, [], 1)
    linked = system(graph, [x, y], [graph.sub(graph.mul(x, mean), y), graph.sub(mean, y)])
    assert [graph.op[n] for n in linked.links] == ["sum"]
    left = graph.where(graph.table([True, *[False] * 4]), y, graph.shift(x, -1, 5))
    assert system(graph, [x], [graph.sub(x, left)]).banded


def test_a_system_with_far_neighbours_is_refused():
    graph = PointGraph()
    x = graph.sites(0, 1, 5)
    far = graph.where(graph.table([True, True, *[False] * 3]), graph.zero, graph.shift(x, -2, 5))
    with pytest.raises(Coupled, match="2 sites away"):
        system(graph, [x], [graph.sub(x, far)])
