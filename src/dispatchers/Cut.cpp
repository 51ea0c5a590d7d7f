// SPDX-License-Identifier: MIT
#include "dispatchers/Cut.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace neml2::dispatchers
{

Cut::Cut(std::vector<std::int64_t> batch) : _batch(std::move(batch))
{
  if (_batch.empty())
    return;
  const auto longest = std::max_element(_batch.begin(), _batch.end());
  const auto product = [](auto first, auto last)
  { return std::accumulate(first, last, std::int64_t(1), std::multiplies<>()); };
  _from_right = _batch.end() - longest;
  _outer = product(_batch.begin(), longest);
  _rows = *longest;
  _inner = product(longest + 1, _batch.end());
}

std::int64_t Cut::axis_of(const at::Tensor & tensor, std::size_t trailing) const
{
  return _batch.empty() ? -1 : tensor.dim() - static_cast<std::int64_t>(trailing) - _from_right;
}

bool Cut::extends(const at::Tensor & tensor, std::size_t trailing) const
{
  const auto axis = axis_of(tensor, trailing);
  return axis >= 0 && tensor.size(axis) == _rows && (_rows != 1 || !_batch.empty());
}

at::Tensor Cut::slice(const at::Tensor & tensor, std::size_t trailing, std::int64_t begin, std::int64_t end) const
{
  return extends(tensor, trailing) ? tensor.narrow(axis_of(tensor, trailing), begin, end - begin) : tensor;
}

std::int64_t Cut::point_in_whole(std::int64_t point, std::int64_t begin, std::int64_t rows) const
{
  const auto per_outer = rows * _inner;
  const auto outer = point / per_outer, rest = point % per_outer;
  return (outer * _rows + begin + rest / _inner) * _inner + rest % _inner;
}

} // namespace neml2::dispatchers
