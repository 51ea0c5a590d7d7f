# SPDX-License-Identifier: MIT
"""Flow rates that were fitted rather than derived: a formula with fixed numbers, and a polynomial on tiles."""

from __future__ import annotations

import math

import torch

from neml2.models import Input, Model, Option, Output, TensorOption, register
from neml2.types import Scalar, Tensor, abs, align_sub_batch, exp, heaviside


@register("SurrogateFlowRate")
class SurrogateFlowRate(Model):
    """Flow rate of a fit, r = exp(-Q / (R T)) (exp(-G / G0) + exp(-C / C0)) (|s - sy| / eta)^n H(s - sy)."""

    von_mises_stress = Input(Scalar)
    temperature = Input(Scalar)
    equivalent_plastic_strain_rate = Output(Scalar)

    def forward(self, s: Scalar, T: Scalar) -> Scalar:
        sy, eta, n, Q, R = 1000.0, 10.0, 3, 50000.0, 8.3145
        size = math.exp(-0.1 / 0.003) + math.exp(-0.2 / 0.004)  # grain size over G0, concentration over C0
        return exp(-Q / (R * T)) * size * (abs(s - sy) / eta) ** n * heaviside(s - sy)


@register("TabulatedPolynomialModel")
class TabulatedPolynomialModel(Model):
    """A quadratic polynomial of stress, temperature and two internal states on each tile of stress and temperature.

    Rate k is y_k = sum_ij w_i(s) w_j(T) (A0_ijk + sum_l A1_ijkl x_l + sum_l A2_ijkl x_l^2), with x = (s, T, s1, s2),
    w(z) = (sigmoid(c (z - lower)) - sigmoid(c (z - upper)))/2 and the sharpness c. Shapes: A0 (S, T, 3), A1 and A2
    (S, T, 3, 4), bounds (S) and (T), for S tiles of stress and T of temperature.
    """

    von_mises_stress = Input(Scalar)
    temperature = Input(Scalar)
    internal_state_1 = Input(Scalar)
    internal_state_2 = Input(Scalar)
    equivalent_plastic_strain_rate = Output(Scalar)
    internal_state_1_rate = Output(Scalar)
    internal_state_2_rate = Output(Scalar)
    A0 = TensorOption(Tensor)
    A1 = TensorOption(Tensor)
    A2 = TensorOption(Tensor)
    stress_tile_lower_bounds = TensorOption(Tensor)
    stress_tile_upper_bounds = TensorOption(Tensor)
    temperature_tile_lower_bounds = TensorOption(Tensor)
    temperature_tile_upper_bounds = TensorOption(Tensor)
    index_sharpness: float = Option(float, 1.0)

    def setup(self) -> None:
        for name in [name for name, value in vars(self).items() if isinstance(value, Tensor)]:
            constant = vars(self).pop(name).data
            self.register_buffer(name, constant.to(torch.float64))  # moves with the model to a device or precision
        tiles = (*self.stress_tile_lower_bounds.shape, *self.temperature_tile_lower_bounds.shape)
        for name, shape in (("A0", (*tiles, 3)), ("A1", (*tiles, 3, 4)), ("A2", (*tiles, 3, 4))):
            if tuple(getattr(self, name).shape) != shape:
                raise self.error(f"expected the shape {shape}, got {tuple(getattr(self, name).shape)}", name)

    def forward(self, s: Scalar, T: Scalar, s1: Scalar, s2: Scalar) -> tuple[Scalar, ...]:
        values = align_sub_batch(s, T, s1, s2)
        x = torch.stack(torch.broadcast_tensors(*(value.data for value in values)), -1)
        tile = self._weights(x[..., 0], self.stress_tile_lower_bounds, self.stress_tile_upper_bounds).unsqueeze(-1)
        tile = tile * self._weights(
            x[..., 1], self.temperature_tile_lower_bounds, self.temperature_tile_upper_bounds
        ).unsqueeze(-2)
        x = x[..., None, None, None, :]
        y = self.A0 + ((self.A1 + self.A2 * x) * x).sum(-1)
        y = (tile.unsqueeze(-1) * y).sum((-3, -2))
        return tuple(Scalar(y[..., k], values[0].sub_batch_ndim) for k in range(3))

    def _weights(self, z: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
        """How much each tile counts at z."""
        below, above = (torch.sigmoid(self.index_sharpness * (z.unsqueeze(-1) - bound)) for bound in (lower, upper))
        return 0.5 * (below - above)
