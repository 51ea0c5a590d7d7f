// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <type_traits>

/**
 * The CPU instructions that the compiler's vector expressions do not yield by themselves.
 *
 * <immintrin.h> declares some ten thousand; reading it takes longer than compiling most kernels. What it
 * defines them by is used directly with the compilers for which that has been tested.
 */
#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && defined(__AVX512BW__)
#define NEML2_NATIVE_ISA avx512
#define NEML2_NATIVE_ISA_NAME "avx512"
#define NEML2_NATIVE_BYTES 64
#elif defined(__AVX2__) && defined(__FMA__)
#define NEML2_NATIVE_ISA avx2
#define NEML2_NATIVE_ISA_NAME "avx2"
#define NEML2_NATIVE_BYTES 32
#else
#define NEML2_NATIVE_ISA generic
#define NEML2_NATIVE_ISA_NAME "generic"
#define NEML2_NATIVE_BYTES 0
#endif

#if NEML2_NATIVE_BYTES && !(defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11 && __GNUC__ <= 12)
#define NEML2_NATIVE_IMMINTRIN
#endif
#ifdef NEML2_NATIVE_IMMINTRIN
#include <immintrin.h>
#endif

#define NEML2_NATIVE_INLINE inline __attribute__((always_inline))

namespace neml2::native
{
inline namespace NEML2_NATIVE_ISA
{
/// The compiler's vector of W values of T, and the integers of the same size that its comparisons give.
template <class T, int W>
struct Vector
{
  using Int = std::conditional_t<sizeof(T) == 8, std::int64_t, std::int32_t>;
  typedef T type __attribute__((vector_size(W * sizeof(T))));
  typedef T unaligned __attribute__((vector_size(W * sizeof(T)), aligned(alignof(T)), may_alias));
  typedef Int mask __attribute__((vector_size(W * sizeof(T))));
};

#if NEML2_NATIVE_BYTES
using Doubles = Vector<double, NEML2_NATIVE_BYTES / 8>::type;
using Floats = Vector<float, NEML2_NATIVE_BYTES / 4>::type;

namespace instructions
{
using DoubleMask = Vector<double, NEML2_NATIVE_BYTES / 8>::mask;
using FloatMask = Vector<float, NEML2_NATIVE_BYTES / 4>::mask;
using Words = Vector<long long, NEML2_NATIVE_BYTES / 8>::type;

// clang-format off
#if NEML2_NATIVE_BYTES == 64 && !defined(NEML2_NATIVE_IMMINTRIN)
constexpr int current = 4; // the rounding in force
NEML2_NATIVE_INLINE Doubles sqrt(Doubles x) { return __builtin_ia32_sqrtpd512_mask(x, x, -1, current); }
NEML2_NATIVE_INLINE Floats sqrt(Floats x) { return __builtin_ia32_sqrtps512_mask(x, x, -1, current); }
NEML2_NATIVE_INLINE Doubles floor(Doubles x) { return __builtin_ia32_rndscalepd_mask(x, 1, x, -1, current); }
NEML2_NATIVE_INLINE Floats floor(Floats x) { return __builtin_ia32_rndscaleps_mask(x, 1, x, -1, current); }
NEML2_NATIVE_INLINE Doubles fma(Doubles a, Doubles b, Doubles c) { return __builtin_ia32_vfmaddpd512_mask(a, b, c, -1, current); }
NEML2_NATIVE_INLINE Floats fma(Floats a, Floats b, Floats c) { return __builtin_ia32_vfmaddps512_mask(a, b, c, -1, current); }
NEML2_NATIVE_INLINE Doubles scale(Doubles x, Doubles k) { return __builtin_ia32_scalefpd512_mask(x, k, x, -1, current); }
NEML2_NATIVE_INLINE std::uint32_t bits(DoubleMask m) { return static_cast<std::uint8_t>(__builtin_ia32_cvtq2mask512(reinterpret_cast<Words>(m))); }
NEML2_NATIVE_INLINE std::uint32_t bits(FloatMask m) { return static_cast<std::uint16_t>(__builtin_ia32_cvtd2mask512(m)); }
template <int N> NEML2_NATIVE_INLINE Doubles load_first(const double * p) { return __builtin_ia32_loadupd512_mask(p, Doubles{}, (1u << N) - 1); }
template <int N> NEML2_NATIVE_INLINE Floats load_first(const float * p) { return __builtin_ia32_loadups512_mask(p, Floats{}, (1u << N) - 1); }
template <int N> NEML2_NATIVE_INLINE void store_first(double * p, Doubles v) { __builtin_ia32_storeupd512_mask(p, v, (1u << N) - 1); }
template <int N> NEML2_NATIVE_INLINE void store_first(float * p, Floats v) { __builtin_ia32_storeups512_mask(p, v, (1u << N) - 1); }
NEML2_NATIVE_INLINE void stream(double * p, Doubles v) { __builtin_ia32_movntpd512(p, v); }
NEML2_NATIVE_INLINE void stream(float * p, Floats v) { __builtin_ia32_movntps512(p, v); }
#elif NEML2_NATIVE_BYTES == 64
NEML2_NATIVE_INLINE Doubles sqrt(Doubles x) { return _mm512_sqrt_pd(x); }
NEML2_NATIVE_INLINE Floats sqrt(Floats x) { return _mm512_sqrt_ps(x); }
NEML2_NATIVE_INLINE Doubles floor(Doubles x) { return _mm512_floor_pd(x); }
NEML2_NATIVE_INLINE Floats floor(Floats x) { return _mm512_floor_ps(x); }
NEML2_NATIVE_INLINE Doubles fma(Doubles a, Doubles b, Doubles c) { return _mm512_fmadd_pd(a, b, c); }
NEML2_NATIVE_INLINE Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
NEML2_NATIVE_INLINE Doubles scale(Doubles x, Doubles k) { return _mm512_maskz_scalef_pd(0xff, x, k); }
NEML2_NATIVE_INLINE std::uint32_t bits(DoubleMask m) { return _mm512_movepi64_mask(reinterpret_cast<__m512i>(m)); }
NEML2_NATIVE_INLINE std::uint32_t bits(FloatMask m) { return _mm512_movepi32_mask(reinterpret_cast<__m512i>(m)); }
template <int N> NEML2_NATIVE_INLINE Doubles load_first(const double * p) { return _mm512_maskz_loadu_pd((1u << N) - 1, p); }
template <int N> NEML2_NATIVE_INLINE Floats load_first(const float * p) { return _mm512_maskz_loadu_ps((1u << N) - 1, p); }
template <int N> NEML2_NATIVE_INLINE void store_first(double * p, Doubles v) { _mm512_mask_storeu_pd(p, (1u << N) - 1, v); }
template <int N> NEML2_NATIVE_INLINE void store_first(float * p, Floats v) { _mm512_mask_storeu_ps(p, (1u << N) - 1, v); }
NEML2_NATIVE_INLINE void stream(double * p, Doubles v) { _mm512_stream_pd(p, v); }
NEML2_NATIVE_INLINE void stream(float * p, Floats v) { _mm512_stream_ps(p, v); }
#else
/// All ones in the first N.
template <class Mask, int N> NEML2_NATIVE_INLINE Mask first()
{
  Mask m{};
  for (int l = 0; l < N; ++l)
    m[l] = -1;
  return m;
}
#ifndef NEML2_NATIVE_IMMINTRIN
NEML2_NATIVE_INLINE Doubles sqrt(Doubles x) { return __builtin_ia32_sqrtpd256(x); }
NEML2_NATIVE_INLINE Floats sqrt(Floats x) { return __builtin_ia32_sqrtps256(x); }
NEML2_NATIVE_INLINE Doubles floor(Doubles x) { return __builtin_ia32_roundpd256(x, 1); }
NEML2_NATIVE_INLINE Floats floor(Floats x) { return __builtin_ia32_roundps256(x, 1); }
NEML2_NATIVE_INLINE Doubles fma(Doubles a, Doubles b, Doubles c) { return __builtin_ia32_vfmaddpd256(a, b, c); }
NEML2_NATIVE_INLINE Floats fma(Floats a, Floats b, Floats c) { return __builtin_ia32_vfmaddps256(a, b, c); }
NEML2_NATIVE_INLINE std::uint32_t bits(DoubleMask m) { return static_cast<std::uint32_t>(__builtin_ia32_movmskpd256(reinterpret_cast<Doubles>(m))); }
NEML2_NATIVE_INLINE std::uint32_t bits(FloatMask m) { return static_cast<std::uint32_t>(__builtin_ia32_movmskps256(reinterpret_cast<Floats>(m))); }
template <int N> NEML2_NATIVE_INLINE Doubles load_first(const double * p) { return __builtin_ia32_maskloadpd256(reinterpret_cast<const Doubles *>(p), reinterpret_cast<Words>(first<DoubleMask, N>())); }
template <int N> NEML2_NATIVE_INLINE Floats load_first(const float * p) { return __builtin_ia32_maskloadps256(reinterpret_cast<const Floats *>(p), first<FloatMask, N>()); }
template <int N> NEML2_NATIVE_INLINE void store_first(double * p, Doubles v) { __builtin_ia32_maskstorepd256(reinterpret_cast<Doubles *>(p), reinterpret_cast<Words>(first<DoubleMask, N>()), v); }
template <int N> NEML2_NATIVE_INLINE void store_first(float * p, Floats v) { __builtin_ia32_maskstoreps256(reinterpret_cast<Floats *>(p), first<FloatMask, N>(), v); }
NEML2_NATIVE_INLINE void stream(double * p, Doubles v) { __builtin_ia32_movntpd256(p, v); }
NEML2_NATIVE_INLINE void stream(float * p, Floats v) { __builtin_ia32_movntps256(p, v); }
#else
NEML2_NATIVE_INLINE Doubles sqrt(Doubles x) { return _mm256_sqrt_pd(x); }
NEML2_NATIVE_INLINE Floats sqrt(Floats x) { return _mm256_sqrt_ps(x); }
NEML2_NATIVE_INLINE Doubles floor(Doubles x) { return _mm256_floor_pd(x); }
NEML2_NATIVE_INLINE Floats floor(Floats x) { return _mm256_floor_ps(x); }
NEML2_NATIVE_INLINE Doubles fma(Doubles a, Doubles b, Doubles c) { return _mm256_fmadd_pd(a, b, c); }
NEML2_NATIVE_INLINE Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
NEML2_NATIVE_INLINE std::uint32_t bits(DoubleMask m) { return static_cast<std::uint32_t>(_mm256_movemask_pd(reinterpret_cast<__m256d>(m))); }
NEML2_NATIVE_INLINE std::uint32_t bits(FloatMask m) { return static_cast<std::uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(m))); }
template <int N> NEML2_NATIVE_INLINE Doubles load_first(const double * p) { return _mm256_maskload_pd(p, reinterpret_cast<__m256i>(first<DoubleMask, N>())); }
template <int N> NEML2_NATIVE_INLINE Floats load_first(const float * p) { return _mm256_maskload_ps(p, reinterpret_cast<__m256i>(first<FloatMask, N>())); }
template <int N> NEML2_NATIVE_INLINE void store_first(double * p, Doubles v) { _mm256_maskstore_pd(p, reinterpret_cast<__m256i>(first<DoubleMask, N>()), v); }
template <int N> NEML2_NATIVE_INLINE void store_first(float * p, Floats v) { _mm256_maskstore_ps(p, reinterpret_cast<__m256i>(first<FloatMask, N>()), v); }
NEML2_NATIVE_INLINE void stream(double * p, Doubles v) { _mm256_stream_pd(p, v); }
NEML2_NATIVE_INLINE void stream(float * p, Floats v) { _mm256_stream_ps(p, v); }
#endif
#endif
// clang-format on

/// Orders the stores of `stream` before what follows.
NEML2_NATIVE_INLINE void fence()
{
  __builtin_ia32_sfence();
}
} // namespace instructions
#endif
} // namespace NEML2_NATIVE_ISA
} // namespace neml2::native
