// SPDX-License-Identifier: MIT
#pragma once

#include "package/Metadata.h"

#include <ATen/ATen.h>
#include <c10/core/Device.h>
#include <cstdint>
#include <vector>

namespace neml2::aoti
{

// Arrays in block layout, (blocks, components, lanes), hold point p at block p / lanes, lane p % lanes; what
// ATen does to each point wants rows, (points, components), the unused lanes of the last block among the
// points.

/// Rows of an array in block layout.
inline at::Tensor by_point(const at::Tensor & array)
{
  return array.transpose(1, 2).reshape({array.size(0) * array.size(2), array.size(1)});
}

/// An array in block layout of rows; a view.
inline at::Tensor by_block(const at::Tensor & rows, std::int64_t lanes)
{
  return rows.view({-1, lanes, rows.size(1)}).transpose(1, 2);
}

/// Lets the lanes behind the last point repeat it.
inline void repeat_last_point(const at::Tensor & array, std::int64_t points)
{
  const auto lanes = array.size(2), used = points % lanes;
  if (used == 0)
    return;
  const auto last = array.select(0, points / lanes);
  last.narrow(1, used, lanes - used).copy_(last.narrow(1, used - 1, 1));
}

/// A copy of some numbers on a device, for all threads and streams: it is complete when this returns.
template <typename Number>
at::Tensor to_device(const std::vector<Number> & numbers, c10::ScalarType dtype, c10::Device device)
{
  return at::tensor(at::ArrayRef<Number>(numbers)).to(dtype).to(device);
}

/// Square matrices, one for each point, from components of a graph's output and numbers.
class MatrixEntries
{
public:
  MatrixEntries() = default;
  MatrixEntries(const EntriesInfo & entries, std::int64_t size, c10::ScalarType dtype, c10::Device device);

  /// (points, size, size)
  at::Tensor of(const at::Tensor & output) const;

private:
  std::int64_t _size = 0;
  at::Tensor _components;           ///< of the output
  at::Tensor _constant, _constants; ///< whether an entry is a number, and which; (1, entries, 1)
};

} // namespace neml2::aoti
