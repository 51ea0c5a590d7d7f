// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

/**
 * Lane types: a value for each of W neighbouring material points, in one vector register.
 *
 * `Wide<double>` and `Wide<float>` are the widest the including file's instructions allow: 8 and 16 lanes
 * with AVX-512, 4 and 8 with AVX2, else plain numbers. A plain number is a lane type of width 1 itself, so
 * that generated code is a template over its lane type. Masks are what comparisons give; `select` is the only
 * way a mask becomes a number again.
 *
 * Everything is in a namespace named after the instructions: files compiled for several can be linked
 * together.
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
#if NEML2_NATIVE_BYTES
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
#endif

/// What a lane type is made of.
template <class V>
struct Lanes
{
  static_assert(std::is_floating_point_v<V>);
  using Scalar = V;
  using Mask = bool;
  static constexpr int width = 1;
};

#if NEML2_NATIVE_BYTES
template <>
struct Lanes<Doubles>
{
  using Scalar = double;
  using Mask = Vector<double, NEML2_NATIVE_BYTES / 8>::mask;
  static constexpr int width = NEML2_NATIVE_BYTES / 8;
};

template <>
struct Lanes<Floats>
{
  using Scalar = float;
  using Mask = Vector<float, NEML2_NATIVE_BYTES / 4>::mask;
  static constexpr int width = NEML2_NATIVE_BYTES / 4;
};
#endif

template <class V>
using ScalarOf = typename Lanes<V>::Scalar;
template <class V>
using MaskOf = typename Lanes<V>::Mask;
template <class V>
inline constexpr int width = Lanes<V>::width;

/// The lane type of T across points.
template <class T>
struct WideOf
{
#if NEML2_NATIVE_BYTES
  using type = std::conditional_t<sizeof(T) == 8, Doubles, Floats>;
#else
  using type = T;
#endif
};
template <class T>
using Wide = typename WideOf<T>::type;

// ---- making and reading lanes
// ----------------------------------------------------------------------------------------

template <class V>
NEML2_NATIVE_INLINE V splat(ScalarOf<V> x)
{
  if constexpr (width<V> == 1)
    return x;
  else
    return V{} + x;
}

template <class V>
NEML2_NATIVE_INLINE ScalarOf<V> lane(const V & v, int l)
{
  if constexpr (width<V> == 1)
    return static_cast<void>(l), v;
  else
    return v[l];
}

template <class V>
NEML2_NATIVE_INLINE void set_lane(V & v, int l, ScalarOf<V> x)
{
  if constexpr (width<V> == 1)
    static_cast<void>(l), v = x;
  else
    v[l] = x;
}

template <class V>
NEML2_NATIVE_INLINE V load(const ScalarOf<V> * p)
{
  if constexpr (width<V> == 1)
    return *p;
  else
    return *reinterpret_cast<const typename Vector<ScalarOf<V>, width<V>>::unaligned *>(p);
}

template <class V>
NEML2_NATIVE_INLINE void store(ScalarOf<V> * p, V v)
{
  if constexpr (width<V> == 1)
    *p = v;
  else
    *reinterpret_cast<typename Vector<ScalarOf<V>, width<V>>::unaligned *>(p) = v;
}

// ---- masks
// -----------------------------------------------------------------------------------------------------------

/// A mask with the same truth value in all lanes.
template <class V>
NEML2_NATIVE_INLINE MaskOf<V> mask(bool truth)
{
  if constexpr (width<V> == 1)
    return truth;
  else
    return MaskOf<V>{} - (truth ? 1 : 0);
}

template <class M>
NEML2_NATIVE_INLINE M both(M a, M b)
{
  return a & b;
}

template <class M>
NEML2_NATIVE_INLINE M either(M a, M b)
{
  return a | b;
}

template <class M>
NEML2_NATIVE_INLINE M negate(M a)
{
  if constexpr (std::is_same_v<M, bool>)
    return !a;
  else
    return ~a;
}

/// One bit a lane.
template <class V>
NEML2_NATIVE_INLINE std::uint32_t bits(MaskOf<V> m)
{
  if constexpr (width<V> == 1)
    return m ? 1u : 0u;
#if NEML2_NATIVE_BYTES == 64
  else if constexpr (sizeof(ScalarOf<V>) == 8)
    return _mm512_movepi64_mask(reinterpret_cast<__m512i>(m));
  else
    return _mm512_movepi32_mask(reinterpret_cast<__m512i>(m));
#elif NEML2_NATIVE_BYTES == 32
  else if constexpr (sizeof(ScalarOf<V>) == 8)
    return static_cast<std::uint32_t>(_mm256_movemask_pd(reinterpret_cast<__m256d>(m)));
  else
    return static_cast<std::uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(m)));
#endif
}

template <class V>
NEML2_NATIVE_INLINE bool any(MaskOf<V> m)
{
  return bits<V>(m) != 0;
}

/// The mask with these bits.
template <class V>
NEML2_NATIVE_INLINE MaskOf<V> mask_of_bits(std::uint32_t b)
{
  if constexpr (width<V> == 1)
    return (b & 1u) != 0;
  else
  {
    MaskOf<V> m{};
    for (int l = 0; l < width<V>; ++l)
      m[l] = (b >> l & 1u) ? -1 : 0;
    return m;
  }
}

template <class V>
NEML2_NATIVE_INLINE V select(MaskOf<V> m, V a, V b)
{
  return m ? a : b;
}

// ---- arithmetic that is one instruction
// ------------------------------------------------------------------------------

template <class V>
NEML2_NATIVE_INLINE V sqrt(V x)
{
  if constexpr (std::is_same_v<V, double>)
    return __builtin_sqrt(x);
  else if constexpr (std::is_same_v<V, float>)
    return __builtin_sqrtf(x);
#if NEML2_NATIVE_BYTES == 64
  else if constexpr (sizeof(ScalarOf<V>) == 8)
    return reinterpret_cast<V>(_mm512_sqrt_pd(reinterpret_cast<__m512d>(x)));
  else
    return reinterpret_cast<V>(_mm512_sqrt_ps(reinterpret_cast<__m512>(x)));
#elif NEML2_NATIVE_BYTES == 32
  else if constexpr (sizeof(ScalarOf<V>) == 8)
    return reinterpret_cast<V>(_mm256_sqrt_pd(reinterpret_cast<__m256d>(x)));
  else
    return reinterpret_cast<V>(_mm256_sqrt_ps(reinterpret_cast<__m256>(x)));
#endif
}

/// a b + c, rounded once.
template <class V>
NEML2_NATIVE_INLINE V fused(V a, V b, V c)
{
  if constexpr (std::is_same_v<V, double>)
    return __builtin_fma(a, b, c);
  else if constexpr (std::is_same_v<V, float>)
    return __builtin_fmaf(a, b, c);
#if NEML2_NATIVE_BYTES == 64
  else if constexpr (sizeof(ScalarOf<V>) == 8)
    return reinterpret_cast<V>(_mm512_fmadd_pd(reinterpret_cast<__m512d>(a), reinterpret_cast<__m512d>(b),
                                               reinterpret_cast<__m512d>(c)));
  else
    return reinterpret_cast<V>(_mm512_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b),
                                               reinterpret_cast<__m512>(c)));
#elif NEML2_NATIVE_BYTES == 32
  else if constexpr (sizeof(ScalarOf<V>) == 8)
    return reinterpret_cast<V>(_mm256_fmadd_pd(reinterpret_cast<__m256d>(a), reinterpret_cast<__m256d>(b),
                                               reinterpret_cast<__m256d>(c)));
  else
    return reinterpret_cast<V>(_mm256_fmadd_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b),
                                               reinterpret_cast<__m256>(c)));
#endif
}

template <class V>
NEML2_NATIVE_INLINE V floor(V x)
{
  if constexpr (std::is_same_v<V, double>)
    return __builtin_floor(x);
  else if constexpr (std::is_same_v<V, float>)
    return __builtin_floorf(x);
#if NEML2_NATIVE_BYTES == 64
  else if constexpr (sizeof(ScalarOf<V>) == 8)
    return reinterpret_cast<V>(_mm512_floor_pd(reinterpret_cast<__m512d>(x)));
  else
    return reinterpret_cast<V>(_mm512_floor_ps(reinterpret_cast<__m512>(x)));
#elif NEML2_NATIVE_BYTES == 32
  else if constexpr (sizeof(ScalarOf<V>) == 8)
    return reinterpret_cast<V>(_mm256_floor_pd(reinterpret_cast<__m256d>(x)));
  else
    return reinterpret_cast<V>(_mm256_floor_ps(reinterpret_cast<__m256>(x)));
#endif
}

template <class V>
NEML2_NATIVE_INLINE V abs(V x)
{
  if constexpr (std::is_same_v<V, double>)
    return __builtin_fabs(x);
  else if constexpr (std::is_same_v<V, float>)
    return __builtin_fabsf(x);
  else
  {
    using Int = typename Vector<ScalarOf<V>, width<V>>::Int;
    return reinterpret_cast<V>(reinterpret_cast<MaskOf<V>>(x) &
                               (MaskOf<V>{} + std::numeric_limits<Int>::max()));
  }
}

/// -1, 0 or 1; NaN stays NaN.
template <class V>
NEML2_NATIVE_INLINE V sign(V x)
{
  const V zero = splat<V>(0), one = splat<V>(1);
  return select<V>(x > zero, one, select<V>(x < zero, -one, select<V>(x == zero, zero, x)));
}

template <class V>
NEML2_NATIVE_INLINE V recip(V x)
{
  return splat<V>(1) / x;
}

template <class V>
NEML2_NATIVE_INLINE V larger(V a, V b)
{
  return select<V>(b > a, b, a);
}

/// Whether each lane is neither infinite nor NaN.
template <class V>
NEML2_NATIVE_INLINE MaskOf<V> finite(V x)
{
  return abs(x) <= splat<V>(std::numeric_limits<ScalarOf<V>>::max());
}
} // namespace NEML2_NATIVE_ISA
} // namespace neml2::native
