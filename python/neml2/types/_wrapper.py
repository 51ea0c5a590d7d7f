# SPDX-License-Identifier: MIT
"""The typed value: a torch tensor, its sub-batch rank and the arithmetic all types share.

Nothing here validates inside an operation: an operation costs the torch calls it stands for and one small
object, and a trace of it contains those torch calls only.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import torch
from torch.utils import _pytree

from ._align import aligned, aligned_all, pad_base
from ._regions import BaseRegion, BatchRegion, DynamicBatchRegion, SubBatchRegion

W = TypeVar("W", bound="TensorWrapper")
P = TypeVar("P", bound="PrimitiveTensor")


class TensorWrapper:
    """A tensor of shape ``(*dynamic_batch, *sub_batch, *base)``.

    Attributes:
        data: the raw tensor.
        sub_batch_ndim: how many of the last batch axes are sites (slip systems, grains, bins).
        BASE_SHAPE: shape of one value, fixed by the type.
    """

    __slots__ = ("data", "sub_batch_ndim")

    BASE_SHAPE: ClassVar[tuple[int, ...]] = ()
    base_ndim: int = 0
    is_scalar: ClassVar[bool] = False

    data: torch.Tensor
    sub_batch_ndim: int

    _of_rank: ClassVar[Callable[[torch.Tensor, int, int], Any]]
    """(data, base_ndim, sub_batch_ndim) -> some components of a value, as tensor.py says."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "BASE_SHAPE" in cls.__dict__:
            cls.base_ndim = len(cls.BASE_SHAPE)
        # A value is a pytree node, so that torch.func transforms and make_fx take and return it as it is.
        _pytree.register_pytree_node(
            cls,
            lambda v: ([v.data], v._context()),
            lambda leaves, context: cls._from_context(next(iter(leaves)), context),
            serialized_type_name=f"{cls.__module__}.{cls.__qualname__}",
        )

    def __init__(
        self,
        data: Any,
        sub_batch_ndim: int | None = None,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        """Wrap raw data whose trailing axes are the base axes.

        Args:
            data: tensor, value of the same type, or number/list/array (float64 unless `dtype` is given).
            sub_batch_ndim: number of trailing batch axes that are sub-batch; default 0, or that of `data`.

        Raises:
            TypeError: `data` is a value of another type.
            ValueError: the trailing axes are not the base shape, there are fewer batch axes than
                `sub_batch_ndim`, or `sub_batch_ndim` contradicts that of `data`.
        """
        if isinstance(data, TensorWrapper):
            data, sub_batch_ndim = self._unwrap(data, sub_batch_ndim)
        elif not isinstance(data, torch.Tensor):
            data = torch.as_tensor(data, dtype=dtype or torch.float64, device=device)
        if dtype is not None or device is not None:
            data = data.to(device=device, dtype=dtype)
        self.data = data
        self.sub_batch_ndim = sub_batch_ndim or 0
        self._check()

    def _unwrap(self, value: TensorWrapper, sub_batch_ndim: int | None) -> tuple[torch.Tensor, int]:
        name = type(self).__name__
        if type(value) is not type(self):
            raise TypeError(f"cannot wrap a {type(value).__name__} as {name}; convert it or pass its .data")
        if sub_batch_ndim is not None and sub_batch_ndim != value.sub_batch_ndim:
            raise ValueError(
                f"{name} has sub_batch_ndim={value.sub_batch_ndim}, which contradicts sub_batch_ndim="
                f"{sub_batch_ndim}; use .sub_batch.retag(n) to change it"
            )
        return value.data, value.sub_batch_ndim

    def _check(self) -> None:
        shape, r, n, name = self.data.shape, self.base_ndim, self.sub_batch_ndim, type(self).__name__
        if r and shape[-r:] != self.BASE_SHAPE:
            raise ValueError(f"{name} needs trailing axes {self.BASE_SHAPE}, got data of shape {tuple(shape)}")
        # A value without batch axes may carry any tag: it broadcasts over all sites.
        if n < 0 or 0 < len(shape) - r < n:
            raise ValueError(f"{name} of shape {tuple(shape)} has {len(shape) - r} batch axes, not sub_batch_ndim={n}")

    # Building results -----------------------------------------------------------------------------

    @classmethod
    def _wrap(cls: type[W], data: torch.Tensor, sub_batch_ndim: int = 0) -> W:
        """Wrap without checks."""
        out = cls.__new__(cls)
        out.data = data
        out.sub_batch_ndim = sub_batch_ndim
        return out

    def _make(self: W, data: torch.Tensor, sub_batch_ndim: int) -> W:
        """A value of this type, without checks."""
        out = self.__class__.__new__(self.__class__)
        out.data = data
        out.sub_batch_ndim = sub_batch_ndim
        return out

    def _context(self) -> Any:
        return self.sub_batch_ndim

    @classmethod
    def _from_context(cls: type[W], data: Any, context: Any) -> W:
        return cls._wrap(data, context)

    # Shape ----------------------------------------------------------------------------------------

    @property
    def shape(self) -> torch.Size:
        """Shape of the data."""
        return self.data.shape

    @property
    def dtype(self) -> torch.dtype:
        return self.data.dtype

    @property
    def device(self) -> torch.device:
        return self.data.device

    @property
    def base_shape(self) -> tuple[int, ...]:
        return tuple(self.data.shape[self.data.ndim - self.base_ndim :])

    @property
    def batch_ndim(self) -> int:
        return self.data.ndim - self.base_ndim

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Dynamic and sub-batch axes."""
        return tuple(self.data.shape[: self.batch_ndim])

    @property
    def dynamic_batch_ndim(self) -> int:
        return max(self.batch_ndim - self.sub_batch_ndim, 0)

    @property
    def dynamic_batch_shape(self) -> tuple[int, ...]:
        return tuple(self.data.shape[: self.dynamic_batch_ndim])

    @property
    def sub_batch_shape(self) -> tuple[int, ...]:
        return tuple(self.data.shape[self.dynamic_batch_ndim : self.batch_ndim])

    @property
    def dynamic_batch(self) -> DynamicBatchRegion:
        """View of the dynamic batch axes."""
        return DynamicBatchRegion(self)

    @property
    def sub_batch(self) -> SubBatchRegion:
        """View of the sub-batch axes."""
        return SubBatchRegion(self)

    @property
    def batch(self) -> BatchRegion:
        """Read-only view of all batch axes."""
        return BatchRegion(self)

    @property
    def base(self) -> BaseRegion:
        """View of the base axes."""
        return BaseRegion(self)

    def with_sub_batch_ndim(self: W, n: int) -> W:
        """The same data with its last `n` batch axes declared sub-batch."""
        if n < 0 or n > self.batch_ndim:
            raise ValueError(
                f"{type(self).__name__} of shape {tuple(self.shape)} has {self.batch_ndim} batch axes, "
                f"not sub_batch_ndim={n}"
            )
        return self._make(self.data, n)

    def to(self: W, *args: Any, **kwargs: Any) -> W:
        """As ``torch.Tensor.to``."""
        return self._make(self.data.to(*args, **kwargs), self.sub_batch_ndim)

    def detach(self: W) -> W:
        return self._make(self.data.detach(), self.sub_batch_ndim)

    def clone(self: W) -> W:
        return self._make(self.data.clone(), self.sub_batch_ndim)

    def __repr__(self) -> str:
        tag = f", sub_batch_ndim={self.sub_batch_ndim}" if self.sub_batch_ndim else ""
        return f"{type(self).__name__}({self.data!r}{tag})"

    def __bool__(self) -> bool:
        raise TypeError(f"the truth value of a {type(self).__name__} is not defined; select with neml2.types.where")

    # Arithmetic: elementwise on the storage -------------------------------------------------------

    def __add__(self: W, other: Any) -> W:
        if other.__class__ is self.__class__ and other.sub_batch_ndim == self.sub_batch_ndim:
            return self._make(self.data + other.data, self.sub_batch_ndim)
        return combine(operator.add, self, other)

    def __sub__(self: W, other: Any) -> W:
        if other.__class__ is self.__class__ and other.sub_batch_ndim == self.sub_batch_ndim:
            return self._make(self.data - other.data, self.sub_batch_ndim)
        return combine(operator.sub, self, other)

    def __mul__(self: W, other: Any) -> W:
        if other.__class__ is self.__class__ and other.sub_batch_ndim == self.sub_batch_ndim:
            return self._make(self.data * other.data, self.sub_batch_ndim)
        return combine(operator.mul, self, other)

    def __truediv__(self: W, other: Any) -> W:
        if other.__class__ is self.__class__ and other.sub_batch_ndim == self.sub_batch_ndim:
            return self._make(self.data / other.data, self.sub_batch_ndim)
        if self.is_scalar and isinstance(other, TensorWrapper) and not other.is_scalar:
            return NotImplemented
        return combine(operator.truediv, self, other)

    def __radd__(self: W, other: Any) -> W:
        return combine(operator.add, self, other)

    def __rmul__(self: W, other: Any) -> W:
        return combine(operator.mul, self, other)

    def __rsub__(self: W, other: Any) -> W:
        if isinstance(other, TensorWrapper):
            return NotImplemented
        return combine(lambda x, y: y - x, self, other)

    def __neg__(self: W) -> W:
        return self._make(-self.data, self.sub_batch_ndim)

    def __pos__(self: W) -> W:
        return self


class PrimitiveTensor(TensorWrapper):
    """A value whose base shape is fixed by its type, with the constructors all such types share.

    Batch sizes are positional integers. `dtype` defaults to torch's default dtype.
    """

    __slots__ = ()

    @classmethod
    def _default_dtype(cls) -> torch.dtype:
        return torch.get_default_dtype()

    @classmethod
    def _new_full(cls: type[P], batch: tuple[int, ...], make: Callable[..., torch.Tensor], kwargs: dict[str, Any]) -> P:
        n = kwargs.pop("sub_batch_ndim", 0)
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = cls._default_dtype()
        return cls(make((*batch, *cls.BASE_SHAPE), **kwargs), sub_batch_ndim=n)

    @classmethod
    def zeros(cls: type[P], *batch: int, **kwargs: Any) -> P:
        """Zeros of batch shape `batch`. Keywords: dtype, device, sub_batch_ndim."""
        return cls._new_full(batch, torch.zeros, kwargs)

    @classmethod
    def ones(cls: type[P], *batch: int, **kwargs: Any) -> P:
        """Ones in every stored component. Keywords: dtype, device, sub_batch_ndim."""
        return cls._new_full(batch, torch.ones, kwargs)

    @classmethod
    def empty(cls: type[P], *batch: int, **kwargs: Any) -> P:
        """Uninitialised storage. Keywords: dtype, device, sub_batch_ndim."""
        return cls._new_full(batch, torch.empty, kwargs)

    @classmethod
    def full(cls: type[P], *batch: int, fill_value: float, **kwargs: Any) -> P:
        """`fill_value` in every stored component. Keywords: dtype, device, sub_batch_ndim."""
        return cls._new_full(batch, lambda shape, **kw: torch.full(shape, fill_value, **kw), kwargs)

    @classmethod
    def fill(
        cls: type[P],
        *components: Any,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> P:
        """Value from its stored components in row-major order, numbers (float64) or Scalars.

        Raises:
            ValueError: the number of components is not the size of the base.
        """
        size = torch.Size(cls.BASE_SHAPE).numel()
        if len(components) != size:
            raise ValueError(f"{cls.__name__}.fill takes {size} components, got {len(components)}")
        return cls._from_components(components, dtype or torch.float64, device)

    @classmethod
    def _from_components(
        cls: type[P], components: tuple[Any, ...], dtype: torch.dtype, device: torch.device | str | None
    ) -> P:
        typed = [c for c in components if isinstance(c, TensorWrapper)]
        if not typed:
            data = torch.tensor([float(c) for c in components], dtype=dtype, device=device)
            return cls._wrap(data.reshape(cls.BASE_SHAPE))
        scalar, like = type(typed[0]), typed[0].data
        values = [
            c if isinstance(c, TensorWrapper) else scalar._wrap(torch.tensor(c, dtype=like.dtype, device=like.device))
            for c in components
        ]
        parts, n = aligned_all(values)
        data = torch.stack(torch.broadcast_tensors(*parts), -1)
        if len(cls.BASE_SHAPE) > 1:
            data = data.reshape(*data.shape[:-1], *cls.BASE_SHAPE)
        return cls._wrap(data, n)


def combine(op: Callable[[Any, Any], torch.Tensor], a: TensorWrapper, b: Any) -> Any:
    """`op` on the storage of two operands after sub-batch alignment; NotImplemented for types that do not
    combine.

    A Scalar meets every stored component of the other operand, a number likewise.
    """
    if isinstance(b, TensorWrapper):
        if a.__class__ is b.__class__:
            x, y, n = aligned(a, b)
            return a._make(op(x, y), n)
        if b.is_scalar:
            x, y, n = aligned(a, b)
            return a._make(op(x, pad_base(y, a.base_ndim)), n)
        if a.is_scalar:
            x, y, n = aligned(a, b)
            return b._make(op(pad_base(x, b.base_ndim), y), n)
        return NotImplemented
    if isinstance(b, (int, float)):
        return a._make(op(a.data, b), a.sub_batch_ndim)
    if isinstance(b, torch.Tensor):
        if b.ndim == 0:
            return a._make(op(a.data, b), a.sub_batch_ndim)
        raise TypeError(
            f"cannot combine a {type(a).__name__} with a raw tensor of shape {tuple(b.shape)}; "
            "wrap it first, for example Scalar(x)"
        )
    return NotImplemented
