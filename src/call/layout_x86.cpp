// SPDX-License-Identifier: MIT
// Transposition of a few points by a few components at a time, in registers. Pieces of rows are put together
// while they are loaded, so that few shuffles remain: these kernels keep up with memory.
#include "call/layout_x86.h"

#include "call/layout_plain.h"

#if defined(__x86_64__)

#include <algorithm>
#include <array>
#include <immintrin.h>

#define NEML2_AVX2 __attribute__((target("avx2")))

namespace neml2::aoti
{
namespace
{

/// 4 points by 2 components.
struct DoubleTile
{
  using Scalar = double;
  static constexpr std::int64_t points = 4;
  static constexpr std::int64_t components = 2;

  NEML2_AVX2 static __m256d halves(const double * low, const double * high)
  {
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(low)), _mm_loadu_pd(high), 1);
  }

  NEML2_AVX2 static void load(const double * row, std::int64_t stride, double * to, std::int64_t lanes)
  {
    const auto even = halves(row, row + 2 * stride), odd = halves(row + stride, row + 3 * stride);
    _mm256_storeu_pd(to, _mm256_unpacklo_pd(even, odd));
    _mm256_storeu_pd(to + lanes, _mm256_unpackhi_pd(even, odd));
  }

  NEML2_AVX2 static void store(const double * const * from, double * row, std::int64_t stride)
  {
    const auto a = _mm256_loadu_pd(from[0]), b = _mm256_loadu_pd(from[1]);
    const auto even = _mm256_unpacklo_pd(a, b), odd = _mm256_unpackhi_pd(a, b);
    _mm_storeu_pd(row, _mm256_castpd256_pd128(even));
    _mm_storeu_pd(row + stride, _mm256_castpd256_pd128(odd));
    _mm_storeu_pd(row + 2 * stride, _mm256_extractf128_pd(even, 1));
    _mm_storeu_pd(row + 3 * stride, _mm256_extractf128_pd(odd, 1));
  }
};

/// 8 points by 4 components.
struct FloatTile
{
  using Scalar = float;
  static constexpr std::int64_t points = 8;
  static constexpr std::int64_t components = 4;

  NEML2_AVX2 static __m256 halves(const float * low, const float * high)
  {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
  }

  /// Transposes the 4 by 4 matrices in the lower and the upper halves.
  NEML2_AVX2 static void transpose(__m256 & r0, __m256 & r1, __m256 & r2, __m256 & r3)
  {
    const auto a = _mm256_unpacklo_ps(r0, r1), b = _mm256_unpackhi_ps(r0, r1);
    const auto c = _mm256_unpacklo_ps(r2, r3), d = _mm256_unpackhi_ps(r2, r3);
    r0 = _mm256_shuffle_ps(a, c, 0x44), r1 = _mm256_shuffle_ps(a, c, 0xee);
    r2 = _mm256_shuffle_ps(b, d, 0x44), r3 = _mm256_shuffle_ps(b, d, 0xee);
  }

  NEML2_AVX2 static void load(const float * row, std::int64_t stride, float * to, std::int64_t lanes)
  {
    auto a = halves(row, row + 4 * stride), b = halves(row + stride, row + 5 * stride);
    auto c = halves(row + 2 * stride, row + 6 * stride), d = halves(row + 3 * stride, row + 7 * stride);
    transpose(a, b, c, d);
    _mm256_storeu_ps(to, a);
    _mm256_storeu_ps(to + lanes, b);
    _mm256_storeu_ps(to + 2 * lanes, c);
    _mm256_storeu_ps(to + 3 * lanes, d);
  }

  NEML2_AVX2 static void store(const float * const * from, float * row, std::int64_t stride)
  {
    __m256 r[] = {_mm256_loadu_ps(from[0]), _mm256_loadu_ps(from[1]), _mm256_loadu_ps(from[2]),
                  _mm256_loadu_ps(from[3])};
    transpose(r[0], r[1], r[2], r[3]);
    for (std::int64_t i = 0; i < 4; i++)
    {
      _mm_storeu_ps(row + i * stride, _mm256_castps256_ps128(r[i]));
      _mm_storeu_ps(row + (i + 4) * stride, _mm256_extractf128_ps(r[i], 1));
    }
  }
};

