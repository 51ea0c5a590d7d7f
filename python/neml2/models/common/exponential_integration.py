# SPDX-License-Identifier: MIT
"""Time integration of orientations with the exponential map of the spin."""

from __future__ import annotations

from ...types import MRP, WR2, Scalar, compose, exp_map, nominal_exp_map
from ..base import Model
from ..declarations import Input, Option, Output
from ..registry import register


class ExponentialIntegration(Model):
    """A turn by a spin over the step. `exact`: by the exponential map itself; otherwise by one that agrees with it to
    third order in the angle, beyond the accuracy of either scheme, and that reference results have been made with."""

    exact: bool = Option(bool, False)

    def turned(self, turn: WR2, old: MRP) -> MRP:
        return compose(exp_map(turn) if self.exact else nominal_exp_map(turn), old)


@register("WR2ImplicitExponentialTimeIntegration")
class WR2ImplicitExponentialTimeIntegration(ExponentialIntegration):
    """Residual of an orientation that turns with the end-of-step spin w, r = s - exp((t - t~1) w) o s~1.

    C. Miehe, Exponential map algorithm for stress updates in anisotropic multiplicative elastoplasticity,
    Int. J. Numer. Meth. Engng 39 (1996), for integrating by the exponential map.
    """

    variable = Input(MRP)
    old_variable = Input(MRP, derived="{variable}~1")
    time = Input(Scalar, "t")
    old_time = Input(Scalar, derived="{time}~1")
    rate = Input(WR2, derived="{variable}_rate", override="rate")
    residual = Output(MRP, derived="{variable}_residual", rename="variable_residual")

    def forward(self, s: MRP, s_n: MRP, t: Scalar, t_n: Scalar, spin: WR2) -> MRP:
        return s - self.turned((t - t_n) * spin, s_n)


@register("WR2ExplicitExponentialTimeIntegration")
class WR2ExplicitExponentialTimeIntegration(ExponentialIntegration):
    """Orientation after turning with the spin w over the step, s = exp((t - t~1) w) o s~1."""

    variable = Output(MRP)
    old_variable = Input(MRP, derived="{variable}~1")
    time = Input(Scalar, "t")
    old_time = Input(Scalar, derived="{time}~1")
    rate = Input(WR2, derived="{variable}_rate", override="rate")

    def forward(self, s_n: MRP, t: Scalar, t_n: Scalar, spin: WR2) -> MRP:
        return self.turned((t - t_n) * spin, s_n)
