# SPDX-License-Identifier: MIT
"""Every option of every nonlinear solver, on every route, against Newton's method for one point at a time.

The law is x' = f - x^3 by backward Euler, from a guess near zero: full steps overshoot by far; each option shows.
"""

import math

import numpy as np
import pytest
import torch
from neml2._neml2 import failure_reasons, solver_option_refusal, solver_options
from newton_reference import Options, solve

import neml2
from neml2 import failures
from neml2.aoti import FatalError, Model
from neml2.errors import InputError
from neml2.hit import load_string
from neml2.solvers import ConvergenceError, Newton, NewtonWithLineSearch
from support import metadata

F64 = torch.float64
SOLVERS = {"newton": Newton, "search": NewtonWithLineSearch, "cut": Newton}
ROUTES = ("eager", "aoti", "native", "device")
FORCES = (10.0, 1000.0, 1e4)
START = 0.1


def law(x: str, solver: str, options: str = "") -> str:
    """The unknown `x`, solved by the block `solver`."""
    return f"""
[Models]
  [square_{x}]
    type = ScalarMultiplication
    from = '{x} {x}'
    to = 'square_{x}'
  []
  [cube_{x}]
    type = ScalarMultiplication
    from = 'square_{x} {x}'
    to = 'cube_{x}'
  []
  [rate_{x}]
    type = ScalarLinearCombination
    from = 'f cube_{x}'
    to = '{x}_rate'
    weights = '1 -1'
  []
  [integrate_{x}]
    type = ScalarBackwardEulerTimeIntegration
    variable = '{x}'
  []
  [residual_{x}]
    type = ComposedModel
    models = 'square_{x} cube_{x} rate_{x} integrate_{x}'
  []
  [predictor_{x}]
    type = ConstantExtrapolationPredictor
    unknowns_Scalar = '{x}'
  []
  [update_{x}]
    type = ImplicitUpdate
    equation_system = 'eq_{x}'
    solver = '{solver}'
    predictor = 'predictor_{x}'
    {options}
  []
[]
[EquationSystems]
  [eq_{x}]
    type = NonlinearSystem
    model = 'residual_{x}'
    unknowns = '{x}'
  []
[]
[Solvers]
  [{solver}]
    type = {SOLVERS[solver].__name__}
  []
[]
"""


BOTH = law("x", "newton") + law("y", "search") + """
[Models]
  [model]
    type = ComposedModel
    models = 'update_x update_y'
  []
[]
"""  # fmt: skip
CUT = law("z", "cut", "max_substepping_level = 2\n    incremental_variables = 'f'") + """
[Models]
  [model]
    type = ComposedModel
    models = 'update_z'
  []
[]
"""  # fmt: skip

# option: (solver, its value, other options), and what the reference calls it
FEW = {"max_its": 4}
CASES = {
    ("Newton", "abs_tol"): ("newton", 50.0, {}, "abs_tol"),
    ("Newton", "rel_tol"): ("newton", 1e-2, {}, "rel_tol"),
    ("Newton", "max_its"): ("newton", 4, {}, "max_its"),
    ("Newton", "substep_del_tol"): ("cut", 1e10, {"rel_tol": 1e-2}, None),
    ("NewtonWithLineSearch", "linesearch_type"): (
        "search", "STRONG_WOLFE", {"max_its": 3, "linesearch_stopping_criteria": 20.0}, "search"),
    ("NewtonWithLineSearch", "max_linesearch_iterations"): ("search", 3, FEW, "max_linesearch_iterations"),
    ("NewtonWithLineSearch", "linesearch_cutback"): ("search", 5.0, FEW, "cutback"),
    ("NewtonWithLineSearch", "linesearch_stopping_criteria"): ("search", 20.0, {"max_its": 3}, "criteria"),
    ("NewtonWithLineSearch", "check_negative_criterion"): ("search", 1, FEW, None),
}  # fmt: skip
NAMES = {"linesearch_stopping_criteria": "criteria"}


def own_options(solver: type[Newton]) -> list[str]:
    inherited = solver.__mro__[1]
    return [o for o in solver.option_names() if o not in getattr(inherited, "DECLARATIONS", {})]


