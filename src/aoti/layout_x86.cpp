// SPDX-License-Identifier: MIT
// Transposition of 8 points by 8 components at a time, in registers.
#include "aoti/layout_x86.h"

#if defined(__x86_64__)

// GCC sees the deliberately undefined operand inside its own intrinsics (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"

#include <algorithm>
#include <array>
#include <immintrin.h>

#define NEML2_AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw")))

namespace neml2::aoti
{
namespace
{

constexpr std::int64_t tile = 8;

struct Avx512Double
{
  using Scalar = double;
  using Vector = __m512d;

  NEML2_AVX512 static Vector load(const double * from) { return _mm512_loadu_pd(from); }
  NEML2_AVX512 static Vector load(const double * from, __mmask8 mask) { return _mm512_maskz_loadu_pd(mask, from); }
  NEML2_AVX512 static void store(double * to, Vector v) { _mm512_storeu_pd(to, v); }
  NEML2_AVX512 static void store(double * to, __mmask8 mask, Vector v) { _mm512_mask_storeu_pd(to, mask, v); }

  NEML2_AVX512 static void transpose(Vector (&r)[tile])
  {
    const Vector a0 = _mm512_unpacklo_pd(r[0], r[1]), a1 = _mm512_unpackhi_pd(r[0], r[1]);
    const Vector a2 = _mm512_unpacklo_pd(r[2], r[3]), a3 = _mm512_unpackhi_pd(r[2], r[3]);
    const Vector a4 = _mm512_unpacklo_pd(r[4], r[5]), a5 = _mm512_unpackhi_pd(r[4], r[5]);
    const Vector a6 = _mm512_unpacklo_pd(r[6], r[7]), a7 = _mm512_unpackhi_pd(r[6], r[7]);
    const Vector b0 = _mm512_shuffle_f64x2(a0, a2, 0x88), b2 = _mm512_shuffle_f64x2(a0, a2, 0xdd);
    const Vector b1 = _mm512_shuffle_f64x2(a1, a3, 0x88), b3 = _mm512_shuffle_f64x2(a1, a3, 0xdd);
    const Vector b4 = _mm512_shuffle_f64x2(a4, a6, 0x88), b6 = _mm512_shuffle_f64x2(a4, a6, 0xdd);
    const Vector b5 = _mm512_shuffle_f64x2(a5, a7, 0x88), b7 = _mm512_shuffle_f64x2(a5, a7, 0xdd);
    r[0] = _mm512_shuffle_f64x2(b0, b4, 0x88), r[4] = _mm512_shuffle_f64x2(b0, b4, 0xdd);
    r[1] = _mm512_shuffle_f64x2(b1, b5, 0x88), r[5] = _mm512_shuffle_f64x2(b1, b5, 0xdd);
    r[2] = _mm512_shuffle_f64x2(b2, b6, 0x88), r[6] = _mm512_shuffle_f64x2(b2, b6, 0xdd);
    r[3] = _mm512_shuffle_f64x2(b3, b7, 0x88), r[7] = _mm512_shuffle_f64x2(b3, b7, 0xdd);
  }
};

struct Avx512Float
{
  using Scalar = float;
  using Vector = __m256;

  NEML2_AVX512 static Vector load(const float * from) { return _mm256_loadu_ps(from); }
  NEML2_AVX512 static Vector load(const float * from, __mmask8 mask) { return _mm256_maskz_loadu_ps(mask, from); }
  NEML2_AVX512 static void store(float * to, Vector v) { _mm256_storeu_ps(to, v); }
  NEML2_AVX512 static void store(float * to, __mmask8 mask, Vector v) { _mm256_mask_storeu_ps(to, mask, v); }

