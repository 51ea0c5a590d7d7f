// SPDX-License-Identifier: MIT
#include "call/Memory.h"

#include <algorithm>
#include <c10/util/SmallVector.h>

namespace neml2::aoti
{
namespace
{

using Bytes = std::uintptr_t;

Bytes stride_bytes(const at::Tensor & tensor, std::int64_t axis)
{
  return static_cast<Bytes>(tensor.stride(axis)) * tensor.element_size();
}

/// How far a region reaches behind its first address, if steps by whole periods are left out.
Bytes width(const Region & region, Bytes period)
{
  const auto & tensor = *region.tensor;
  Bytes reach = tensor.element_size();
  for (std::int64_t axis = 0; axis < tensor.dim(); axis++)
    if (const auto step = stride_bytes(tensor, axis); step % period != 0)
      reach += static_cast<Bytes>(tensor.size(axis) - 1) * step;
  return reach;
}

/// Whether the regions keep apart modulo `period`, as two fields of records do that are so many bytes long.
bool apart_modulo(const Region & a, const Region & b, Bytes period)
{
  const auto from_a_to_b = (b.begin % period + period - a.begin % period) % period;
  return from_a_to_b >= width(a, period) && period - from_a_to_b >= width(b, period);
}

/// Whether the regions keep apart modulo one of the strides of `of`.
bool apart_by_strides(const at::Tensor & of, const Region & a, const Region & b)
{
  for (std::int64_t axis = 0; axis < of.dim(); axis++)
    if (of.size(axis) > 1 && of.stride(axis) > 0 && apart_modulo(a, b, stride_bytes(of, axis)))
      return true;
  return false;
}

} // namespace

Region::Region(const at::Tensor & of) : tensor(&of)
{
  if (of.numel() == 0)
    return;
  begin = reinterpret_cast<std::uintptr_t>(of.const_data_ptr());
  end = begin + of.element_size();
  for (std::int64_t axis = 0; axis < of.dim(); axis++)
    end += static_cast<Bytes>(of.size(axis) - 1) * stride_bytes(of, axis);
}

bool may_overlap(const Region & a, const Region & b)
{
  if (a.begin >= b.end || b.begin >= a.end)
    return false;
  return !apart_by_strides(*a.tensor, a, b) && !apart_by_strides(*b.tensor, a, b);
}

bool may_overlap_itself(const at::Tensor & tensor)
{
  if (tensor.numel() < 2 || tensor.is_non_overlapping_and_dense())
    return false;
  c10::SmallVector<std::pair<std::int64_t, std::int64_t>, 8> axes; // (stride, size)
  for (std::int64_t axis = 0; axis < tensor.dim(); axis++)
    if (tensor.size(axis) > 1)
      axes.emplace_back(tensor.stride(axis), tensor.size(axis));
  std::sort(axes.begin(), axes.end());
  std::int64_t reach = 1; // of the elements along the axes with smaller strides
  for (const auto & [stride, size] : axes)
  {
    if (stride < reach)
      return true;
    reach += stride * (size - 1);
  }
  return false;
}

} // namespace neml2::aoti
