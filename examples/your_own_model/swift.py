# SPDX-License-Identifier: MIT
from neml2.models import Input, Model, Output, Parameter, register
from neml2.types import Scalar


@register("SwiftHardening")
class SwiftHardening(Model):
    """Swift hardening, h = K ((eps0 + ep)^n - eps0^n)."""

    equivalent_plastic_strain = Input(Scalar)
    isotropic_hardening = Output(Scalar)
    K = Parameter(Scalar, promotable=True)
    eps0 = Parameter(Scalar, promotable=True)
    n = Parameter(Scalar, promotable=True)

    def forward(self, ep: Scalar, K: Scalar, eps0: Scalar, n: Scalar) -> Scalar:
        return K * ((eps0 + ep) ** n - eps0**n)