  NEML2_AVX512 static void transpose(Vector (&r)[tile])
  {
    const Vector a0 = _mm256_unpacklo_ps(r[0], r[1]), a1 = _mm256_unpackhi_ps(r[0], r[1]);
    const Vector a2 = _mm256_unpacklo_ps(r[2], r[3]), a3 = _mm256_unpackhi_ps(r[2], r[3]);
    const Vector a4 = _mm256_unpacklo_ps(r[4], r[5]), a5 = _mm256_unpackhi_ps(r[4], r[5]);
    const Vector a6 = _mm256_unpacklo_ps(r[6], r[7]), a7 = _mm256_unpackhi_ps(r[6], r[7]);
    const Vector b0 = _mm256_shuffle_ps(a0, a2, 0x44), b1 = _mm256_shuffle_ps(a0, a2, 0xee);
    const Vector b2 = _mm256_shuffle_ps(a1, a3, 0x44), b3 = _mm256_shuffle_ps(a1, a3, 0xee);
    const Vector b4 = _mm256_shuffle_ps(a4, a6, 0x44), b5 = _mm256_shuffle_ps(a4, a6, 0xee);
    const Vector b6 = _mm256_shuffle_ps(a5, a7, 0x44), b7 = _mm256_shuffle_ps(a5, a7, 0xee);
    r[0] = _mm256_permute2f128_ps(b0, b4, 0x20), r[4] = _mm256_permute2f128_ps(b0, b4, 0x31);
    r[1] = _mm256_permute2f128_ps(b1, b5, 0x20), r[5] = _mm256_permute2f128_ps(b1, b5, 0x31);
    r[2] = _mm256_permute2f128_ps(b2, b6, 0x20), r[6] = _mm256_permute2f128_ps(b2, b6, 0x31);
    r[3] = _mm256_permute2f128_ps(b3, b7, 0x20), r[7] = _mm256_permute2f128_ps(b3, b7, 0x31);
  }
};

__mmask8
first_lanes(std::int64_t count)
{
  return static_cast<__mmask8>((1u << count) - 1u);
}

template <typename V>
NEML2_AVX512 void
load_avx512(Rows<const typename V::Scalar> rows, std::int64_t components, std::int64_t points,
            typename V::Scalar * blocks, std::int64_t block_stride, std::int64_t lanes)
{
  for (std::int64_t first = 0; first < points; first += lanes, blocks += block_stride)
    for (std::int64_t l = 0; l < lanes; l += tile)
    {
      std::array<const typename V::Scalar *, tile> row;
      for (std::int64_t i = 0; i < tile; i++)
        row[i] = rows.data + std::min(first + l + i, points - 1) * rows.stride;
      for (std::int64_t c = 0; c < components; c += tile)
      {
        const std::int64_t width = std::min(tile, components - c);
        const __mmask8 mask = first_lanes(width);
        typename V::Vector v[tile];
        for (std::int64_t i = 0; i < tile; i++)
          v[i] = V::load(row[i] + c, mask);
        V::transpose(v);
        for (std::int64_t i = 0; i < width; i++)
          V::store(blocks + (c + i) * lanes + l, v[i]);
      }
    }
}

/// One block of lanes into rows; `used` of its points are real.
template <typename V>
NEML2_AVX512 void
store_block(const Lanes<typename V::Scalar> * components, std::int64_t count, std::int64_t block, std::int64_t used,
            Rows<typename V::Scalar> rows)
{
  for (std::int64_t l = 0; l < used; l += tile)
  {
    const std::int64_t height = std::min(tile, used - l);
    for (std::int64_t c = 0; c < count; c += tile)
    {
      const std::int64_t width = std::min(tile, count - c);
      const __mmask8 mask = first_lanes(width);
      typename V::Vector v[tile];
      for (std::int64_t i = 0; i < tile; i++)
      {
        const auto & component = components[c + std::min(i, width - 1)];
        v[i] = V::load(component.data + block * component.block_stride + l);
      }
      V::transpose(v);
      for (std::int64_t i = 0; i < height; i++)
        V::store(rows.data + (l + i) * rows.stride + c, mask, v[i]);
    }
  }
}

template <typename V>
NEML2_AVX512 void
store_avx512(const Lanes<typename V::Scalar> * components, std::int64_t count, std::int64_t points,
             Rows<typename V::Scalar> rows, std::int64_t lanes, bool stream)
{
  using T = typename V::Scalar;
  constexpr std::int64_t staged_bytes = 16384; // half of a first-level cache
  constexpr std::int64_t line = 64;
  const std::int64_t block_bytes = count * lanes * std::int64_t(sizeof(T));
  // whole cache lines only: contiguous rows that start on a line
  stream = stream && rows.stride == count && block_bytes <= staged_bytes && block_bytes % line == 0 &&
           reinterpret_cast<std::uintptr_t>(rows.data) % line == 0;
  alignas(line) std::array<char, staged_bytes> staged;
  for (std::int64_t first = 0, b = 0; first < points; first += lanes, b++)
  {
    const std::int64_t used = std::min(lanes, points - first);
    T * to = rows.data + first * rows.stride;
    if (!stream || used < lanes)
    {
      store_block<V>(components, count, b, used, {to, rows.stride});
      continue;
    }
    store_block<V>(components, count, b, lanes, {reinterpret_cast<T *>(staged.data()), count});
    for (std::int64_t i = 0; i < block_bytes; i += line)
      _mm512_stream_si512(reinterpret_cast<__m512i *>(reinterpret_cast<char *>(to) + i),
                          _mm512_load_si512(staged.data() + i));
  }
  if (stream)
    _mm_sfence();
}

template <typename V>
std::vector<LayoutKernels<typename V::Scalar>>
kernels()
{
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw"))
    return {{&load_avx512<V>, &store_avx512<V>, "avx512"}};
  return {};
}

} // namespace

template <>
std::vector<LayoutKernels<double>>
x86_layout_kernels()
{
  return kernels<Avx512Double>();
}

template <>
std::vector<LayoutKernels<float>>
x86_layout_kernels()
{
  return kernels<Avx512Float>();
}

} // namespace neml2::aoti

#else

namespace neml2::aoti
{

template <>
std::vector<LayoutKernels<double>>
x86_layout_kernels()
{
  return {};
}

template <>
std::vector<LayoutKernels<float>>
x86_layout_kernels()
{
  return {};
}

} // namespace neml2::aoti

#endif
