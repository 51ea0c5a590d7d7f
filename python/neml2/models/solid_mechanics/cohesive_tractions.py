# SPDX-License-Identifier: MIT
"""Traction-separation laws of cohesive interfaces. Component 0 is normal; a penetration is not positive and
counts only if it is named."""

from __future__ import annotations

import math

from ...types import Scalar, Vec, exp, gt, lt, vec_from_scalars, where
from ..base import Model
from ..declarations import Input, Output, Parameter
from ..registry import register


@register("BilinearTraction")
class BilinearTraction(Model):
    """Linear up to the separation delta_c, then softening linearly down to zero at delta_f, by a damage d that
    never decreases: traction = K (1 - d) separation, and K penetration; at the effective separation dm,
    d = delta_f (dm - delta_c) / (dm (delta_f - delta_c)).

    P. P. Camanho and C. G. Davila, Mixed-mode decohesion finite elements for the simulation of delamination in
    composite materials, NASA/TM-2002-211737.
    """

    effective_separation = Input(Scalar)
    normal_separation = Input(Scalar)
    normal_penetration = Input(Scalar, optional=True)
    tangential_separation_1 = Input(Scalar)
    tangential_separation_2 = Input(Scalar)
    traction = Output(Vec)
    damage = Output(Scalar)
    old_damage = Input(Scalar, derived="{damage}~1")
    penalty_stiffness = Parameter(Scalar, name="K")
    critical_separation = Parameter(Scalar, name="delta_c", promotable=True)
    full_separation = Parameter(Scalar, name="delta_f", promotable=True)

    def forward(
        self,
        effective: Scalar,
        normal: Scalar,
        penetration: Scalar | None,
        tangential_1: Scalar,
        tangential_2: Scalar,
        old: Scalar,
        K: Scalar,
        delta_c: Scalar,
        delta_f: Scalar,
    ) -> tuple[Vec, Scalar]:
        d = larger(_bilinear_damage(effective, delta_c, delta_f), old)
        k = K * (1 - d)
        contact = None if penetration is None else K * penetration
        return vec_from_scalars(plus(k * normal, contact), k * tangential_1, k * tangential_2), d


def _bilinear_damage(dm: Scalar, delta_c: Scalar, delta_f: Scalar) -> Scalar:
    intact, softens = lt(dm, delta_c), lt(dm, delta_f)
    span = delta_f - delta_c
    span = where(gt(span, 0.0), span, 1.0)
    dm = where(intact, 1.0, dm)  # keeps the branch that is not taken finite at zero separation
    return where(intact, 0.0, where(softens, delta_f * (dm - delta_c) / (dm * span), 1.0))


@register("OrthotropicLinearTraction")
class OrthotropicLinearTraction(Model):
    """traction = (Kn dn + Kpen penetration, Kt ds1, Kt ds2)."""

    normal_separation = Input(Scalar)
    normal_penetration = Input(Scalar, optional=True)
    tangential_separation_1 = Input(Scalar)
    tangential_separation_2 = Input(Scalar)
    traction = Output(Vec)
    normal_stiffness = Parameter(Scalar, name="Kn")
    tangential_stiffness = Parameter(Scalar, name="Kt")
    penalty_stiffness = Parameter(Scalar, 0.0, name="Kpen")

    def forward(
        self,
        normal: Scalar,
        penetration: Scalar | None,
        tangential_1: Scalar,
        tangential_2: Scalar,
        Kn: Scalar,
        Kt: Scalar,
        Kpen: Scalar,
    ) -> Vec:
        contact = None if penetration is None else Kpen * penetration
        return vec_from_scalars(plus(Kn * normal, contact), Kt * tangential_1, Kt * tangential_2)


@register("SalehaniIraniTraction")
class SalehaniIraniTraction(Model):
    """Exponential law coupled by one damage d that never decreases, d = 1 - exp(-bn - bs1^2 - bs2^2), with
    bn = dn / delta_u0_n and bs = ds / (sqrt(2) delta_u0_t): traction = (1 - d) (e Tmax_n bn,
    sqrt(2 e) Tmax_t bs1, sqrt(2 e) Tmax_t bs2), and Kpen penetration.

    S. Salehani and N. Irani, A coupled mixed-mode cohesive zone model: an extension to three-dimensional
    contact problems, arXiv:1801.03430 (2018).
    """

    normal_separation = Input(Scalar)
    normal_penetration = Input(Scalar, optional=True)
    tangential_separation_1 = Input(Scalar)
    tangential_separation_2 = Input(Scalar)
    traction = Output(Vec)
    damage = Output(Scalar)
    old_damage = Input(Scalar, derived="{damage}~1")
    normal_characteristic_length = Parameter(Scalar, name="delta_u0_n")
    tangential_characteristic_length = Parameter(Scalar, name="delta_u0_t")
    normal_strength = Parameter(Scalar, name="Tmax_n")
    shear_strength = Parameter(Scalar, name="Tmax_t")
    penalty_stiffness = Parameter(Scalar, 0.0, name="Kpen")

    def forward(
        self,
        normal: Scalar,
        penetration: Scalar | None,
        tangential_1: Scalar,
        tangential_2: Scalar,
        old: Scalar,
        length_n: Scalar,
        length_t: Scalar,
        Tmax_n: Scalar,
        Tmax_t: Scalar,
        Kpen: Scalar,
    ) -> tuple[Vec, Scalar]:
        bn = normal / length_n
        bs1, bs2 = tangential_1 / (math.sqrt(2) * length_t), tangential_2 / (math.sqrt(2) * length_t)
        d = larger(1 - exp(-(bn + bs1 * bs1 + bs2 * bs2)), old)
        Tn = math.e * Tmax_n * bn * (1 - d)
        shear = math.sqrt(2 * math.e) * Tmax_t * (1 - d)
        contact = None if penetration is None else Kpen * penetration
        return vec_from_scalars(plus(Tn, contact), shear * bs1, shear * bs2), d


def larger(trial: Scalar, old: Scalar) -> Scalar:
    return where(gt(trial, old), trial, old)


def plus(value: Scalar, other: Scalar | None) -> Scalar:
    return value if other is None else value + other
