# SPDX-License-Identifier: MIT
"""Batch axes that a graph does not show."""

import torch
from test_build import build

from neml2.compiler.frontend.batch_axes import completed
from neml2.compiler.plan.plan import ForwardSegment

A, B = frozenset("a"), frozenset("b")


def run(function, shown, given=(A, B)):
    examples = [torch.zeros(3), torch.zeros(())]
    ranks = [x.ndim for x in function(*examples)]
    return completed(function, examples, given, shown, ranks)


def test_a_constant_made_of_a_variable_has_its_axes():
    assert run(lambda x, y: [torch.zeros_like(x), x[..., 0] + y, torch.ones(())], [A - A, A | B, A - A]) == [
        A,
        A | B,
        A - A,
    ]


def test_what_is_behind_an_intermediate_passes_through():
    assert run(lambda x, y: [y * 0], [A - A], given=(A, A | B)) == [A | B]


def test_a_function_of_one_point_has_what_its_graph_shows():
    assert run(lambda x, y: [x.reshape(3) + y], [B]) == [B]


def test_the_segment_behind_a_solve_knows_what_its_values_came_from():
    """`y = 5 x + a`, where a, an input, is read by the first segment too."""
    plan = build()
    last = plan.segments[-1]
    assert isinstance(last, ForwardSegment)
    offsets = {slot.name: slot.offset for slot in plan.inputs}
    assert {start for start, _ in last.inputs} >= {offsets["a"]} and last.dependencies == [
        list(range(len(last.inputs)))
    ]
