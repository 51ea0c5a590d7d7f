// SPDX-License-Identifier: MIT
#include "aoti/layout.h"

#include "aoti/layout_x86.h"

#include <algorithm>

namespace neml2::aoti
{
namespace
{

template <typename T>
void
load_plain(Rows<const T> rows, std::int64_t components, std::int64_t points, T * blocks, std::int64_t block_stride,
           std::int64_t lanes)
{
  for (std::int64_t first = 0; first < points; first += lanes, blocks += block_stride)
  {
    const std::int64_t used = std::min(lanes, points - first);
    const T * row = rows.data + first * rows.stride;
    for (std::int64_t c = 0; c < components; c++)
    {
      T * to = blocks + c * lanes;
      for (std::int64_t l = 0; l < used; l++)
        to[l] = row[l * rows.stride + c];
      std::fill(to + used, to + lanes, to[used - 1]);
    }
  }
}

template <typename T>
void
store_plain(const Lanes<T> * components, std::int64_t count, std::int64_t points, Rows<T> rows, std::int64_t lanes,
            bool /*stream*/)
{
  for (std::int64_t first = 0, b = 0; first < points; first += lanes, b++)
  {
    const std::int64_t used = std::min(lanes, points - first);
    T * row = rows.data + first * rows.stride;
    for (std::int64_t c = 0; c < count; c++)
    {
      const T * from = components[c].data + b * components[c].block_stride;
      for (std::int64_t l = 0; l < used; l++)
        row[l * rows.stride + c] = from[l];
    }
  }
}

} // namespace

template <typename T>
std::vector<LayoutKernels<T>>
all_layout_kernels()
{
  std::vector<LayoutKernels<T>> kernels = {{&load_plain<T>, &store_plain<T>, "plain"}};
  for (const auto & kernel : x86_layout_kernels<T>())
    kernels.push_back(kernel);
  return kernels;
}

template <typename T>
const LayoutKernels<T> &
layout_kernels()
{
  static const LayoutKernels<T> best = all_layout_kernels<T>().back();
  return best;
}

template std::vector<LayoutKernels<float>> all_layout_kernels();
template std::vector<LayoutKernels<double>> all_layout_kernels();
template const LayoutKernels<float> & layout_kernels();
template const LayoutKernels<double> & layout_kernels();

} // namespace neml2::aoti
