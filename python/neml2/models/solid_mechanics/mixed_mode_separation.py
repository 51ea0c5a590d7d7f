# SPDX-License-Identifier: MIT
"""Separations at which damage of a cohesive interface starts and ends in mixed mode."""

from __future__ import annotations

from ...types import Scalar, gt, sqrt, where
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register
from ..tolerance import eps


@register("ModeMixity")
class ModeMixity(Model):
    """Ratio of tangential to normal separation where the interface is open, else zero."""

    normal_separation = Input(Scalar)
    tangential_separation = Input(Scalar)
    mode_mixity = Output(Scalar)

    def forward(self, normal: Scalar, tangential: Scalar) -> Scalar:
        is_open = gt(normal, 0.0)
        return where(is_open, tangential / where(is_open, normal, 1.0), 0.0)


@register("CamanhoDavilaCriticalSeparation")
class CamanhoDavilaCriticalSeparation(Model):
    """Onset of damage by a quadratic criterion, with dn = N/K and ds = S/K:
    dn ds sqrt(1 + beta^2) / sqrt(ds^2 + beta^2 dn^2 + eps) where the interface is open, ds where it is closed.

    P. P. Camanho and C. G. Davila, Mixed-mode decohesion finite elements for the simulation of delamination in
    composite materials, NASA/TM-2002-211737.
    """

    normal_separation = Input(Scalar)
    critical_separation = Output(Scalar)
    mode_mixity = Parameter(Scalar, name="beta", promotable=True)
    penalty_stiffness = Parameter(Scalar, name="K")
    normal_strength = Parameter(Scalar, name="N")
    shear_strength = Parameter(Scalar, name="S")

    def forward(self, normal: Scalar, beta: Scalar, K: Scalar, N: Scalar, S: Scalar) -> Scalar:
        dn, ds, square = N / K, S / K, beta * beta
        mixed = dn * ds * sqrt(1 + square) / sqrt(ds * ds + square * dn * dn + eps(normal))
        return where(gt(normal, 0.0), mixed, ds)


class FullSeparation(Model):
    """Separation at which the interface has failed; 2 GIIc / S where it is closed."""

    normal_separation = Input(Scalar)
    full_separation = Output(Scalar)
    mode_mixity = Parameter(Scalar, name="beta", promotable=True)
    critical_separation = Parameter(Scalar, name="delta_c", promotable=True)
    penalty_stiffness = Parameter(Scalar, name="K")
    mode_I_fracture_toughness = Parameter(Scalar, name="GIc")  # noqa: N815
    mode_II_fracture_toughness = Parameter(Scalar, name="GIIc")  # noqa: N815
    shear_strength = Parameter(Scalar, name="S")
    eta = Parameter(Scalar)

    def forward(
        self,
        normal: Scalar,
        beta: Scalar,
        delta_c: Scalar,
        K: Scalar,
        GIc: Scalar,
        GIIc: Scalar,
        S: Scalar,
        eta: Scalar,
    ) -> Scalar:
        toughness = self._toughness(beta * beta, GIc, GIIc, eta)
        return where(gt(normal, 0.0), 2 * toughness / (K * delta_c), 2 * GIIc / S)

    def _toughness(self, square: Scalar, GIc: Scalar, GIIc: Scalar, eta: Scalar) -> Scalar:
        raise NotImplementedError(f"{self!r} has no `_toughness`; a class of full separations says what it is")


@register("BenzeggaghKenaneFullSeparation")
class BenzeggaghKenaneFullSeparation(FullSeparation):
    """Complete failure by the mixed-mode toughness Gc = GIc + (GIIc - GIc) (beta^2/(1 + beta^2) + eps)^eta:
    2 Gc / (K delta_c) where the interface is open, 2 GIIc / S where it is closed.

    M. L. Benzeggagh and M. Kenane, Measurement of mixed-mode delamination fracture toughness of unidirectional
    glass/epoxy composites with mixed-mode bending apparatus, Compos. Sci. Technol. 56 (1996).
    """

    def _toughness(self, square: Scalar, GIc: Scalar, GIIc: Scalar, eta: Scalar) -> Scalar:
        return GIc + (GIIc - GIc) * (square / (1 + square) + eps(square)) ** eta


@register("PowerLawFullSeparation")
class PowerLawFullSeparation(FullSeparation):
    """Complete failure by a power law of the energies, 2 (1 + beta^2) / (K delta_c)
    ((1/GIc)^eta + (beta^2/GIIc + eps)^eta)^(-1/eta) where the interface is open, 2 GIIc / S where it is
    closed."""

    def _toughness(self, square: Scalar, GIc: Scalar, GIIc: Scalar, eta: Scalar) -> Scalar:
        return (1 + square) * ((1 / GIc) ** eta + (square / GIIc + eps(square)) ** eta) ** (-1 / eta)
