// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/TensorBody.h>
#include <cstdint>
#include <vector>

namespace neml2::dispatchers
{

/// A batch, (*B), that is cut along its longest axis. What is cut are rows: the points with one place on that
/// axis.
class Cut
{
public:
  explicit Cut(std::vector<std::int64_t> batch);

  std::int64_t points() const { return _outer * _rows * _inner; }
  std::int64_t rows() const { return _rows; }
  std::int64_t points_per_row() const { return _outer * _inner; }

  /// Rows [begin, end) of a tensor (*batch, *trailing), a view; a tensor that does not extend along the axis is
  /// returned as it is.
  at::Tensor slice(const at::Tensor & tensor, std::size_t trailing, std::int64_t begin, std::int64_t end) const;

  /// Whether a tensor extends along the axis.
  bool extends(const at::Tensor & tensor, std::size_t trailing) const;

  /// The position in the whole batch, row-major, of a point of the batch that begins at row `begin` and has
  /// `rows` rows.
  std::int64_t point_in_whole(std::int64_t point, std::int64_t begin, std::int64_t rows) const;

  const std::vector<std::int64_t> & batch() const { return _batch; }

private:
  /// Position of the axis in a tensor, negative where it has none.
  std::int64_t axis_of(const at::Tensor & tensor, std::size_t trailing) const;

  std::vector<std::int64_t> _batch;
  std::int64_t _from_right = 1; ///< the axis, counted from the end of the batch
  std::int64_t _outer = 1, _rows = 1, _inner = 1;
};

} // namespace neml2::dispatchers
