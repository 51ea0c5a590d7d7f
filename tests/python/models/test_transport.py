# SPDX-License-Identifier: MIT
"""Finite volumes and precipitation: conservation, closed forms and symmetry; eager, and compiled for the native
backend."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import neml2
from neml2.hit import load_string
from neml2.models.registry import find
from neml2.types import Scalar
from support import Compile, metadata
from transport_inputs import CELLS, PRECIPITATION, TRANSPORT

F64 = torch.float64


def cells(data, tag: int = 1) -> Scalar:
    return Scalar(torch.as_tensor(data, dtype=F64), sub_batch_ndim=tag)


# ---- single models ---------------------------------------------------------------------------------------------------


def test_edges_at_rest_have_the_mean_slope():
    model = find("FiniteVolumeUpwindedAdvectiveFlux")("m")
    outputs, J = model.jacobian({"u": cells([1.0, 2.0, 5.0]), "v_edge": cells([0.0, 0.0])})
    assert torch.equal(outputs["flux"].data, torch.zeros(2, dtype=F64))
    torch.testing.assert_close(J["flux"]["v_edge"], torch.diag(torch.tensor([1.5, 3.5], dtype=F64)))


def test_one_velocity_for_each_point_or_for_all():
    model = find("FiniteVolumeUpwindedAdvectiveFlux")("m")
    u = [[1.0, 2.0, 5.0], [2.0, 1.0, 4.0]]
    for v in (torch.tensor([2.0, -1.0], dtype=F64), torch.tensor(2.0, dtype=F64)):
        flux = model(cells(u), Scalar(v))
        right = flux.data[0] == torch.tensor([2.0, 4.0], dtype=F64)
        assert right.all() and flux.sub_batch_shape == (2,)
    assert torch.equal(
        model(cells(u), Scalar(torch.tensor([2.0, -1.0]))).data[1], torch.tensor([-1.0, -4.0], dtype=F64)
    )


@pytest.mark.parametrize("bc", [3.0, cells([3.0]), cells([3.0, 4.0])])
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_boundary_value_may_be_several_and_serves_all_points(bc, side):
    model = find("FiniteVolumeAppendBoundaryCondition")("m", input="u", bc_value=bc, side=side)
    u = np.arange(6.0).reshape(2, 3)
    value = model(cells(u))
    end = np.broadcast_to(np.atleast_1d(bc.data if isinstance(bc, Scalar) else bc), (2, value.data.shape[1] - 3))
    np.testing.assert_array_equal(value.data.detach(), np.hstack([end, u] if side == "left" else [u, end]))
    assert list(model.output_spec) == [f"u_with_bc_{side}"] and value.sub_batch_ndim == 1


def test_a_boundary_value_for_each_point():
    model = find("FiniteVolumeAppendBoundaryCondition")("m", input="u", bc_value=torch.tensor([3.0, 4.0]))
    value = model(cells(np.zeros((2, 3))))
    assert value.data[:, 0].tolist() == [3.0, 4.0] and value.data.shape == (2, 4)


def test_values_are_on_cells_only_if_they_say_so():
    u = torch.tensor([1.0, 2.0, 3.0], dtype=F64)
    grid = {"cell_centers": [0.5, 1.5, 2.5], "cell_edges": [0.0, 1.0, 2.0, 3.0]}
    models = {
        "u": (find("FiniteVolumeGradient")("m", dx=1.0), (u,)),
        "input": (find("FiniteVolumeAppendBoundaryCondition")("m", bc_value=0.0), (u,)),
        "cell_values": (find("LinearlyInterpolateToCellEdges")("m", cell_values="q", **grid), (torch.tensor(2.0),)),
        "number_density": (find("PrecipitateVolumeFraction")("m", radius=1.0), (u,)),
    }
    for option, (model, values) in models.items():
        with pytest.raises(
            ValueError, match=f"option '{option}': expected values along a sub-batch axis.*sub_batch_ndim=1"
        ):
            model(*values)
    with pytest.raises(ValueError, match=r"option 'magnitude': expected one value.*\(3,\)"):
        find("DumpInSmallestBin")("m", cell_centers=[1.0, 2.0])(cells(u))


def test_the_tag_of_a_grid_does_not_matter_and_one_value_stands_for_all_bins():
    for tag in (0, 1):
        x = cells([0.5, 1.5, 2.5], tag)
        source = find("DumpInSmallestBin")("m", cell_centers=x)(torch.tensor([2.0, 3.0], dtype=F64))
        assert source.data.tolist() == [[2, 0, 0], [3, 0, 0]] and source.sub_batch_shape == (3,)
        fraction = find("PrecipitateVolumeFraction")("m", radius=x)
        (value,) = fraction(cells([[1.0, 1.0, 1.0]])).data.tolist()
        assert value == pytest.approx(4 / 3 * math.pi * (0.5**3 + 1.5**3 + 2.5**3))
    (value,) = find("PrecipitateVolumeFraction")("m", radius=2.0)(cells([[1.0, 1.0, 1.0]])).data.tolist()
    assert value == pytest.approx(32 * math.pi)


def test_default_names_of_sources_and_coordinates():
    names = {"DumpInSmallestBin": {"cell_centers": [1.0]}, "SmearedDeltaSource": {"cell_centers": [1.0], "width": 1.0},
             "SemiInfiniteCoordinateTransform": {"shift": 1.0}}  # fmt: skip
    outputs = [list(find(type_)("m", **options).output_spec) for type_, options in names.items()]
    assert outputs == [["state/dumped_source"], ["state/smeared_source"], ["state/x_hat"]]


# ---- transport -------------------------------------------------------------------------------------------------------


class Eager:
    """One step of a model at batches of points, in arrays."""

    def __init__(self, text: str) -> None:
        self.model = load_string(text).get_model("update")

    def __call__(self, u, dt, **more):
        return self.model(**self.given(u, dt, more)).data.detach().numpy()

    def slope(self, u, dt, **more):
        return self.model.jacobian(self.given(u, dt, more))[1]["u"]["u~1"].detach().numpy()

    def given(self, u, dt, more):
        values = {"u~1": u, "t": dt, "t~1": 0.0, **more}
        return {name: cells(value, int(name in ("u~1", "v"))) for name, value in values.items()}


class Compiled(Eager):
    def __init__(self, compiled: Compile, text: str) -> None:
        self.model = neml2.aoti.Model(metadata(compiled(text, "update", "-d", "u:u~1", "--backend", "native")))

    def __call__(self, u, dt, **more):
        return self.model.forward(self.given(u, dt, more))["u"].numpy()

    def given(self, u, dt, more):
        return {name: value.data for name, value in super().given(u, dt, more).items()}


@pytest.fixture(params=["eager", "native"])
def step(request: pytest.FixtureRequest):
    """`step(text)` -> one step of the model in an input file."""
    if request.param == "eager":
        return Eager
    compiled = request.getfixturevalue("compiled")
    return lambda text: Compiled(compiled, text)


X = (np.arange(CELLS) + 0.5) / CELLS
DIFFUSION = {"D": 0.03, "v": np.zeros(CELLS)}
FLOW = {"D": 0.01, "v": np.full(CELLS, 0.4)}


@pytest.mark.parametrize("mode", [0, 1, 5])
def test_a_wave_decays_as_the_discrete_operator_says(step, mode):
    """cos(k pi x) is an eigenvector of the second difference with closed ends, and stays one in every step."""
    u, dt, update = 1 + 0.5 * np.cos(mode * np.pi * X), 0.2, step(TRANSPORT)
    rate = 0.03 * 2 * CELLS**2 * (1 - np.cos(mode * np.pi / CELLS))
    start = u
    for _ in range(4):
        u = update(u, dt, **DIFFUSION)
    np.testing.assert_allclose(u, 1 + (start - 1) / (1 + dt * rate) ** 4, rtol=1e-11)


def test_the_tangent_is_the_inverse_of_the_discrete_operator(step):
    laplacian = np.diff(np.diff(np.eye(CELLS), axis=0), axis=0, prepend=0, append=0) * CELLS**2
    expected = np.linalg.inv(np.eye(CELLS) - 0.2 * 0.03 * laplacian)
    np.testing.assert_allclose(step(TRANSPORT).slope(np.cos(3 * X), 0.2, **DIFFUSION), expected, atol=1e-12)


def test_points_are_independent_and_lose_nothing(step):
    rng = np.random.default_rng(1)
    u, dt = rng.uniform(0.1, 2.0, (5, CELLS)), np.linspace(0.05, 0.5, 5)
    update = step(TRANSPORT)
    after = update(u, dt, **FLOW)
    np.testing.assert_allclose(after.sum(-1), u.sum(-1), rtol=1e-11)
    assert (after > 0).all(), "an implicit upwind step keeps concentrations positive"
    for k in range(5):
        np.testing.assert_allclose(after[k], update(u[k], dt[k], **FLOW), rtol=1e-11)


def test_a_mirrored_flow_mirrors_the_result(step):
    """With velocities of both signs, which meet and part."""
    rng, update = np.random.default_rng(2), step(TRANSPORT)
    u, v = rng.uniform(0.1, 2.0, CELLS), rng.uniform(-0.5, 0.5, CELLS)
    there = update(u, 0.3, D=0.01, v=v)
    np.testing.assert_allclose(there, update(u[::-1].copy(), 0.3, D=0.01, v=-v[::-1])[::-1], rtol=1e-12)


# ---- precipitation ---------------------------------------------------------------------------------------------------


def test_nuclei_are_counted_and_take_their_solute_from_the_matrix(step):
    """The number of particles grows by what nucleates; atoms are neither made nor lost."""
    update = step(PRECIPITATION)
    state = load_string(PRECIPITATION).get_model("state")
    u, dt = 1e-3 * np.exp(-8 * X), 0.05
    for _ in range(4):
        after = update(u, dt)
        found = {name: value.data.detach().numpy() for name, value in state.evaluate({"u": cells(after)}).items()}
        born = found["nucleation_flux_magnitude"]
        assert born > 0 and after.min() > -1e-15
        assert (after - u).sum() == pytest.approx(dt * born, rel=1e-6)
        assert found["c"] * (1 - found["f"]) + 0.6 * found["f"] == pytest.approx(0.1, rel=1e-12)
        assert found["critical_radius"] == pytest.approx(2 * 100 * 2 / found["driving_force"], rel=1e-12)
        u = after


def test_the_package_has_the_bins_of_the_initial_value(compiled):
    """Nothing else in the file says how many there are; the stub's driver repeats the history of the file's own."""
    stub = compiled(PRECIPITATION, "update", "-d", "u:u~1", "--backend", "native")
    eager = load_string(PRECIPITATION).get_driver("grow").run(eager=True)
    found = neml2.load_input(stub).get_driver("grow").run()
    assert found.keys() == eager.keys() and found["output.4.u"].shape == (CELLS,)
    for name, value in eager.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-15)


def test_the_tangent_of_precipitation_is_its_difference_quotient(step):
    update, u, v = step(PRECIPITATION), 1e-3 * np.exp(-8 * X), np.random.default_rng(3).uniform(-1, 1, CELLS)
    h = 1e-5
    quotient = (update(u + h * v, 0.05) - update(u - h * v, 0.05)) / (2 * h)
    np.testing.assert_allclose(update.slope(u, 0.05) @ v, quotient, rtol=1e-4, atol=1e-5)
