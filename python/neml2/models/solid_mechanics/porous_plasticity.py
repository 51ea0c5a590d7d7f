# SPDX-License-Identifier: MIT
"""Plasticity of metals with voids."""

from __future__ import annotations

from ...types import SR2, Scalar, cosh, tr
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register


@register("GTNYieldFunction")
class GTNYieldFunction(Model):
    """Gurson-Tvergaard-Needleman yield function, f = (q / sf)^2 + 2 q1 phi cosh(q2 p / (2 sf)) - 1 - q3 phi^2,
    with the invariants q (flow) and p (volumetric), the void fraction phi and sf = sy + h; the hardening h is
    left out unless it is named.

    V. Tvergaard and A. Needleman, Analysis of the cup-cone fracture in a round tensile bar, Acta Metallurgica
    32 (1984).
    """

    flow_invariant = Input(Scalar)
    poro_invariant = Input(Scalar)
    void_fraction = Input(Scalar)
    isotropic_hardening = Input(Scalar, optional=True)
    yield_function = Output(Scalar)
    yield_stress = Parameter(Scalar, name="sy", promotable=True)
    q1 = Parameter(Scalar, promotable=True)
    q2 = Parameter(Scalar, promotable=True)
    q3 = Parameter(Scalar, promotable=True)

    def forward(
        self,
        q: Scalar,
        p: Scalar,
        phi: Scalar,
        h: Scalar | None,
        sy: Scalar,
        q1: Scalar,
        q2: Scalar,
        q3: Scalar,
    ) -> Scalar:
        flow_stress = sy if h is None else sy + h
        ratio = q / flow_stress
        return ratio * ratio + 2 * q1 * phi * cosh(0.5 * q2 * p / flow_stress) - (1 + q3 * phi * phi)


@register("OlevskySinteringStress")
class OlevskySinteringStress(Model):
    """Sintering stress of a powder with particles of radius r, 3 gamma phi^2 / r, gamma the surface tension.

    E. A. Olevsky, Theory of sintering: from discrete to continuum, Mater. Sci. Engng R 23 (1998).
    """

    void_fraction = Input(Scalar)
    sintering_stress = Output(Scalar)
    surface_tension = Parameter(Scalar, name="gamma", promotable=True)
    particle_radius = Parameter(Scalar, name="r", promotable=True)

    def forward(self, phi: Scalar, gamma: Scalar, r: Scalar) -> Scalar:
        return 3 * gamma * phi * phi / r


@register("GursonCavitation")
class GursonCavitation(Model):
    """Growth of voids in an incompressible matrix, phi_rate = (1 - phi) tr(Ep_rate).

    A. L. Gurson, Continuum theory of ductile rupture by void nucleation and growth, J. Engng Mater. Technol.
    99 (1977).
    """

    plastic_strain_rate = Input(SR2)
    void_fraction = Input(Scalar)
    void_fraction_rate = Output(Scalar)

    def forward(self, rate: SR2, phi: Scalar) -> Scalar:
        return (1 - phi) * tr(rate)
