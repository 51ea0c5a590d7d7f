# SPDX-License-Identifier: MIT
"""Implicit updates: solutions against closed forms and scalar references, derivatives, shapes, hostile points."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from implicit_inputs import (
    DECAY,
    PERZYNA,
    G,
    load,
    scalar_perzyna_step,
    uniaxial_deviatoric,
    von_mises,
)

from input_texts import viscoplasticity_in_rates
from neml2.errors import InvalidModel, InvalidOption
from neml2.solvers import ConvergenceError
from neml2.types import SR2, Scalar
from support import ROOT

F64 = torch.float64


def scalar(*values):
    return Scalar(torch.tensor(values[0] if len(values) == 1 else values, dtype=F64))


def decay_state(x, dt=0.1):
    return {"x~1": x, "t": scalar(dt), "t~1": scalar(0.0)}


@pytest.fixture
def decay():
    return load(DECAY).get_model("update")


@pytest.fixture
def perzyna():
    return load(PERZYNA).get_model("model")


def perzyna_state(strain, dt=1.0, plastic=None, ep=None):
    return {
        "strain": SR2(strain),
        "t": scalar(dt),
        "t~1": scalar(0.0),
        "plastic_strain~1": SR2(torch.zeros(6, dtype=F64) if plastic is None else plastic),
        "equivalent_plastic_strain~1": Scalar(torch.tensor(0.0, dtype=F64) if ep is None else ep),
    }


def ramp(count=5, top=0.004):
    directions = torch.tensor([[1.0, -0.4, -0.3, 0.2, 0.1, 0.5]], dtype=F64)
    return torch.linspace(0.2, 1.0, count, dtype=F64).unsqueeze(-1) * directions * top


class TestSolution:
    @given(st.floats(0.1, 5.0), st.floats(1e-3, 10.0))
    @settings(max_examples=25, deadline=None)
    def test_backward_euler_of_linear_decay(self, x, dt):
        update = load(DECAY).get_model("update")
        (value,) = update.evaluate(decay_state(scalar(x), dt)).values()
        assert value.data.item() == pytest.approx(x / (1 + 2 * dt), rel=1e-12, abs=1e-14)

    def test_perzyna_step_is_the_scalar_equation(self):
        tight = ("Solvers/newton/abs_tol=1e-14", "Solvers/newton/rel_tol=1e-12")
        perzyna = load(PERZYNA, *tight).get_model("model")
        for amplitude in (1e-4, 5e-4, 1e-3, 1e-2):
            for dt in (1e-3, 1.0, 1e3):
                strain = torch.tensor(uniaxial_deviatoric(amplitude), dtype=F64)
                values = perzyna.evaluate(perzyna_state(strain, dt))
                stress, ep = scalar_perzyna_step(3 * G * amplitude, 0.0, dt)
                assert von_mises(values["stress"].data.tolist()) == pytest.approx(stress, rel=1e-8)
                assert values["equivalent_plastic_strain"].data.item() == pytest.approx(ep, rel=1e-8, abs=1e-14)

    def test_elastic_points_stay_elastic(self, perzyna):
        values = perzyna.evaluate(perzyna_state(torch.tensor(uniaxial_deviatoric(1e-5), dtype=F64)))
        assert torch.equal(values["equivalent_plastic_strain"].data, torch.tensor(0.0, dtype=F64))

    def test_isotropy(self, perzyna):
        """Exchanging axes of the strain exchanges those of the stress."""
        strain = ramp()[-1]
        order = [1, 2, 0, 4, 5, 3]
        plain = perzyna.evaluate(perzyna_state(strain))["stress"].data
        turned = perzyna.evaluate(perzyna_state(strain[order]))["stress"].data
        torch.testing.assert_close(turned, plain[order], rtol=1e-10, atol=1e-8)

    def test_line_search_finds_the_same(self, perzyna):
        searched = load(PERZYNA, "Solvers/newton/type:=NewtonWithLineSearch").get_model("model")
        state = perzyna_state(ramp())
        torch.testing.assert_close(
            searched.evaluate(state)["stress"].data, perzyna.evaluate(state)["stress"].data, rtol=1e-9, atol=1e-7
        )

    def test_batch_parameter(self):
        text = "Tensors/k/expr:='Scalar(torch.tensor([-1.0, -2.0, -4.0], dtype=torch.float64))'"
        update = load(DECAY, text).get_model("update")
        with torch.no_grad():
            value = update.evaluate(decay_state(scalar(3.0)))["x"].data
        torch.testing.assert_close(value, 3.0 / torch.tensor([1.1, 1.2, 1.4], dtype=F64))


class TestShapes:
    @pytest.mark.parametrize("batch", [(), (1,), (2,), (2, 3), (0,), (4, 1, 2)])
    def test_batch_axes(self, decay, batch):
        x = torch.arange(1, math.prod(batch) + 1, dtype=F64).reshape(batch)
        with torch.no_grad():
            value = decay.evaluate(decay_state(Scalar(x)))["x"].data
        torch.testing.assert_close(value, x / 1.2)

    def test_inputs_broadcast_against_each_other(self, decay):
        state = decay_state(scalar(1.0, 2.0))
        state["t"] = Scalar(torch.tensor([[0.1], [0.2], [0.3]], dtype=F64))
        with torch.no_grad():
            value = decay.evaluate(state)["x"].data
        assert value.shape == (3, 2)
        torch.testing.assert_close(value, state["x~1"].data / (1 + 2 * state["t"].data))

    def test_a_guess_that_is_the_solution_keeps_its_shape(self, decay):
        state = decay_state(scalar(0.0))
        state["t"] = scalar(0.1, 0.2, 0.3)
        with torch.no_grad():
            assert decay.evaluate(state)["x"].data.shape == ()
            state["x~1"] = scalar(1.0)
            assert decay.evaluate(state)["x"].data.shape == (3,)

    def test_one_batched_unknown_batches_the_others(self, perzyna):
        state = perzyna_state(torch.zeros(6, dtype=F64), ep=torch.zeros(4, dtype=F64))
        with torch.no_grad():
            values = perzyna.evaluate(state)
        assert values["plastic_strain"].data.shape == (4, 6)

    def test_an_unknown_without_predictor_is_an_input(self):
        text = DECAY.replace("    predictor = 'predictor'\n", "")
        update = load(text).get_model("update")
        assert list(update.input_spec) == ["x", "x~1", "t", "t~1"]
        value = update.evaluate({**decay_state(scalar(3.0)), "x": scalar(100.0)})["x"]
        assert value.data.item() == pytest.approx(2.5, rel=1e-12)

    def test_order_of_inputs(self, perzyna):
        update = load(PERZYNA).get_model("update")
        assert list(update.output_spec) == ["plastic_strain", "equivalent_plastic_strain"]
        assert set(update.input_spec) == set(perzyna_state(torch.zeros(6)))

    def test_float32(self, decay):
        decay.to(torch.float32)
        state = {name: value.to(torch.float32) for name, value in decay_state(scalar(3.0, 6.0)).items()}
        with torch.no_grad():
            value = decay.evaluate(state)["x"].data
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, torch.tensor([2.5, 5.0]))


class TestIndependenceOfPoints:
    def test_a_batch_is_its_points(self, perzyna):
        strains = ramp(40)
        with torch.no_grad():
            together = perzyna.evaluate(perzyna_state(strains))["stress"].data
            alone = [perzyna.evaluate(perzyna_state(strain))["stress"].data for strain in strains]
        torch.testing.assert_close(together, torch.stack(alone), rtol=1e-13, atol=1e-11)

    @pytest.mark.parametrize("bad", [math.nan, math.inf, 1e300])
    def test_a_bad_point_is_named(self, perzyna, bad):
        strains = ramp(5).clone()
        strains[3] = bad
        with pytest.raises(ConvergenceError, match="1 of 5 points did not converge: point 3 after") as caught:
            perzyna.evaluate(perzyna_state(strains))
        assert caught.value.recoverable
        (point,) = caught.value.points
        assert point.index == point[0] == 3
        assert not math.isfinite(point.residual)
        assert "not finite" in point.reason
        assert ("not finite: 'strain' at point 3" in str(caught.value)) == (bad != 1e300)

    def test_radret_is_no_exception(self):
        """Its residual stays finite at a NaN: the law takes it for elastic."""
        model = load((ROOT / "benchmarks" / "implicit" / "radret.i").read_text()).get_model("model")
        state = {n: type_(torch.zeros(type_.BASE_SHAPE, dtype=F64)) for n, type_ in model.input_spec.items()}
        strains = ramp(3).clone()
        strains[1] = math.nan
        with pytest.raises(ConvergenceError, match=r"1 of 3 points .*point 1 .*not finite") as caught:
            model.evaluate({**state, "strain": SR2(strains), "t": scalar(1.0)})
        assert "'strain'" in str(caught.value) or "'NM'" in str(caught.value)

    def test_a_time_step_of_zero_is_named_where_the_law_divides_by_it(self):
        rates = load(viscoplasticity_in_rates(50, 200, 3, 2000)).get_model("update")
        zeros = {n: type_(torch.zeros(type_.BASE_SHAPE, dtype=F64)) for n, type_ in rates.input_spec.items()}
        state = {**zeros, "strain": SR2(ramp(3)), "t": scalar(1.0, 0.0, 1.0)}
        with pytest.raises(ConvergenceError, match=r"1 of 3 points .*a time step of zero: 't' at point 1"):
            rates.evaluate(state)

    def test_the_next_call_works(self, perzyna):
        state = perzyna_state(ramp(5))
        expected = perzyna.evaluate(state)["stress"].data
        with pytest.raises(ConvergenceError):
            perzyna.evaluate({**state, "strain": SR2(ramp(5) * math.nan)})
        assert torch.equal(perzyna.evaluate(state)["stress"].data, expected)

    def test_zero_time_step_and_large_strain(self, perzyna):
        state = perzyna_state(ramp(3) * torch.tensor([[1.0], [1e3], [1.0]], dtype=F64))
        state["t"] = scalar(0.0, 1.0, 1.0)
        with torch.no_grad():
            values = perzyna.evaluate(state)
        assert torch.all(values["plastic_strain"].data[0] == 0)
        assert torch.isfinite(values["stress"].data).all()
        alone = perzyna.evaluate(perzyna_state(ramp(3)[2]))["stress"].data
        torch.testing.assert_close(values["stress"].data[2], alone, rtol=1e-12, atol=1e-10)

    def test_iterations_used_up(self):
        update = load(PERZYNA, "Solvers/newton/max_its:=2").get_model("update")
        state = perzyna_state(ramp(200))
        with pytest.raises(ConvergenceError, match=r"\d+ of 200 points did not converge: .*, \.\.\.") as caught:
            update.evaluate(state)
        assert all(point.iterations == 1 for point in caught.value.points)
        assert all("iterations used" in point.reason for point in caught.value.points)
        assert str(caught.value).startswith("ImplicitUpdate 'update'")

    def test_singular_jacobian(self):
        text = DECAY.replace("weights = 'k'", "weights = '10'")  # 1 - dt k = 0
        with pytest.raises(ConvergenceError, match=r"did not converge after 0 iterations .*singular Jacobian"):
            load(text).get_model("update").evaluate(decay_state(scalar(3.0)))

    def test_inputs_are_left_alone(self, perzyna):
        state = perzyna_state(ramp(5))
        before = {name: value.data.clone() for name, value in state.items()}
        perzyna.evaluate(state)
        assert all(torch.equal(before[name], state[name].data) for name in state)


class TestDerivatives:
    def central_difference(self, function, x, h=1e-7):
        columns = []
        for j in range(6):
            step = torch.zeros(6, dtype=F64)
            step[j] = h
            columns.append((function(x + step) - function(x - step)) / (2 * h))
        return torch.stack(columns, -1)

    def test_consistent_tangent(self, perzyna):
        strains = ramp()

        def stress(strain):
            with torch.no_grad():
                return perzyna.evaluate(perzyna_state(strain))["stress"].data

        _, blocks = perzyna.jacobian(perzyna_state(strains))
        expected = self.central_difference(stress, strains)
        tangent = blocks["stress"]["strain"]
        assert (tangent - expected).abs().max() < 1e-6 * expected.abs().max()

    def test_autograd_is_the_tangent(self, perzyna):
        strains = ramp().requires_grad_()
        stress = perzyna.evaluate(perzyna_state(strains))["stress"].data
        rows = [torch.autograd.grad(stress[:, i].sum(), strains, retain_graph=True)[0] for i in range(6)]
        _, blocks = perzyna.jacobian(perzyna_state(ramp()))
        torch.testing.assert_close(torch.stack(rows, 1), blocks["stress"]["strain"], rtol=1e-9, atol=1e-6)

    def test_closed_form_with_respect_to_every_input(self, decay):
        x, dt, k = 3.0, 0.1, 2.0
        _, blocks = decay.jacobian(decay_state(scalar(x), dt))
        slope = -x * k / (1 + k * dt) ** 2
        assert blocks["x"]["x~1"].item() == pytest.approx(1 / (1 + k * dt), rel=1e-12)
        assert blocks["x"]["t"].item() == pytest.approx(slope, rel=1e-12)
        assert blocks["x"]["t~1"].item() == pytest.approx(-slope, rel=1e-12)

    def test_parameters(self, decay):
        decay.evaluate(decay_state(scalar(3.0, 5.0)))["x"].data.sum().backward()
        weight = dict(decay.named_parameters())["decay.rate.weight_0"]
        assert weight.grad.item() == pytest.approx(8.0 * 0.1 / 1.2**2, rel=1e-12)

    @pytest.mark.parametrize("name", ["decay", "system", "solver"])
    def test_the_name_of_the_block_qualifies_its_parameters(self, name):
        text = DECAY.replace("[decay]", f"[{name}]").replace("model = 'decay'", f"model = '{name}'")
        update = load(text).get_model("update")
        qualifier = "solver_" if name == "solver" else name  # where the update has an attribute of that name
        assert f"{qualifier}.rate.weight_0" in dict(update.named_parameters())

    def test_parameters_replaced_by_functional_call(self, decay):
        state = decay_state(scalar(3.0, 5.0))
        x = state["x~1"].data

        def solve(k):
            return torch.func.functional_call(decay, {"decay.rate.weight_0": k}, (), state).data

        k = torch.tensor(-2.0, dtype=F64)
        for mode in (torch.func.jacfwd, torch.func.jacrev):
            torch.testing.assert_close(mode(solve)(k), x * 0.1 / 1.2**2)

    def test_every_transform(self, decay):
        x = torch.tensor([1.0, 2.0, 3.0], dtype=F64)

        def solve(v):
            return decay.evaluate(decay_state(Scalar(v)))["x"].data

        slope = torch.full((3,), 1 / 1.2, dtype=F64)
        for mode in (torch.func.jacfwd, torch.func.jacrev):
            torch.testing.assert_close(mode(solve)(x), torch.diag(slope))
        torch.testing.assert_close(torch.func.vmap(solve)(x), x / 1.2)
        torch.testing.assert_close(torch.func.vmap(torch.func.grad(solve))(x), slope)
        torch.testing.assert_close(torch.func.vmap(torch.func.jacfwd(solve))(x), slope)
        assert torch.autograd.gradcheck(solve, x.requires_grad_(), check_forward_ad=True)

    def test_second_derivative_in_closed_form(self, decay):
        """x / (1 - k dt) twice with respect to k."""
        state = decay_state(scalar(3.0, 5.0))

        def solve(k):
            return torch.func.functional_call(decay, {"decay.rate.weight_0": k}, (), state).data.sum()

        k = torch.tensor(-2.0, dtype=F64, requires_grad=True)
        expected = torch.tensor(2 * 8.0 * 0.1**2 / 1.2**3, dtype=F64)
        forward, reverse = torch.func.jacfwd, torch.func.jacrev
        for outer, inner in ((forward, reverse), (reverse, forward), (reverse, reverse)):
            torch.testing.assert_close(outer(inner(solve))(k.detach()), expected, rtol=1e-12, atol=0)
        with pytest.raises(NotImplementedError, match="use reverse mode for one of the two"):
            forward(forward(solve))(k.detach())
        (slope,) = torch.autograd.grad(solve(k), k, create_graph=True)
        torch.testing.assert_close(torch.autograd.grad(slope, k)[0], expected, rtol=1e-12, atol=0)

    def test_second_derivative_is_the_difference_of_tangents(self):
        tight = ("Solvers/newton/abs_tol=1e-13", "Solvers/newton/rel_tol=1e-12")
        perzyna = load(PERZYNA, *tight).get_model("model")
        strain = ramp()[3]

        def stress(x):
            return perzyna.evaluate(perzyna_state(x))["stress"].data

        tangent = torch.func.jacfwd(stress)
        expected = self.central_difference(lambda x: tangent(x).flatten(), strain.unsqueeze(0))
        second = torch.func.jacfwd(torch.func.jacrev(stress))(strain)
        assert (second - expected.reshape(6, 6, 6)).abs().max() < 1e-6 * second.abs().max()

    def test_where_no_iteration_was_needed(self, decay):
        """The derivative does not care how the solution was found."""
        _, blocks = decay.jacobian(decay_state(scalar(0.0, 0.0)))
        torch.testing.assert_close(blocks["x"]["x~1"], torch.full((2,), 1 / 1.2, dtype=F64))

    def test_two_updates_in_a_row(self):
        text = (
            DECAY
            + """
