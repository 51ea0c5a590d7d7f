# SPDX-License-Identifier: MIT
"""What callers pass is looked at before anything is read or written: NumPy views, tensors without memory, gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from elasticity import DERIVATIVES, hooke
from torch._subclasses.fake_tensor import FakeTensorMode

import neml2
from input_texts import ELASTICITY
from neml2.aoti import FatalError, Model
from support import Compile

F64 = torch.float64
RECORD = np.dtype([("before", "i4"), ("strain", "f8", 6), ("stress", "f8", 6)])  # no multiple of 8 bytes


@pytest.fixture(scope="module", params=["aoti", "native"])
def model(request: pytest.FixtureRequest, compiled: Compile) -> Model:
    stub = compiled(ELASTICITY, "elasticity", *DERIVATIVES, "--backend", request.param)
    return neml2.aoti.load_model(stub, "elasticity")


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=shape)


def zeros(*shape: int) -> torch.Tensor:
    return torch.zeros(shape, dtype=F64)


def frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def unaligned(*shape: int) -> np.ndarray:
    array = np.frombuffer(bytearray(8 * int(np.prod(shape)) + 4), np.float64, offset=4).reshape(shape)
    array[...] = values(*shape)
    return array


# ---- arrays of NumPy -----------------------------------------------------------------------------------------------

VIEWS: dict[str, Callable[[], np.ndarray]] = {
    "points reversed": lambda: values(7, 6)[::-1],
    "components reversed": lambda: values(7, 6)[:, ::-1],
    "all reversed": lambda: values(3, 5, 6)[::-1, ::-1, ::-1],
    "every other point, backwards": lambda: values(14, 6)[::-2],
    "one axis reversed": lambda: values(3, 5, 6)[:, ::-1],
    "one point": lambda: values(6)[::-1],
    "no points": lambda: values(0, 6)[::-1],
    "read-only": lambda: frozen(values(7, 6)),
    "expanded": lambda: np.broadcast_to(values(6), (7, 6)),
    "columns first": lambda: np.asfortranarray(values(7, 6)),
    "not aligned": lambda: unaligned(7, 6),
    "not aligned, strided": lambda: unaligned(7, 12)[:, ::2],
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_any_array_of_numbers_can_be_read(model: Model, view: Callable[[], np.ndarray]) -> None:
    strain = view()
    before = strain.copy()
    tangent = np.ascontiguousarray(strain)[..., ::-1]
    outputs, slopes = model.jvp({"strain": strain}, {"strain": tangent})
    assert outputs["stress"].shape == strain.shape
    torch.testing.assert_close(outputs["stress"], hooke(torch.tensor(before)), rtol=1e-12, atol=1e-9)
    torch.testing.assert_close(slopes["stress"], hooke(torch.tensor(tangent.copy())), rtol=1e-12, atol=1e-9)
    assert np.array_equal(strain, before)


def test_arrays_outlive_their_names(model: Model) -> None:
    memory = np.full(3, 100e3)
    old = model.named_parameters()["E"]
    model.set_parameter("E", memory)
    try:
        memory[:] = 300e3  # shared, not copied
        expected = memory * 0 + 300e3
        del memory
        stress = model.forward({"strain": np.full(6, 1e-3)})["stress"]
        for k in range(3):
            torch.testing.assert_close(stress[k], hooke(torch.full((6,), 1e-3, dtype=F64), expected[k]))
    finally:
        model.set_parameter("E", old)


REFUSED_OUTPUTS: dict[str, tuple[Callable[[], np.ndarray], str]] = {
    "read-only": (lambda: frozen(values(7, 6)), "'stress' .*read-only"),
    "expanded": (lambda: np.broadcast_to(values(6), (7, 6)), "'stress' .*read-only"),
    "reversed": (lambda: values(7, 6)[::-1], "'stress' .*negative stride"),
    "records": (lambda: np.zeros(7, RECORD)["stress"], "'stress' .*torch cannot share"),
    "not aligned": (lambda: unaligned(7, 6), "'stress' .*aligned"),
    "another byte order": (lambda: values(7, 6).astype(">f8"), "'stress' .*torch cannot share"),
    "text": (lambda: np.full((7, 6), "x"), "'stress' .*torch cannot share"),
}


@pytest.mark.parametrize(("view", "message"), REFUSED_OUTPUTS.values(), ids=REFUSED_OUTPUTS)
def test_arrays_that_cannot_be_written_are_refused(model: Model, view: Callable[[], np.ndarray], message: str) -> None:
    stress = view()
    before = stress.copy()
    strain = {"strain": np.ones((7, 6))}
    stiffness = {"stress": {"strain": np.zeros((6, 6))}}
    calls = (
        lambda: model.forward_into(strain, {"stress": stress}),
        lambda: model.jvp_into(strain, strain, {}, {"stress": stress}),
        lambda: model.jacobian_into(strain, {"stress": stress}, stiffness),
    )
    for call in calls:
        with pytest.raises(FatalError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)
    assert np.array_equal(stress, before) and not stiffness["stress"]["strain"].any()


def test_a_read_only_memory_map_is_refused(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "stress"
    path.write_bytes(bytes(7 * 6 * 8))
    stress = np.memmap(path, np.float64, "r", shape=(7, 6))
    with pytest.raises(FatalError, match="read-only"):
        model.forward_into({"strain": np.ones((7, 6))}, {"stress": stress})
    writable = np.memmap(path, np.float64, "r+", shape=(7, 6))
    model.forward_into({"strain": stress + 1}, {"stress": writable})
    torch.testing.assert_close(torch.tensor(stress), hooke(torch.ones(7, 6, dtype=F64)))


@pytest.mark.parametrize("E", [frozen(np.array(1.0)), np.ones(3)[::-1]], ids=["read-only", "reversed"])
def test_parameters_are_shared_or_refused(model: Model, E: np.ndarray) -> None:
    with pytest.raises(FatalError, match=r"parameter 'E' .*give a copy"):
        model.set_parameter("E", E)
    assert float(model.named_parameters()["E"]) == 200e3


@pytest.mark.parametrize("view", [lambda r: r, lambda r: r[::-1], lambda r: r[1::2], lambda r: r[:1]])
def test_fields_of_records_are_read(model: Model, view: Callable[[np.ndarray], np.ndarray]) -> None:
    records = np.zeros(7, RECORD)
    records["strain"] = values(7, 6)
    strain = view(records)["strain"]
    stress = model.forward({"strain": strain})["stress"]
    torch.testing.assert_close(stress, hooke(torch.tensor(strain.copy())))


def test_what_a_copy_does_not_mend_is_refused_as_input(model: Model) -> None:
    for strain, why in ((values(7, 6).astype(">f8"), "byte order"), (np.full((7, 6), "x"), "dtype")):
        with pytest.raises(FatalError, match=rf"input 'strain' is a 'ndarray' that torch cannot share: .*{why}"):
            model.forward({"strain": strain})


# ---- tensors without memory ----------------------------------------------------------------------------------------


def freed(tensor: torch.Tensor) -> torch.Tensor:
    tensor.untyped_storage().resize_(0)
    return tensor


def shrunk(tensor: torch.Tensor) -> torch.Tensor:
    tensor.untyped_storage().resize_(8)
    return tensor


WITHOUT_MEMORY: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "meta": lambda t: t.to("meta"),
    "fake": lambda t: FakeTensorMode().from_tensor(t),
    "sparse": lambda t: t.to_sparse(),
    "compressed": lambda t: t.reshape(1, -1).to_sparse_csr(),
    "mkldnn": lambda t: t.float().to_mkldnn(),
    "nested": lambda t: torch.nested.nested_tensor([t, t]),
    "jagged": lambda t: torch.nested.nested_tensor([t, t], layout=torch.jagged),
    "all zeros": lambda t: torch._efficientzerotensor(t.shape, dtype=t.dtype),
    "freed": freed,
    "shrunk": shrunk,
    "functional": lambda t: torch._to_functional_tensor(t),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", WITHOUT_MEMORY.values(), ids=WITHOUT_MEMORY)
def test_tensors_without_memory_are_refused_everywhere(model: Model, kind: Callable) -> None:
    strain = {"strain": zeros(2, 6) + 1}
    bad = kind(zeros(2, 6))
    calls: dict[str, Callable[[], Any]] = {
        "input 'strain'": lambda: model.forward({"strain": bad}),
        "tangent 'strain'": lambda: model.jvp(strain, {"strain": bad}),
        "output 'stress'": lambda: model.forward_into(strain, {"stress": bad}),
        "output tangent 'stress'": lambda: model.jvp_into(strain, {}, {}, {"stress": bad}),
        "block 'stress:strain'": lambda: model.jacobian_into(strain, {}, {"stress": {"strain": kind(zeros(6, 6))}}),
        "parameter 'E'": lambda: model.set_parameter("E", kind(zeros(2))),
    }
    for what, call in calls.items():
        with pytest.raises(FatalError, match=f"^{what} ") as caught:
            call()
        assert "\n" not in str(caught.value)
    assert float(model.named_parameters()["E"]) == 200e3


def test_a_parameter_that_loses_its_memory_is_noticed(model: Model) -> None:
    old = model.named_parameters()["E"]
    E = zeros(2) + 1
    model.set_parameter("E", E)
    try:
        freed(E)
        with pytest.raises(FatalError, match=r"parameter 'E' .*freed"):
            model.forward({"strain": zeros(2, 6)})
    finally:
        model.set_parameter("E", old)


def test_modes_of_torch_do_not_reach_inside(model: Model) -> None:
    """Tensors that a call makes are real, also where every other tensor made is not."""
    strain = torch.ones(6, 5, dtype=F64).T
    with FakeTensorMode():
        outputs, blocks = model.jacobian({"strain": strain})
    assert type(outputs["stress"]) is torch.Tensor and type(blocks["stress"]["strain"]) is torch.Tensor
    torch.testing.assert_close(outputs["stress"], hooke(strain.contiguous()))


# ---- gradients -----------------------------------------------------------------------------------------------------


def test_what_asks_for_a_gradient_is_refused_where_none_is_recorded(model: Model) -> None:
    strain = zeros(2, 6).requires_grad_()
    plain = {"strain": zeros(2, 6)}
    calls: tuple[Callable[[], Any], ...] = (
        lambda: model.jacobian({"strain": strain * 2}),
        lambda: model.jvp(plain, {"strain": strain}),
        lambda: model.vjp(plain, {"stress": strain}),
        lambda: model.forward_natural({"strain": strain}),
        lambda: model.forward_into(plain, {"stress": strain}),
    )
    for call in calls:
        with pytest.raises(FatalError, match=r"requires a gradient.*no_grad.*jacobian"):
            call()
    with torch.no_grad():
        assert model.forward({"strain": strain})["stress"].shape == (2, 6)
    assert not model.forward({"strain": strain.detach()})["stress"].requires_grad
    with torch.inference_mode():
        assert model.forward({"strain": strain})["stress"].is_inference()


def test_dual_tensors_are_refused(model: Model) -> None:
    from torch.autograd import forward_ad

    with forward_ad.dual_level():
        strain = forward_ad.make_dual(zeros(2, 6), zeros(2, 6) + 1)
        for context in (torch.enable_grad, torch.no_grad):  # which says nothing about forward mode
            with context(), pytest.raises(FatalError, match=r"dual tensor.*primal.*jvp"):
                model.jacobian({"strain": strain})
        assert model.forward({"strain": forward_ad.unpack_dual(strain).primal})["stress"].shape == (2, 6)


def test_writing_is_told_to_autograd(model: Model) -> None:
    """A tensor saved for a backward pass and overwritten since is an error of torch's."""
    strain, stress = zeros(2, 6), zeros(2, 6)
    before = stress._version
    model.forward_into({"strain": strain}, {"stress": stress})
    assert stress._version > before
    model.jvp_into({"strain": strain}, {"strain": strain}, {}, {"stress": stress[:, :]})
    assert stress._version > before + 1
    weights = torch.ones(2, 6, dtype=F64, requires_grad=True)
    product = weights * stress
    model.forward_into({"strain": stress}, {"stress": stress})  # by way of a temporary
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.sum().backward()


