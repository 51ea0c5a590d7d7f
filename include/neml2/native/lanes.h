// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/instructions.h"

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
namespace neml2::native
{
inline namespace NEML2_NATIVE_ISA
{
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

/// The lanes of a, then those of b, in the order of the indices.
template <int... Index, class V>
NEML2_NATIVE_INLINE V shuffle(V a, V b)
{
#if defined(__clang__) || __GNUC__ >= 12
  return __builtin_shufflevector(a, b, Index...);
#else
  return __builtin_shuffle(a, b, MaskOf<V>{Index...});
#endif
}

// ---- masks

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
#if NEML2_NATIVE_BYTES
  else
    return instructions::bits(m);
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

/// The compiler's function of plain numbers.
#define NEML2_NATIVE_SCALAR(name, ...)                                                                       \
  if constexpr (std::is_same_v<V, double>)                                                                   \
    return __builtin_##name(__VA_ARGS__);                                                                    \
  else if constexpr (std::is_same_v<V, float>)                                                               \
    return __builtin_##name##f(__VA_ARGS__);

template <class V>
NEML2_NATIVE_INLINE V sqrt(V x)
{
  NEML2_NATIVE_SCALAR(sqrt, x)
#if NEML2_NATIVE_BYTES
  else return instructions::sqrt(x);
#endif
}

/// a b + c, rounded once.
template <class V>
NEML2_NATIVE_INLINE V fused(V a, V b, V c)
{
  NEML2_NATIVE_SCALAR(fma, a, b, c)
#if NEML2_NATIVE_BYTES
  else return instructions::fma(a, b, c);
#endif
}

template <class V>
NEML2_NATIVE_INLINE V floor(V x)
{
  NEML2_NATIVE_SCALAR(floor, x)
#if NEML2_NATIVE_BYTES
  else return instructions::floor(x);
#endif
}

template <class V>
NEML2_NATIVE_INLINE V abs(V x)
{
  NEML2_NATIVE_SCALAR(fabs, x)
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