def test_every_registered_option_has_a_case():
    registered = {(s.__name__, o) for s in (Newton, NewtonWithLineSearch) for o in own_options(s)}
    assert registered - {("Newton", "linear_solver")} == set(CASES)


@pytest.mark.parametrize("solver", [Newton, NewtonWithLineSearch])
def test_the_library_has_the_same_options(solver):
    ours = {name: solver.DECLARATIONS[name].default for name in solver.option_names() if name != "linear_solver"}
    assert dict(solver_options(solver.__name__)) == ours


def test_reasons_are_those_of_the_library():
    assert failure_reasons == failures.REASONS


def inputs(names, forces=FORCES):
    f = torch.tensor(forces, dtype=F64)
    found = {"f": f, "f~1": torch.zeros_like(f), "t": torch.ones((), dtype=F64), "t~1": torch.zeros((), dtype=F64)}
    return {name: found.get(name, torch.full_like(f, START)) for name in names}


@pytest.fixture
def outcome(compiled, monkeypatch):
    """`outcome(route, solver, **options)` -> by point: the solution, or (updates, residual) where there is none."""

    def run(route, solver, **options):
        text = CUT if solver == "cut" else BOTH
        overrides = [f"Solvers/{solver}/{name}={value}" for name, value in options.items()]
        if route == "eager":
            model = load_string(text, additional_args=overrides).get_model("model")

            def call(x):
                return model.evaluate({name: model.input_spec[name](value) for name, value in x.items()})

            names = model.input_spec
        else:
            stub = compiled(text, "model", *(() if route != "native" else ("--backend", "native")))
            monkeypatch.setenv("NEML2_ENGINE", "device" if route == "device" else "cpu")
            inner = neml2.load_input(stub, post=overrides).get_model("model")._inner
            call, names = inner.forward, inner.input_names
        unknown = {"newton": "x", "search": "y", "cut": "z"}[solver]
        found = []
        for force in FORCES:  # one by one: a point that fails takes the call with it
            try:
                value = call(inputs(names, [force]))[unknown]
                found.append(float(getattr(value, "data", value)))
            except neml2.aoti.ConvergenceError as error:
                (point,) = error.points
                assert point.reason == "all iterations used"
                found.append((point.iterations, point.residual))
        return found

    return run


def reference(**options):
    found = []
    for force in FORCES:

        def function(u, force=force):
            return u - START - (force - u**3), np.array([[1 + 3 * u[0] ** 2]])

        u, status, updates = solve(function, np.array([START]), Options(**options))
        found.append((updates, abs(float(function(u)[0][0]))) if status else float(u[0]))
    return found