def test_tensors_of_inference_mode_can_be_read_and_written(model: Model) -> None:
    with torch.inference_mode():
        strain, stress = torch.ones(2, 6, dtype=F64), torch.ones(6, 2, dtype=F64).T
    model.forward_into({"strain": strain}, {"stress": stress})
    torch.testing.assert_close(stress.clone(), hooke(strain.clone()))
    model.forward_into({"strain": strain}, {"stress": strain})
    torch.testing.assert_close(strain, stress)


# ---- torch's own errors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "message"),
    [((1 << 40, 1), "out of memory.*bytes"), ((1 << 60, 1), "overflow"), ((1 << 40, 1 << 40), "counted")],
)
def test_outputs_that_cannot_be_had_are_one_line(model: Model, shape: tuple[int, int], message: str) -> None:
    strain = {"strain": zeros(6).expand(*shape, 6)} if shape[1] == 1 else {"strain": zeros(6).expand(shape[0], 1, 6)}
    old = model.named_parameters()["E"]
    if shape[1] > 1:
        model.set_parameter("E", torch.tensor(1.0, dtype=F64).expand(1, shape[1]))
    try:
        with pytest.raises(FatalError, match=message) as caught:
            model.forward(strain)
        assert "\n" not in str(caught.value) and "frame #" not in str(caught.value)
    finally:
        model.set_parameter("E", old)