[Models]
  [second_rate]
    type = ScalarLinearCombination
    from = 'y x'
    to = 'y_rate'
    weights = '-1 3'
  []
  [second_integrate]
    type = ScalarBackwardEulerTimeIntegration
    variable = 'y'
  []
  [second]
    type = ComposedModel
    models = 'second_rate second_integrate'
  []
  [second_predictor]
    type = ConstantExtrapolationPredictor
    unknowns_Scalar = 'y'
  []
  [second_update]
    type = ImplicitUpdate
    equation_system = 'second_eq'
    solver = 'newton'
    predictor = 'second_predictor'
  []
  [both]
    type = ComposedModel
    models = 'second_update update'
  []
[]
[EquationSystems]
  [second_eq]
    type = NonlinearSystem
    model = 'second'
    unknowns = 'y'
  []
[]
"""
        )
        both = load(text).get_model("both")
        _, blocks = both.jacobian({**decay_state(scalar(2.0)), "y~1": scalar(1.0)})
        assert blocks["y"]["x~1"].item() == pytest.approx(0.3 / 1.1 / 1.2, rel=1e-12)
        assert blocks["y"]["y~1"].item() == pytest.approx(1 / 1.1, rel=1e-12)

    def test_singular_points_have_no_derivative_but_a_value(self):
        text = DECAY.replace("weights = 'k'", "weights = '10'")
        update = load(text).get_model("update")
        x = torch.tensor(0.0, dtype=F64, requires_grad=True)
        value = update.evaluate(decay_state(Scalar(x)))["x"].data
        assert value.item() == 0.0
        value.backward()
        assert math.isnan(x.grad.item())


class TestOptions:
    def complaint(self, text, *overrides, error=InvalidOption):
        with pytest.raises(error) as caught:
            load(text, *overrides).get_model("update")
        return str(caught.value)

    def test_bad_values(self):
        assert "max_its" in self.complaint(DECAY, "Solvers/newton/max_its=0")
        assert "a finite number, 0 or more" in self.complaint(DECAY, "Solvers/newton/abs_tol=-1")
        search = ("Solvers/newton/type:=NewtonWithLineSearch",)
        assert "BACKTRACKING" in self.complaint(DECAY, *search, "Solvers/newton/linesearch_type=BACKTRACK")
        assert "more than 1" in self.complaint(DECAY, *search, "Solvers/newton/linesearch_cutback=1.0")
        assert "integer" in self.complaint(DECAY, *search, "Solvers/newton/check_negative_criterion=true")
        for option, value in (("cutback", "inf"), ("cutback", "nan"), ("stopping_criteria", "nan")):
            assert "finite number" in self.complaint(DECAY, *search, f"Solvers/newton/linesearch_{option}={value}")
        assert "0 or more" in self.complaint(DECAY, *search, "Solvers/newton/max_linesearch_iterations=-3")
        assert "0 or 1" in self.complaint(DECAY, *search, "Solvers/newton/check_negative_criterion=7")
        for level in ("-1", "1000"):
            assert "2^level" in self.complaint(DECAY, f"Models/update/max_substepping_level={level}")
        assert "did you mean 'max_its'" in self.complaint(DECAY, "Solvers/newton/max_iters=3")

    def test_references_of_the_wrong_kind(self):
        lu = "\n[Solvers]\n  [lu]\n    type = DenseLU\n  []\n[]\n"
        assert "solves no nonlinear system" in self.complaint(DECAY + lu, "Models/update/solver:=lu")
        assert "no linear solver" in self.complaint(DECAY, "Models/update/input_sensitivity_solver=newton")

    def test_systems(self):
        assert "no input of model 'decay'; did you mean 'x'" in self.complaint(
            DECAY, "EquationSystems/eq/unknowns:='xx'", error=KeyError
        )
        assert "no output of model 'decay'" in self.complaint(
            DECAY, "EquationSystems/eq/unknowns:='x~1'", error=KeyError
        )
        assert "one to one" in self.complaint(PERZYNA, "EquationSystems/eq/residuals='plastic_strain_residual'")
        assert "components" in self.complaint(
            PERZYNA, "EquationSystems/eq/residuals='equivalent_plastic_strain_residual plastic_strain_residual'"
        )
        groups = "EquationSystems/eq/unknowns:='plastic_strain; equivalent_plastic_strain'"
        assert "2 groups" in self.complaint(PERZYNA, groups)
        assert "dense" in self.complaint(PERZYNA, "EquationSystems/eq/structure='sparse'")

    def test_system_lists(self):
        system = load(PERZYNA).get_equation_system("eq")
        assert system.unknowns == ["plastic_strain", "equivalent_plastic_strain"]
        assert system.residuals == ["plastic_strain_residual", "equivalent_plastic_strain_residual"]
        assert system.givens == [name for name in system.model.input_spec if name not in system.unknowns]
        (group,) = system.groups
        assert group.structure == "dense" and group.unknowns == tuple(system.unknowns)

    def test_predictor_of_another_type(self):
        assert "as a SR2; the unknown is a Scalar" in self.complaint(
            DECAY.replace("unknowns_Scalar", "unknowns_SR2"), error=InvalidModel
        )

    def test_incremental_variables_must_be_given(self):
        assert "did you mean 't'" in self.complaint(DECAY, "Models/update/incremental_variables='T'")


class TestQualifiedNames:
    def test_parameters_carry_the_names_of_blocks(self):
        names = [name for name, _ in load(PERZYNA).get_model("model").named_parameters()]
        assert "update.residual.elasticity.E" in names
        assert "update.residual.rate.eta" in names
