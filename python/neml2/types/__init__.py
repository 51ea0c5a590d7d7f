# SPDX-License-Identifier: MIT
"""Typed values of continuum mechanics over batches of material points, and functions of them."""

from ._align import align_sub_batch
from ._regions import AxisKind
from ._wrapper import PrimitiveTensor, TensorWrapper
from .algebra import (
    cross,
    det,
    dev,
    inner,
    inv,
    norm,
    outer,
    r2_from_sr2,
    r2_from_wr2,
    skew,
    sym,
    tr,
    unit,
    vdot,
    vec_component,
    vec_from_scalars,
    vol,
    von_mises,
)
from .functions import (
    abs,
    acos,
    asin,
    atan,
    clamp,
    cos,
    cosh,
    exp,
    gt,
    heaviside,
    log,
    log10,
    lt,
    macaulay,
    opaque_pow,
    pow,
    reciprocal,
    sign,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
    where,
)
from .miller_index import MillerIndex
from .quaternion import Quaternion
from .r2 import R2
from .scalar import Scalar
from .sr2 import SR2
from .ssr4 import SSR4
from .tensor import Tensor
from .vec import Vec
from .wr2 import WR2
