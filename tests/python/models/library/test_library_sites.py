# SPDX-License-Identifier: MIT
"""Reductions over batch axes and over site axes, with every tag a value may have."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neml2.models.registry import find
from neml2.types import SR2

X = np.random.default_rng(1).uniform(-1, 1, (2, 3, 4, 6))


def run(type_, x, sites, **options):
    return find(type_)("m", **options)(SR2(torch.as_tensor(x), sub_batch_ndim=sites))


@pytest.mark.parametrize(
    "sites, axis", [(0, 0), (0, 1), (0, 2), (0, -1), (1, 0), (1, 1), (1, -1), (1, -2), (2, 0), (2, -1)]
)
def test_dynamic_reductions_count_axes_left_of_the_sites(sites, axis):
    true_axis = axis if axis >= 0 else 3 - sites + axis
    for type_, function in (("SR2DynamicMean", np.mean), ("SR2DynamicSum", np.sum)):
        value = run(type_, X, sites, dim=axis)
        assert value.sub_batch_ndim == sites
        np.testing.assert_allclose(value.data, function(X, axis=true_axis), rtol=1e-13)


@pytest.mark.parametrize("sites, dim", [(1, 2), (2, 1), (3, 0)])
def test_a_missing_dynamic_axis_is_an_error(sites, dim):
    with pytest.raises(ValueError, match=f"axis {dim} is to be reduced, but the value has {3 - sites} dynamic"):
        run("SR2DynamicMean", X, sites, dim=dim)


@pytest.mark.parametrize("sites, left", [(0, 0), (1, 0), (2, 1), (3, 2)])
def test_intermediate_reductions_take_the_last_batch_axis(sites, left):
    for type_, function in (("SR2IntermediateMean", np.mean), ("SR2IntermediateSum", np.sum)):
        value = run(type_, X, sites, reduces="grain")
        assert value.sub_batch_ndim == left
        np.testing.assert_allclose(value.data, function(X, axis=2), rtol=1e-13)


@pytest.mark.parametrize("sites, dim, axis", [(0, 0, 2), (1, -1, 2), (2, 0, 1), (2, 1, 2), (3, 0, 0)])
@pytest.mark.parametrize("n", [0, 1, 2])
def test_differences_along_a_site_axis(sites, dim, axis, n):
    value = run("SR2IntermediateDiff", X, sites, reduces="bin", dim=dim, n=n)
    assert value.sub_batch_ndim == max(sites, 1)
    np.testing.assert_allclose(value.data, np.diff(X, n=n, axis=axis), rtol=1e-12, atol=1e-15)


def test_a_value_without_sites_has_none_to_reduce():
    with pytest.raises(ValueError, match="the value has no site axis"):
        run("SR2IntermediateMean", X[0, 0, 0], 0, reduces="grain")
    with pytest.raises(ValueError, match="axis 1 of 1 site axes"):
        run("SR2IntermediateDiff", X, 1, reduces="bin", dim=1)
    with pytest.raises(ValueError, match="difference 5 along an axis of 4 sites"):
        run("SR2IntermediateDiff", X, 1, reduces="bin", dim=0, n=5)


def test_jacobian_over_sites_has_their_axes():
    mean = find("SR2IntermediateMean")("m", reduces="grain")
    _, J = mean.jacobian({"from": SR2(torch.as_tensor(X), sub_batch_ndim=1)})
    expected = np.broadcast_to(np.eye(6)[:, None, :] / 4, (2, 3, 6, 4, 6))
    np.testing.assert_allclose(J["to"]["from"], expected, rtol=1e-14)
