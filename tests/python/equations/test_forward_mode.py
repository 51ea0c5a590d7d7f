# SPDX-License-Identifier: MIT
"""Directional derivatives with little overhead: those of torch.func.jvp, digit for digit, whatever a function does."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neml2.equations import forward_mode
from neml2.types import SR2, Scalar

C = torch.tensor([2.0, 3.0, 5.0], dtype=torch.float64)
WEIGHT = torch.nn.Parameter(torch.tensor(1.5, dtype=torch.float64))


def inner_gradient(x):
    """Reverse mode inside, of a function that is given x in two ways."""
    return torch.func.vjp(lambda y: (C * y * y * x - 2.0 * y).sum(-1), x)[1](torch.ones_like(x[..., 0]))[0]


def inner_forward(x):
    return torch.func.jvp(lambda y: y**3 * x, (x,), (torch.ones_like(x),))[1]


FUNCTIONS = {
    "numbers": lambda x: 2 * x + 3.0 - x / 4 - (1 - x) * 0.5 + 7 / x - (-x) ** 2,
    "constants": lambda x: C * x + x * C - C / x + x / C - (C - x) * (x - C),
    "parameters": lambda x: WEIGHT * x + (x - WEIGHT) * C,
    "powers": lambda x: x**2.0 + x**C + torch.pow(2.0, x),
    "functions": lambda x: torch.mul(x, C) + torch.sub(C, x, alpha=2) + torch.add(x, 1.0) + torch.div(x, C),
    "a branch that is not taken": lambda x: torch.where(x > 1e9, torch.sqrt(x - x) / 0.0 * C, C * x),
    "whole numbers": lambda x: x * torch.tensor([1, 2, 3]) + torch.tensor(2) * x,
    "constants made of it": lambda x: torch.ones_like(x) * x + torch.zeros_like(x) - C.detach() * x.detach() * x,
    "one constant for all points": lambda x: C[1].expand(4, 3) * x + C.expand(4, 3) / x,
    "no dependence": lambda x: C * C + 0.0 * C,
    "in place": lambda x: x.clone().mul_(C).add_(1.0),
    "gradient": inner_gradient,
    "forward mode": inner_forward,
    "map": lambda x: torch.func.vmap(lambda y: C * y * y - 1.0)(x),
    "typed": lambda x: (Scalar(WEIGHT) * Scalar(x[..., 0]) * SR2.fill(1, 2, 3, dtype=x.dtype) / 3.0).data[..., :3],
}


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_it_is_that_of_torch(name, seed):
    function = FUNCTIONS[name]
    generator = torch.Generator().manual_seed(seed)
    x, v = (torch.rand(4, 3, dtype=torch.float64, generator=generator) + shift for shift in (0.5, -0.5))
    value, slope = forward_mode.jvp(function, x, v)
    expected, expected_slope = torch.func.jvp(function, (x,), (v,))
    assert torch.equal(value, expected)
    torch.testing.assert_close(slope, expected_slope, rtol=1e-14, atol=1e-14)
    if not name.startswith(("no dependence", "constants made")):  # x.detach() counts as constant
        step = 1e-6 * v
        difference = (function(x + step) - function(x - step)) / 2e-6
        torch.testing.assert_close(slope, difference, rtol=1e-7, atol=1e-7)


def test_values_can_still_be_differentiated_by_parameters():
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    weight = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    value, slope = forward_mode.jvp(lambda y: weight * y * y, x, torch.ones_like(x))
    (by_value,) = torch.autograd.grad(value.sum(), weight, retain_graph=True)
    (by_slope,) = torch.autograd.grad(slope.sum(), weight)
    assert by_value.item() == 14.0 and by_slope.item() == 12.0


def test_inside_a_function_of_autograd():
    class Slope(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return forward_mode.jvp(lambda y: C * y * y, x, torch.ones_like(x))[1]

    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    assert torch.equal(Slope.apply(x), 2 * C * x)


def test_what_a_function_raises_comes_out():
    def wrong(x):
        raise RuntimeError("not today")

    with pytest.raises(RuntimeError, match="not today"):
        forward_mode.jvp(wrong, C, C)
    assert torch.autograd.forward_ad._current_level == -1
