// SPDX-License-Identifier: MIT
#pragma once

#include "call/Job.h"

#include <vector>

namespace neml2::aoti
{

/// Points whose contributions to a sum are added up first: a multiple of all numbers of lanes. As it depends
/// on nothing else, neither do the bits of a sum depend on who computes which chunk.
inline constexpr std::int64_t points_per_sum = 512;

/// Places for the sums over the chunks of a batch, in the memory of the CPU.
class SumsOfChunks
{
public:
  /// @param[in] sums         stay where they are
  /// @param[in] scalar_bytes 8: double, 4: float
  /// @param[in] per_chunk    points of a chunk
  SumsOfChunks(const c10::SmallVector<Sink, 4> & sums, std::int64_t points, std::size_t scalar_bytes,
               std::int64_t per_chunk = points_per_sum);

  /// Where the sum number k over a chunk goes; zero at first.
  void * chunk(std::size_t k, std::int64_t chunk);

  /// Adds up the chunks of each sum, in order, into its place.
  void finish();

private:
  const c10::SmallVector<Sink, 4> & _sums;
  std::size_t _bytes;
  std::int64_t _chunks;
  std::vector<std::size_t> _first; ///< bytes of a chunk before each sum
  std::size_t _row = 0;            ///< bytes of a chunk
  std::vector<char> _memory;
};

} // namespace neml2::aoti
