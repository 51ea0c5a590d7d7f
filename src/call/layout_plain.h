// SPDX-License-Identifier: MIT
#pragma once

#include "call/layout.h"

#include <algorithm>

namespace neml2::aoti
{

/// LayoutKernels::load, on any processor.
template <typename T>
void load_plain(Rows<const T> rows, std::int64_t components, std::int64_t points, T * blocks,
                std::int64_t block_stride, std::int64_t lanes)
{
  for (std::int64_t first = 0; first < points; first += lanes, blocks += block_stride)
  {
    const std::int64_t used = std::min(lanes, points - first);
    const T * row = rows.data + first * rows.stride;
    for (std::int64_t c = 0; c < components; c++)
    {
      T * to = blocks + c * lanes;
      if (rows.stride == 1)
        std::copy(row + c, row + c + used, to);
      else
        for (std::int64_t l = 0; l < used; l++)
          to[l] = row[l * rows.stride + c];
      std::fill(to + used, to + lanes, to[used - 1]);
    }
  }
}

/// LayoutKernels::store, on any processor, from a certain block on.
template <typename T>
void store_plain_from(std::int64_t block, const Lanes<T> * components, std::int64_t count,
                      std::int64_t points, Rows<T> rows, std::int64_t lanes)
{
  for (; block * lanes < points; block++)
  {
    const std::int64_t used = std::min(lanes, points - block * lanes);
    T * row = rows.data + block * lanes * rows.stride;
    for (std::int64_t c = 0; c < count; c++)
    {
      const T * from = components[c].data + block * components[c].block_stride;
      if (rows.stride == 1)
        std::copy(from, from + used, row + c);
      else
        for (std::int64_t l = 0; l < used; l++)
          row[l * rows.stride + c] = from[l];
    }
  }
}

/// LayoutKernels::store, on any processor.
template <typename T>
void store_plain(const Lanes<T> * components, std::int64_t count, std::int64_t points, Rows<T> rows,
                 std::int64_t lanes, bool /*stream*/)
{
  store_plain_from(0, components, count, points, rows, lanes);
}

} // namespace neml2::aoti
