# SPDX-License-Identifier: MIT
"""Wiring models through equal variable names."""

from __future__ import annotations

import copy

import pytest
import torch

from neml2.errors import InvalidModel
from neml2.hit import load_string
from neml2.models import ComposedModel, Input, Model, Output, register
from neml2.models.common.linear_combination import LinearCombination
from neml2.models.registry import find
from neml2.types import SR2, Scalar

Sum = find("ScalarLinearCombination")


def term(name, reads, writes, weights=1.0):
    return Sum(name, from_=reads.split(), to=writes, weights=weights)


def composed(text, name="c"):
    return load_string(f"[Models]\n{text}\n[]\n", name="c.i").get_model(name)


def line(name, reads, writes, extra=""):
    return f"[{name}]\ntype = ScalarLinearCombination\nfrom = '{reads}'\nto = {writes}\n{extra}\n[]\n"


def compose(models, extra=""):
    return f"[c]\ntype = ComposedModel\nmodels = '{models}'\n{extra}\n[]\n"


def names(model):
    return [child.name for child in model.children_in_order]


def test_order_of_listing_does_not_matter_for_the_value():
    a, b, c = term("a", "x y", "u"), term("b", "u x", "v"), term("c", "v u", "w")
    for listed in ([a, b, c], [c, b, a], [b, c, a]):
        model = ComposedModel("m", models=listed)
        assert names(model) == ["a", "b", "c"]
        assert list(model.input_spec) == ["x", "y"] and list(model.output_spec) == ["w"]
        assert model(2.0, 3.0).data.item() == (5 + 2) + 5


def test_models_that_are_ready_run_in_listed_order_those_that_wait_after_them():
    a, b, c, d = term("a", "x", "u"), term("b", "u", "v"), term("c", "y", "w"), term("d", "u w", "z")
    assert names(ComposedModel(models=[a, b, c, d])) == ["a", "c", "b", "d"]


def test_outputs_are_those_nobody_reads_and_the_additional_ones():
    text = line("a", "x", "stress") + line("b", "stress", "v") + compose("a b", "additional_outputs = 'stress stres'")
    with pytest.warns(UserWarning, match=r"option 'additional_outputs': no model provides 'stres'.*mean 'stress'"):
        model = composed(text)
    assert list(model.output_spec) == ["v", "stress"]
    assert [value.data.item() for value in model(2.0)] == [2.0, 2.0]


def test_jacobian_follows_the_chain_rule():
    a, b = term("a", "x y", "u", [2.0, 3.0]), term("b", "u x", "v", [5.0, 7.0])
    _, J = ComposedModel(models=[b, a]).jacobian({"x": torch.ones(4, dtype=torch.float64), "y": torch.tensor(1.0)})
    torch.testing.assert_close(J["v"]["x"], torch.full((4,), 2 * 5 + 7.0, dtype=torch.float64))
    assert set(J["v"]["y"].tolist()) == {15.0}


def test_qualified_names_of_parameters_follow_the_blocks():
    text = line("a", "x", "u") + line("b", "u", "v") + "[inner]\ntype=ComposedModel\nmodels='a b'\n[]\n"
    model = composed(text + line("d", "v", "w") + compose("d inner"))
    expected = [f"{path}.{p}" for path in ("inner.a", "inner.b", "d") for p in ("weight_0", "offset")]
    assert [name for name, _ in model.named_parameters()] == expected
    value = torch.func.functional_call(model, {"inner.b.weight_0": torch.tensor(10.0)}, (1.0,))
    assert value.data.item() == 10.0


def test_names_that_cannot_be_attributes_get_a_fallback():
    model = ComposedModel(models=[term("1st", "x", "u"), term("forward", "u", "v"), term("fine", "v", "w")])
    assert list(dict(model.named_children())) == ["_child_0", "_child_1", "fine"]


def test_a_shared_child_has_one_set_of_parameters():
    text = line("a", "x", "u") + line("b", "u", "v") + "[one]\ntype=ComposedModel\nmodels='a'\n[]\n"
    source = load_string(f"[Models]\n{text}{compose('a b')}\n[]")
    assert source.get_model("one").children_in_order[0] is source.get_model("c").children_in_order[0]
    other = copy.deepcopy(source.get_model("c"))
    assert other(1.0).data.item() == source.get_model("c")(1.0).data.item()


def test_a_shared_child_gets_its_parameters_back():
    """Two paths lead to it, as where Normality holds models that stand beside it."""
    text = line("a", "x", "u") + "[one]\ntype=ComposedModel\nmodels='a'\n[]\n"
    model = composed(text + compose("one"))
    model.add_module("again", ComposedModel(models=[model.children_in_order[0].children_in_order[0]]))
    before = dict(model.named_parameters())
    assert list(before) == ["one.a.weight_0", "one.a.offset"]
    value = torch.func.functional_call(model, {"one.a.weight_0": torch.tensor(10.0, dtype=torch.float64)}, (1.0,))
    assert value.data.item() == 10.0
    assert all(value is before[path] for path, value in model.named_parameters())