template <typename Tile>
NEML2_AVX2 void load_avx2(Rows<const typename Tile::Scalar> rows, std::int64_t components,
                          std::int64_t points, typename Tile::Scalar * blocks, std::int64_t block_stride,
                          std::int64_t lanes)
{
  const std::int64_t whole = components < Tile::components ? 0 : points / lanes;
  const auto * row = rows.data;
  for (std::int64_t b = 0; b < whole; b++, blocks += block_stride)
    for (std::int64_t l = 0; l < lanes; l += Tile::points, row += Tile::points * rows.stride)
      for (std::int64_t c = 0; c < components; c += Tile::components)
      {
        const auto at = std::min(c, components - Tile::components); // the last tile may overlap its neighbour
        Tile::load(row + at, rows.stride, blocks + at * lanes + l, lanes);
      }
  load_plain(Rows<const typename Tile::Scalar>{row, rows.stride}, components, points - whole * lanes, blocks,
             block_stride, lanes);
}

/// One whole block of lanes into rows.
template <typename Tile>
NEML2_AVX2 void store_block(const Lanes<typename Tile::Scalar> * components, std::int64_t count,
                            std::int64_t block, typename Tile::Scalar * row, std::int64_t stride,
                            std::int64_t lanes)
{
  for (std::int64_t c = 0; c < count; c += Tile::components)
  {
    const auto at = std::min(c, count - Tile::components);
    std::array<const typename Tile::Scalar *, Tile::components> from;
    for (std::int64_t i = 0; i < Tile::components; i++)
      from[static_cast<std::size_t>(i)] = components[at + i].data + block * components[at + i].block_stride;
    for (std::int64_t l = 0; l < lanes; l += Tile::points)
    {
      Tile::store(from.data(), row + l * stride + at, stride);
      for (auto & pointer : from)
        pointer += Tile::points;
    }
  }
}

/// Writes past the caches. Both addresses start on a cache line and `bytes` is a multiple of one.
NEML2_AVX2 void stream_lines(const char * from, char * to, std::int64_t bytes)
{
  for (std::int64_t i = 0; i < bytes; i += 32)
    _mm256_stream_si256(reinterpret_cast<__m256i *>(to + i),
                        _mm256_load_si256(reinterpret_cast<const __m256i *>(from + i)));
}

template <typename Tile>
NEML2_AVX2 void store_avx2(const Lanes<typename Tile::Scalar> * components, std::int64_t count,
                           std::int64_t points, Rows<typename Tile::Scalar> rows, std::int64_t lanes,
                           bool stream)
{
  using T = typename Tile::Scalar;
  if (count < Tile::components)
    return store_plain(components, count, points, rows, lanes, stream);
  constexpr std::int64_t staged_bytes =
      8192; // far less than a first-level cache, far more than the store buffer
  constexpr std::int64_t line = 64;
  const std::int64_t block_bytes = count * lanes * std::int64_t(sizeof(T));
  const std::int64_t whole = points / lanes;
  std::int64_t done = 0;
  // whole cache lines only: contiguous rows that start on a line
  if (stream && rows.stride == count && block_bytes <= staged_bytes && block_bytes % line == 0 &&
      reinterpret_cast<std::uintptr_t>(rows.data) % line == 0)
  {
    alignas(line) std::array<T, staged_bytes / sizeof(T)> staged;
    const std::int64_t step = staged_bytes / block_bytes;
    for (; done < whole; done = std::min(done + step, whole))
    {
      const std::int64_t blocks = std::min(step, whole - done);
      for (std::int64_t b = 0; b < blocks; b++)
        store_block<Tile>(components, count, done + b, staged.data() + b * count * lanes, count, lanes);
      stream_lines(reinterpret_cast<const char *>(staged.data()),
                   reinterpret_cast<char *>(rows.data + done * lanes * rows.stride), blocks * block_bytes);
    }
  }
  for (; done < whole; done++)
    store_block<Tile>(components, count, done, rows.data + done * lanes * rows.stride, rows.stride, lanes);
  store_plain_from(whole, components, count, points, rows, lanes);
}

void fence_stores()
{
  _mm_sfence();
}

template <typename Tile>
std::vector<LayoutKernels<typename Tile::Scalar>> kernels()
{
  if (__builtin_cpu_supports("avx2"))
    return {{&load_avx2<Tile>, &store_avx2<Tile>, &fence_stores, "avx2"}};
  return {};
}

} // namespace

template <>
std::vector<LayoutKernels<double>> x86_layout_kernels()
{
  return kernels<DoubleTile>();
}

template <>
std::vector<LayoutKernels<float>> x86_layout_kernels()
{
  return kernels<FloatTile>();
}

} // namespace neml2::aoti

#else

namespace neml2::aoti
{

template <>
std::vector<LayoutKernels<double>> x86_layout_kernels()
{
  return {};
}

template <>
std::vector<LayoutKernels<float>> x86_layout_kernels()
{
  return {};
}

} // namespace neml2::aoti

#endif
