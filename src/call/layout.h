// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace neml2::aoti
{

// Two layouts of the same numbers. A caller's array is made of rows: the components of one point lie side by
// side. Compiled graphs work on blocks: component c of point p is at block(p / lanes)[c * lanes + p % lanes],
// so that a processor does the same thing to several points at once.

/// Points as rows. Row p starts at data + p * stride; its components are contiguous.
template <typename T>
struct Rows
{
  T * data = nullptr;
  std::int64_t stride = 0;
};

/// One component of all points in block layout: the lanes of block b start at data + b * block_stride. A
/// block stride of 0 stands for a component that is the same in every block.
template <typename T>
struct Lanes
{
  const T * data = nullptr;
  std::int64_t block_stride = 0;
};

template <typename T>
struct LayoutKernels
{
  /// Writes `components` numbers of each of `points` rows into blocks; block b starts at blocks + b *
  /// block_stride. Unused lanes of the last block get copies of the last point. `lanes` is a multiple of 16.
  void (*load)(Rows<const T> rows, std::int64_t components, std::int64_t points, T * blocks,
               std::int64_t block_stride, std::int64_t lanes);

  /// Writes blocks into `points` rows. `stream` bypasses the caches, for outputs larger than they are; then
  /// fence() must follow before another thread reads them.
  void (*store)(const Lanes<T> * components, std::int64_t count, std::int64_t points, Rows<T> rows,
                std::int64_t lanes, bool stream);

  void (*fence)();

  const char * name;
};

/// The fastest kernels for this processor.
template <typename T>
const LayoutKernels<T> & layout_kernels();

/// All kernels that this processor runs, slowest first.
template <typename T>
std::vector<LayoutKernels<T>> all_layout_kernels();

} // namespace neml2::aoti
