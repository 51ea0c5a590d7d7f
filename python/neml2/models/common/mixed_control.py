# SPDX-License-Identifier: MIT
"""Loading controlled by stress in some components and by strain in the others."""

from __future__ import annotations

from ...types import SR2, gt, where
from ..base import Model
from ..declarations import Input, Option, Output
from ..registry import register


@register("MixedControlSetup")
class MixedControlSetup(Model):
    """For each stored component, y = x_above where control > threshold and x_below elsewhere; z is the other
    one. No derivative to the control."""

    control = Input(SR2)
    x_above = Input(SR2)
    x_below = Input(SR2)
    y = Output(SR2)
    z = Output(SR2)
    threshold: float = Option(float, 0.5)

    def forward(self, control: SR2, x_above: SR2, x_below: SR2) -> tuple[SR2, SR2]:
        above = gt(control, self.threshold)
        return where(above, x_above, x_below), where(above, x_below, x_above)
