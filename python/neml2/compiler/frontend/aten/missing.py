# SPDX-License-Identifier: MIT
"""Operations that have no scalar meaning, and what comes nearest."""

from __future__ import annotations

_FACTORS = "use torch.linalg.inv or torch.linalg.solve, or the closed form"
_SPECTRUM = "use torch.linalg.eigh of a symmetric matrix"
_SERIES = "write its series or a fit in supported operations"
_INTERPOLATION = "use the interpolations of neml2.types, or products with a constant matrix"

MISSING: dict[str, str] = {
    "erfc": "use 1 - torch.erf(x), accurate to one unit of 1",
    "erfinv": _SERIES, "erfcx": _SERIES, "special_erfcx": _SERIES, "lgamma": _SERIES, "digamma": _SERIES,
    "polygamma": _SERIES, "i0": _SERIES, "special_i1": _SERIES, "igamma": _SERIES, "sinc": "use torch.sin(x) / x",
    "linalg_svd": "use torch.linalg.eigh of A^T A", "linalg_eig": _SPECTRUM, "linalg_eigvals": _SPECTRUM,
    "linalg_qr": _FACTORS, "linalg_lu_factor_ex": _FACTORS, "linalg_lu": _FACTORS, "linalg_ldl_factor_ex": _FACTORS,
    "linalg_lstsq": "solve the normal equations with torch.linalg.solve", "linalg_pinv": _FACTORS,
    "mode": "use torch.sort", "kthvalue": "use torch.sort", "unique": "what is left depends on values",
    "unique2": "what is left depends on values", "nonzero": "use torch.where with three arguments",
    "cummax": "use torch.maximum step by step", "cummin": "use torch.minimum step by step",
    "logcumsumexp": "use torch.logaddexp step by step", "histc": "use sums of conditions",
    "bucketize": "use a sum of conditions: (x[..., None] > edges).sum(-1)",
    "searchsorted": "use a sum of conditions: (x[..., None] > edges).sum(-1)",
    # torch's reverse mode of an assignment to a view; functionalised, it forgets where the view begins
    "as_strided": "use reshape, transpose and slices; in what torch.func differentiates, join values (torch.stack) "
                  "instead of assigning entries",
    "complex": "compute with real and imaginary parts",
    "view_as_complex": "compute with real and imaginary parts", "view_as_real": "compute with real and imaginary parts",
    "fft_r2c": "multiply with the matrix of the transform", "fft_c2c": "multiply with the matrix of the transform",
    "convolution": "use sums of slices", "grid_sampler_2d": _INTERPOLATION, "upsample_linear1d": _INTERPOLATION,
    "elu": "use torch.where and torch.expm1", "gelu": "use 0.5 * x * (1 + torch.erf(x / 2**0.5))",
    "bitwise_xor": "use torch.logical_xor", "nextafter": "it has no derivative", "cond": "use torch.where",
    "while_loop": "unroll it, or let an implicit update solve it",
}  # fmt: skip
