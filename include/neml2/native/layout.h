// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/lanes.h"

#include <utility>

/**
 * Rows of a caller's array <-> lanes.
 *
 * A caller's array has one row of C components for each point. Contiguous rows are read as vectors and
 * transposed in registers, W x W at a time; everything else goes element by element.
 */
namespace neml2::native
{
inline namespace NEML2_NATIVE_ISA
{
using Size = std::ptrdiff_t;

/// Rows of `count` points (the lanes behind them repeat the last one when loading, and are not stored).
template <class T>
struct Rows
{
  T * data;                              ///< component 0 of the first of these points
  Size stride;                           ///< elements between points, if `points` is null
  const std::int64_t * points = nullptr; ///< where each point starts, relative to data
  const std::int64_t * components =
      nullptr; ///< where each component is, relative to its point; null: side by side
  int count = 1;

  Size point(int l) const { return points ? points[l] : l * stride; }
  Size component(int c) const { return components ? components[c] : c; }
};

namespace detail
{
#if NEML2_NATIVE_BYTES
/// One exchange of a transposition: blocks of size S of a pair of rows.
template <class V, int S, int... L>
NEML2_NATIVE_INLINE void exchange(V & a, V & b, std::integer_sequence<int, L...>)
{
  constexpr int W = sizeof...(L);
  const V x = a, y = b;
  a = shuffle<((L & S) ? W + (L ^ S) : L)...>(x, y);
  b = shuffle<((L & S) ? W + L : (L ^ S))...>(x, y);
}

template <class V, int S = width<V> / 2>
NEML2_NATIVE_INLINE void transpose(V (&rows)[width<V>])
{
  constexpr int W = width<V>;
#pragma GCC unroll 16
  for (int i = 0; i < W; ++i)
    if (!(i & S))
      exchange<V, S>(rows[i], rows[i | S], std::make_integer_sequence<int, W>{});
  if constexpr (S > 1)
    transpose<V, S / 2>(rows);
}

/// The first N of a vector's elements.
template <class V, int N>
NEML2_NATIVE_INLINE V load_part(const ScalarOf<V> * p)
{
  if constexpr (N == width<V>)
    return load<V>(p);
  else
    return instructions::load_first<N>(p);
}

template <class V, int N>
NEML2_NATIVE_INLINE void store_part(ScalarOf<V> * p, V v)
{
  if constexpr (N == width<V>)
    store<V>(p, v);
  else
    instructions::store_first<N>(p, v);
}

template <class V, int N>
NEML2_NATIVE_INLINE void load_tile(const ScalarOf<V> * p, Size stride, int count, V * to)
{
  V rows[width<V>];
#pragma GCC unroll 16
  for (int l = 0; l < width<V>; ++l)
    rows[l] = load_part<V, N>(p + (l < count ? l : count - 1) * stride);
  transpose(rows);
#pragma GCC unroll 16
  for (int c = 0; c < N; ++c)
    to[c] = rows[c];
}

template <class V, int N>
NEML2_NATIVE_INLINE void store_tile(ScalarOf<V> * p, Size stride, int count, const V * from)
{
  V rows[width<V>];
#pragma GCC unroll 16
  for (int c = 0; c < width<V>; ++c)
    rows[c] = from[c < N ? c : N - 1];
  transpose(rows);
#pragma GCC unroll 16
  for (int l = 0; l < width<V>; ++l)
    if (l < count)
      store_part<V, N>(p + l * stride, rows[l]);
}

/// Past the caches: whole vectors of a contiguous, aligned array. Pays for outputs that no cache will hold.
template <class V, int C>
NEML2_NATIVE_INLINE void stream(ScalarOf<V> * p, const V * from)
{
  alignas(64) ScalarOf<V> buffer[C * width<V>];
  constexpr int W = width<V>;
#pragma GCC unroll 1
  for (int c = 0; c + W <= C; c += W)
    store_tile<V, W>(buffer + c, C, W, from + c);
  if constexpr (C % W)
    store_tile<V, C % W>(buffer + C / W * W, C, W, from + C / W * W);
#pragma GCC unroll 8
  for (int k = 0; k < C; ++k)
    instructions::stream(p + k * W, load<V>(buffer + k * W));
}
#endif
} // namespace detail

/// The C components of the points of `rows`, one vector each.
template <class V, int C>
NEML2_NATIVE_INLINE void load_rows(const Rows<const ScalarOf<V>> & rows, V * to)
{
  constexpr int W = width<V>;
  if constexpr (W == 1)
  {
    for (int c = 0; c < C; ++c)
      to[c] = rows.data[rows.point(0) + rows.component(c)];
    return;
  }
#if NEML2_NATIVE_BYTES
  else if (__builtin_expect(!rows.points && !rows.components, 1))
  {
    if (rows.stride == 0)
      for (int c = 0; c < C; ++c)
        to[c] = splat<V>(rows.data[c]);
    else if (C == 1 && rows.stride == 1 && rows.count == W)
      to[0] = load<V>(rows.data);
    else
    {
#pragma GCC unroll 1
      for (int c = 0; c + W <= C; c += W)
        detail::load_tile<V, W>(rows.data + c, rows.stride, rows.count, to + c);
      if constexpr (C % W)
        detail::load_tile<V, C % W>(rows.data + C / W * W, rows.stride, rows.count, to + C / W * W);
    }
    return;
  }
#endif
  for (int c = 0; c < C; ++c)
    for (int l = 0; l < W; ++l)
      set_lane(to[c], l, rows.data[rows.point(l < rows.count ? l : rows.count - 1) + rows.component(c)]);
}

/// The other way. `past` asks for stores past the caches where the rows allow it.
template <class V, int C>
NEML2_NATIVE_INLINE void store_rows(const Rows<ScalarOf<V>> & rows, const V * from,
                                    [[maybe_unused]] bool past)
{
  constexpr int W = width<V>;
  if constexpr (W == 1)
  {
    for (int c = 0; c < C; ++c)
      rows.data[rows.point(0) + rows.component(c)] = from[c];
    return;
  }
#if NEML2_NATIVE_BYTES
  else if (__builtin_expect(!rows.points && !rows.components, 1))
  {
    if (past && rows.count == W && rows.stride == C &&
        reinterpret_cast<std::uintptr_t>(rows.data) % sizeof(V) == 0)
      detail::stream<V, C>(rows.data, from);
    else if (C == 1 && rows.stride == 1 && rows.count == W)
      store<V>(rows.data, from[0]);
    else
    {
#pragma GCC unroll 1
      for (int c = 0; c + W <= C; c += W)
        detail::store_tile<V, W>(rows.data + c, rows.stride, rows.count, from + c);
      if constexpr (C % W)
        detail::store_tile<V, C % W>(rows.data + C / W * W, rows.stride, rows.count, from + C / W * W);
    }
    return;
  }
#endif
  for (int c = 0; c < C; ++c)
    for (int l = 0; l < rows.count; ++l)
      rows.data[rows.point(l) + rows.component(c)] = lane(from[c], l);
}
} // namespace NEML2_NATIVE_ISA
} // namespace neml2::native
