# SPDX-License-Identifier: MIT
"""What an option may not be is said with the option's name and its place in the file."""

from __future__ import annotations

import re

import pytest
from library_checks import EXAMPLES
from library_examples import Example

from neml2.hit import REQUIRED
from neml2.models.declarations import BLOCK_NAME, ParameterDeclaration

UNIQUE = list({e.type: e for e in reversed(EXAMPLES)}.values())

every_type = pytest.mark.parametrize("example", UNIQUE, ids=lambda e: e.type)


def declarations(example: Example) -> list:
    return list(type(example.model).DECLARATIONS.values())


def refused(example: Example, changes: dict, option: str) -> str:
    with pytest.raises((ValueError, NotImplementedError), match=re.escape(option)) as caught:
        example.build(changes)
    assert re.search(r":\d+: \[Models/m\]", str(caught.value)), str(caught.value)
    return str(caught.value)


@every_type
def test_an_unknown_option_is_refused_with_the_nearest_name(example):
    known = [name for d in declarations(example) for name in d.options()]
    wrong = f"{known[0]}x" if known else "x"
    message = refused(example, {wrong: "1"}, wrong)
    assert not known or f"did you mean '{known[0]}'" in message


@every_type
def test_a_required_option_must_be_given(example):
    required = [n for d in declarations(example) if d.default is REQUIRED for n in d.options()]
    for option in (o for o in example.options if o in required):
        refused(example, {option: None}, option)
    assert set(required) <= set(example.options)


@every_type
def test_a_parameter_is_numbers_a_tensor_or_where_it_may_be_a_variable(example):
    for declaration in declarations(example):
        if isinstance(declaration, ParameterDeclaration):
            option = declaration.options()[0]
            if declaration.role == "parameter" and option != "coefficients":
                refused(example, {option: "two words"}, option)
            if not declaration.promotable:
                refused(example, {option: "some_variable"}, option)


@every_type
def test_variables_are_called_as_the_options_say(example):
    """Each variable option renames one variable; the derived names follow it."""
    model = example.model
    for declaration in declarations(example):
        if declaration.role in ("input", "output") and declaration.derived is None:
            (option,) = declaration.options()
            renamed = example.build({option: "renamed"})
            spec = renamed.input_spec if declaration.role == "input" else renamed.output_spec
            suffix = "_rate" if example.options.get("rate_form") == "true" else ""
            if example.options.get("compliance") != "true":
                assert f"renamed{suffix}" in spec, option
            assert len(renamed.output_spec) == len(model.output_spec)
        elif declaration.role == "output" and declaration.option:
            renamed = example.build({declaration.option: "renamed"})
            assert "renamed" in renamed.output_spec and len(renamed.output_spec) == len(model.output_spec)


@pytest.mark.parametrize(
    "example, changes, option",
    [
        pytest.param(e, changes, option, id=f"{e}-{option}-{k}")
        for e in EXAMPLES
        for k, (changes, option) in enumerate(e.bad)
    ],
)
def test_a_value_that_makes_no_sense_is_refused(example, changes, option):
    refused(example, changes, option)


def by_type(name: str) -> Example:
    return next(e for e in EXAMPLES if e.type == name)


def test_default_names():
    """Outputs called like the block, and names that follow other names."""
    for example in UNIQUE:
        defaults = [d for d in declarations(example) if d.role == "output" and d.default is BLOCK_NAME]
        assert not defaults or list(example.model.output_spec) == ["m"]
    cases = {
        "ScalarBackwardEulerTimeIntegration": (["x", "x~1", "t", "t~1", "x_rate"], ["x_residual"]),
        "ScalarForwardEulerTimeIntegration": (["y", "t", "t~1", "z"], ["x"]),
        "IrreversibleScalar": (["from", "y~1"], ["y"]),
        "KelvinVoigtElement": (["strain", "strain_rate"], ["stress"]),
        "BilinearTraction": (["effective_separation", "normal_separation", "tangential_separation_1",
                              "tangential_separation_2", "damage~1"], ["traction", "damage"]),
        "ScalarInputParameter": (["variable"], ["parameter"]),
    }  # fmt: skip
    for name, (inputs, outputs) in cases.items():
        model = by_type(name).model
        assert list(model.input_spec) == inputs and list(model.output_spec) == outputs
    lagged = by_type("ScalarBackwardEulerTimeIntegration").build(
        {"variable": "a", "rate": "v", "variable_residual": "r"}
    )
    assert list(lagged.input_spec) == ["a", "a~1", "t", "t~1", "v"] and list(lagged.output_spec) == ["r"]


def test_registered_names_of_parameters():
    cases = {
        "YieldFunction": ["sy"],
        "ScalarLinearCombination": ["weight_0", "weight_1", "offset"],
        "ScalarPNorm": ["_p", "weight_0", "weight_1"],
        "LinearIsotropicElasticity": ["E", "nu"],
        "CubicElasticityTensor": ["G", "E", "nu"],
        "GeneralElasticity": ["T"],
        "ThermalEigenstrain": ["T0", "alpha"],
        "SlopeSaturationVoceIsotropicHardening": ["R", "theta0"],
        "BenzeggaghKenaneFullSeparation": ["beta", "delta_c", "K", "GIc", "GIIc", "S", "eta"],
        "SalehaniIraniTraction": ["delta_u0_n", "delta_u0_t", "Tmax_n", "Tmax_t", "Kpen"],
        "ScalarParameterToVariable": ["param"],
    }
    for name, registered in cases.items():
        assert [n for n, _ in by_type(name).model.named_parameters()] == registered


def test_the_declared_defaults_are_described():
    """What `neml2-syntax` prints: each option has a row, each type a docstring with its equation."""
    for example in UNIQUE:
        cls = type(example.model)
        rows = cls.describe_options()
        assert {row["name"] for row in rows} >= set(example.options)
        assert cls.__doc__ and len(cls.__doc__) > 20
