# SPDX-License-Identifier: MIT
"""Initial guesses for crystal-plasticity updates."""

from __future__ import annotations

import torch

from ...types import MRP, R2, SR2, SSR4, Scalar, gt, inv, lt, norm, sym, where
from ..base import Model
from ..common.sites import per_site
from ..declarations import Input, Output, Parameter
from ..registry import register
from .slip_systems import OnSlipSystems


@register("SlipSystemElasticInteraction")
class SlipSystemElasticInteraction(OnSlipSystems):
    """Loss of resolved shear on system i by slip on system j over the step, (t - t~1) M_i : C : M_j; two site axes.

    M and C turn with the crystal, hence the orientation does not matter; it lends the value its batch shape.
    """

    orientation = Input(MRP)
    time = Input(Scalar, "t")
    old_time = Input(Scalar, derived="{time}~1")
    coupling = Output(Scalar)
    elastic_stiffness_tensor = Parameter(SSR4, promotable=True)

    def forward(self, r: MRP, t: Scalar, t_n: Scalar, C: SSR4) -> Scalar:
        M = self._M
        interaction = Scalar(M @ C.data @ M.mT, sub_batch_ndim=C.sub_batch_ndim + 2)
        dt = (t - t_n) + Scalar(torch.zeros_like(r.data[..., 0]), sub_batch_ndim=r.sub_batch_ndim)
        return per_site(dt, 2) * interaction


@register("CrystalPlasticityStrainPredictor")
class CrystalPlasticityStrainPredictor(Model):
    """Elastic strain E~1 + scale (t - t~1) deformation_rate where |E~1| < threshold, else E~1."""

    deformation_rate = Input(SR2)
    time = Input(Scalar, "t")
    old_time = Input(Scalar, derived="{time}~1")
    elastic_strain = Output(SR2)
    old_elastic_strain = Input(SR2, derived="{elastic_strain}~1")
    scale = Parameter(Scalar, 1.0)
    threshold = Parameter(Scalar, 1e-3)

    def forward(self, d: SR2, t: Scalar, t_n: Scalar, strain: SR2, scale: Scalar, threshold: Scalar) -> SR2:
        return where(lt(norm(strain), threshold), strain + scale * (t - t_n) * d, strain)


@register("CrystalPlasticityDeformationGradientPredictor")
class CrystalPlasticityDeformationGradientPredictor(Model):
    """Plastic deformation gradient Fp for an elastic one scaled down: with Fe = F inv(Fp~1), Fp is
    inv(I + scale (Fe - I)) F where |sym(Fe) - I| > threshold, else Fp~1."""

    deformation_gradient = Input(R2)
    plastic_deformation_gradient = Output(R2)
    old_plastic_deformation_gradient = Input(R2, derived="{plastic_deformation_gradient}~1")
    scale = Parameter(Scalar, 0.1)
    threshold = Parameter(Scalar, 1e-3)

    def forward(self, F: R2, Fp: R2, scale: Scalar, threshold: Scalar) -> R2:
        one = R2.identity(dtype=Fp.dtype, device=Fp.device)
        stretch = F @ inv(Fp) - one
        return where(gt(norm(sym(stretch)), threshold), inv(one + scale * stretch) @ F, Fp)
