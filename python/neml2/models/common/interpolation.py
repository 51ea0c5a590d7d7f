# SPDX-License-Identifier: MIT
"""Parameters given as tables."""

from __future__ import annotations

from typing import Any

from ...types import SR2, Scalar, Vec, bilinear_interpolation, linear_interpolation
from ..base import Model
from ..declarations import BLOCK_NAME, Input, Output, Parameter, ParameterDeclaration, T
from ..registry import register, register_family


class Table(Model):
    """A table whose axes have as many points as its abscissae."""

    def setup(self) -> None:
        sizes: list[int] = []
        for declaration, (slot,) in self._parameter_slots:
            shape = self._table_shape(declaration, slot.name)
            if declaration.attribute != "ordinate":
                if shape[0] < 2:
                    raise self.error(f"a table needs at least two points, got {shape[0]}", declaration.option)
                sizes += shape
            elif shape != sizes:
                raise self.error(f"expected table axes {sizes}, those of the abscissae; got {shape}", "ordinate")

    def _table_shape(self, declaration: ParameterDeclaration, name: str) -> list[int]:
        stop = self._parameters[name].ndim - len(declaration.type.BASE_SHAPE)
        return list(self._parameters[name].shape[stop - declaration.table_axes : stop])


@register("ScalarLinearInterpolation")
class ScalarLinearInterpolation(Table):
    """Piecewise linear function through the points (abscissa, ordinate), continued linearly beyond them."""

    argument = Input(Scalar)
    output = Output(Scalar, BLOCK_NAME)
    abscissa = Parameter(Scalar, table_axes=1)
    ordinate = Parameter(Scalar, table_axes=1)

    def forward(self, x: Scalar, abscissa: Scalar, ordinate: Scalar) -> Scalar:
        return linear_interpolation(x, abscissa, ordinate)


@register_family("{T}BilinearInterpolation", (Scalar, Vec, SR2))
class BilinearInterpolation(Table):
    """Function that is linear in each argument within each cell of the grid abscissa1 x abscissa2, continued
    beyond its border."""

    argument1 = Input(Scalar)
    argument2 = Input(Scalar)
    output = Output(T, BLOCK_NAME)
    abscissa1 = Parameter(Scalar, table_axes=1)
    abscissa2 = Parameter(Scalar, table_axes=1)
    ordinate = Parameter(T, table_axes=2)

    def forward(self, x1: Scalar, x2: Scalar, abscissa1: Scalar, abscissa2: Scalar, ordinate: Any) -> Any:
        return bilinear_interpolation(x1, x2, abscissa1, abscissa2, ordinate)