def agree(found, expected, rtol):
    return all(
        isinstance(a, tuple) == isinstance(b, tuple) and np.allclose(a, b, rtol=rtol, atol=0)
        for a, b in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_options_do_what_they_say(outcome, route, case):
    solver, value, others, name = CASES[case]
    if solver == "cut" and route == "device":
        with pytest.raises(FatalError, match="cannot do"):
            outcome(route, solver)
        return
    found = outcome(route, solver, **others, **{case[1]: value})
    usual = {NAMES.get(o, o): v for o, v in others.items()} | ({"search": "BACKTRACKING"} if solver == "search" else {})
    if case[1] in ("rel_tol", "substep_del_tol"):  # how good the last step is, is the route's
        exact = reference()
        assert agree(found, exact, 1e-2) and not agree(found, exact, 1e-8)
        if name is None:
            assert agree(outcome(route, solver, **others), exact, 1e-8)
        return
    assert agree(found, reference(**usual | ({name: value} if name else {})), 1e-7)
    assert agree(found, reference(**usual), 1e-5) == (name is None), "the option does nothing, or something"


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_without_options(outcome, route, solver):
    if solver != "cut" or route != "device":
        assert agree(outcome(route, solver), reference(), 1e-9)


# ---- what is refused -------------------------------------------------------------------------------------------------

WRONG = [
    ("max_iter", "50", "max_its"),
    ("max_its", "0", "integer from 1 to 2147483647"),
    ("max_its", "4294967297", "integer from 1"),
    ("max_its", "5.5", "integer from 1"),
    ("abs_tol", "nan", "finite number"),
    ("abs_tol", "inf", "finite number"),
    ("rel_tol", "-1e-8", "0 or more"),
    ("abs_tol", "0x1p-3", "finite number"),
    ("rel_tol", "1e-8 ", "finite number"),
    ("linesearch_cutback", "3", "no option 'linesearch_cutback'"),
    ("type", "NewtonWithLineSearch", "compile again"),
]


@pytest.mark.parametrize("option, value, words", WRONG)
def test_what_a_package_refuses(compiled, option, value, words):
    path = metadata(compiled(BOTH, "model", "--backend", "native"))
    with pytest.raises(FatalError, match=words) as caught:
        Model(path, {"newton": {option: value}})
    assert "'newton'" in str(caught.value)
    assert Model(path, {"newton": {"max_its": "+50", "type": "Newton"}}).name == "model"


def test_an_unknown_solver(compiled):
    path = metadata(compiled(BOTH, "model", "--backend", "native"))
    with pytest.raises(FatalError, match=r"unknown solver 'newtn', did you mean 'newton'.*'newton', 'search'"):
        Model(path, {"newtn": {"max_its": "50"}})


@pytest.mark.parametrize("option, value, words", [w for w in WRONG if w[1] != "1e-8 "])
def test_what_a_stub_refuses(compiled, tmp_path, option, value, words):
    """With file and line: from C++ and as an input file."""
    stub = compiled(BOTH, "model", "--backend", "native")
    changed = stub.parent / f"{tmp_path.name}_aoti.i"
    lines = stub.read_text().splitlines()
    line = next(i for i, text in enumerate(lines) if text.strip() == "[newton]") + 2
    lines[line - 1 : line if option == "type" else line - 1] = [f"    {option} = {value}"]
    changed.write_text("\n".join(lines))
    with pytest.raises(FatalError, match=f"{changed.name}:{line}.*{words}"):
        Model.from_stub(changed, "model")
    if not value.startswith("0x"):  # a number to Python
        with pytest.raises(InputError, match=f"{changed.name}:"):
            neml2.load_input(changed).get_model("model")


def test_a_misspelt_solver_in_a_stub(compiled, tmp_path):
    stub = compiled(BOTH, "model", "--backend", "native")
    changed = stub.parent / f"{tmp_path.name}_aoti.i"
    changed.write_text(stub.read_text().replace("[newton]", "[newtn]"))
    with pytest.raises(FatalError, match=f"{changed.name}:.*'newtn', did you mean 'newton'"):
        Model.from_stub(changed, "model")
    with pytest.raises(InputError, match="'newton'"):
        neml2.load_input(changed).get_model("model")
    other = "\n[Models]\n  [other]\n    type = ImplicitUpdate\n    solver = 'newtn'\n  []\n[]\n"
    changed.write_text(stub.read_text().replace("[newton]", "[newtn]") + other)  # that is whose it is
    Model.from_stub(changed, "model")


def test_a_linear_solver_that_is_not_there(compiled, tmp_path):
    stub = compiled(BOTH, "model", "--backend", "native")
    changed = stub.parent / f"{tmp_path.name}_aoti.i"
    changed.write_text(stub.read_text().replace("type = Newton\n", "type = Newton\n    linear_solver = 'lu'\n"))
    for load in (lambda: Model.from_stub(changed, "model"), lambda: neml2.load_input(changed).get_model("model")):
        with pytest.raises((FatalError, InputError), match=f"{changed.name}:.*lu"):
            load()


@pytest.mark.parametrize("solver", [Newton, NewtonWithLineSearch])
def test_python_refuses_what_the_library_refuses(solver):
    for option, initial in solver_options(solver.__name__):
        if isinstance(initial, str):
            continue
        for value in (math.nan, math.inf, -math.inf, -1, -1.0, 2**31, 0, 1, 1.0, 2**63):
            refused = solver_option_refusal(solver.__name__, option, value)
            if refused is None:
                assert getattr(solver(**{option: value}), option) == value
            else:
                with pytest.raises(InputError, match="expected"):
                    solver(**{option: value})
    with pytest.raises(KeyError):
        solver_option_refusal("Newton", "max_iter", 1)


def test_the_error_of_eager_models_is_the_same_class():
    assert issubclass(ConvergenceError, neml2.aoti.ConvergenceError)