def test_providers_of_promoted_parameters_join_transitively():
    text = line("first", "T", "p") + line("second", "T", "q", "weights = first") + compose("use")
    model = composed(text + line("use", "x", "y", "weights = second"))
    assert names(model) == ["first", "second", "use"]
    assert list(model.input_spec) == ["T", "x"] and list(model.output_spec) == ["y"]
    assert model(3.0, 5.0).data.item() == 3.0 * 3.0 * 5.0


def test_a_provider_that_is_listed_does_not_join_twice():
    text = line("first", "T", "p") + line("use", "x", "y", "weights = first") + compose("use first")
    assert names(composed(text)) == ["first", "use"]


def test_a_composition_needs_no_provider_of_its_children():
    text = line("first", "T", "p") + line("use", "x", "y", "weights = first")
    model = composed(text + "[in]\ntype=ComposedModel\nmodels='use'\n[]\n".replace("in]", "inn]") + compose("inn"))
    assert names(model) == ["inn"] and list(model.input_spec) == ["T", "x"]


def test_two_providers_of_one_variable_are_an_error():
    with pytest.raises(
        ValueError, match=r"c.i:\d+: \[Models/c\] option 'models': 'u' is provided twice: by 'a' and by 'b'"
    ):
        composed(line("a", "x", "u") + line("b", "y", "u") + compose("a b"))


def test_a_circle_is_an_error_that_shows_it():
    text = line("a", "x w", "u") + line("b", "u", "v") + line("d", "v", "w") + compose("a b d")
    with pytest.raises(ValueError, match="circle: ") as info:
        composed(text)
    message = str(info.value)
    assert all(part in message for part in ("-[u]-> 'b'", "-[v]-> 'd'", "-[w]-> 'a'"))


def test_one_name_with_two_types_is_an_error():
    tensor = find("SR2LinearCombination")("t", from_=["u"], to="w")
    with pytest.raises(InvalidModel, match="'u' is a Scalar, but SR2LinearCombination"):
        ComposedModel(models=[term("a", "x", "u"), tensor])
    with pytest.raises(InvalidModel, match="'x' is a Scalar"):
        ComposedModel(models=[term("a", "x", "u"), find("SR2LinearCombination")("t", from_=["x"], to="w")])


def test_unknown_child():
    with pytest.raises(KeyError, match=r"No \[Models/aa\] found; did you mean 'a'"):
        composed(line("a", "x", "u") + compose("aa"))


@register("AddOneForTest")
class AddOne(Model):
    """Reads and writes the same variable, after the ordinary providers of it."""

    x = Input(Scalar, "u")
    y = Output(Scalar, "u")
    priority = 1

    def forward(self, x):
        return x + 1.0


def test_priorities_chain_providers_of_one_variable():
    model = ComposedModel(models=[AddOne("late"), term("a", "x", "u"), term("b", "u", "v")])
    assert names(model) == ["a", "late", "b"]
    assert list(model.input_spec) == ["x"] and list(model.output_spec) == ["v"]
    assert model(3.0).data.item() == 4.0


def test_a_child_that_reads_what_it_writes_reads_an_input():
    model = ComposedModel(models=[AddOne("only")])
    assert list(model.input_spec) == ["u"] and list(model.output_spec) == ["u"]
    assert model(3.0).data.item() == 4.0


def test_missing_input_is_named():
    with pytest.raises(KeyError, match="needs the input 'x'"):
        ComposedModel(models=[term("a", "x", "u")]).evaluate({})


def test_repr_is_one_line():
    text = repr(ComposedModel("m", models=[term("a", "x", "u")]))
    assert text == "ComposedModel('m': x -> u; 1 models)"


# -- linear combinations -----------------------------------------------------------------------------------------------


def test_linear_combination_of_tensors_adds_the_offset_to_every_component():
    x, y = torch.rand(2, 4, 6, dtype=torch.float64)
    model = find("SR2LinearCombination")(from_=["a", "b"], to="c", weights=[2.0, -1.0], offset=0.5)
    torch.testing.assert_close(model(x, y).data, 2 * x - y + 0.5)
    assert [n for n, _ in model.named_parameters()] == ["weight_0", "weight_1", "offset"]


def test_one_weight_stands_for_all_and_weights_may_be_variables():
    assert term("a", "x y z", "s", 2.0)(1.0, 2.0, 3.0).data.item() == 12.0
    model = term("a", "x y", "s", ["w", 3.0])
    assert list(model.input_spec) == ["x", "y", "w"] and model(1.0, 2.0, 10.0).data.item() == 16.0


def test_number_of_weights():
    with pytest.raises(ValueError, match=r"c.i:\d+: \[Models/a\] option 'weights': expected 1 weight or 2"):
        composed(line("a", "x y", "u", "weights = '1 2 3'"), "a")
    with pytest.raises(ValueError, match="at least one variable"):
        composed(line("a", "", "u"), "a")
    assert issubclass(find("SR2LinearCombination"), LinearCombination) and SR2 is not Scalar
