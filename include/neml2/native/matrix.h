// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/lanes.h"
#include "neml2/solvers/detail/LUKernel.h"

#include <utility>

/**
 * Matrices of a size known at compile time, in two layouts, and what all ways of factorising them share.
 */
namespace neml2::native
{
inline namespace NEML2_NATIVE_ISA
{
namespace detail
{
/// Entries in a row of a wide matrix: one more where rows would fall into each other's cache lines.
template <class V>
constexpr int row_length(int n)
{
  return n * int(sizeof(V)) % 2048 == 0 ? n + 1 : n;
}

/// Rows of a column, filled up to whole vectors.
template <class T>
constexpr int column_length(int n)
{
  return (n + width<Wide<T>> - 1) / width<Wide<T>> * width<Wide<T>>;
}

template <class T>
inline constexpr T smallest_pivot = std::numeric_limits<T>::min();
} // namespace detail

/// Square matrix of size N: rows of lanes, or columns of numbers.
template <class V, int N>
struct Matrix
{
  static constexpr int length = width<V> > 1 ? detail::row_length<V>(N) : detail::column_length<V>(N);
  alignas(64) V data[N][length];

  NEML2_NATIVE_INLINE V & operator()(int i, int j)
  {
    if constexpr (width<V> > 1)
      return data[i][j];
    else
      return data[j][i];
  }
};

template <class V, int N>
NEML2_NATIVE_INLINE void transpose(Matrix<V, N> & a)
{
  for (int i = 1; i < N; ++i)
    for (int j = 0; j < i; ++j)
      std::swap(a(i, j), a(j, i));
}

/// M right-hand sides of length N.
template <class V, int N, int M>
struct Columns
{
  static constexpr int rows = width<V> > 1 ? N : M;
  static constexpr int length = width<V> > 1 ? M : detail::column_length<V>(N);
  alignas(64) V data[rows][length];

  NEML2_NATIVE_INLINE V & operator()(int i, int j)
  {
    if constexpr (width<V> > 1)
      return data[i][j];
    else
      return data[j][i];
  }
};

/// What a factorisation did to the rows: row k of lane l was exchanged with row[k][l], k = 0, 1, ... in turn.
template <class V, int N>
struct Exchanges
{
  bool any = false; ///< whether `row` holds anything
  std::int32_t row[N][width<V>];

  void start()
  {
    if (any)
      return;
    any = true;
    for (int k = 0; k < N; ++k)
      for (int l = 0; l < width<V>; ++l)
        row[k][l] = k;
  }

  void apply(Columns<V, N, 1> & b) const
  {
    for (int k = 0; any && k < N; ++k)
      for (int l = 0; l < width<V>; ++l)
        if (const int other = row[k][l]; other != k)
        {
          const ScalarOf<V> x = lane(b(k, 0), l);
          set_lane(b(k, 0), l, lane(b(other, 0), l));
          set_lane(b(other, 0), l, x);
        }
  }
};

namespace detail
{
/// Lane by lane: exchanges row k with the row below that holds the largest entry of column k.
template <class V, int N, int M>
__attribute__((noinline, cold)) void exchange_rows(Matrix<V, N> & a, Columns<V, N, M> & b,
                                                   Exchanges<V, N> & done, int k)
{
  done.start();
  V best = abs(a(k, k)) * splat<V>(solvers::lu_pivot_ratio);
  MaskOf<V> from = MaskOf<V>{} + k;
  for (int i = k + 1; i < N; ++i)
  {
    const V x = abs(a(i, k));
    const MaskOf<V> larger = x > best;
    best = larger ? x : best;
    from = larger ? MaskOf<V>{} + i : from;
  }
  for (int l = 0; l < width<V>; ++l)
    done.row[k][l] = static_cast<std::int32_t>(from[l]);
  const auto swap = [](V & p, V & q, MaskOf<V> here)
  {
    const V x = p, y = q;
    p = here ? y : x;
    q = here ? x : y;
  };
  for (int i = k + 1; i < N; ++i)
  {
    const MaskOf<V> here = from == i;
    if (!any<V>(here))
      continue;
    for (int j = 0; j < N; ++j)
      swap(a(k, j), a(i, j), here);
    for (int j = 0; j < M; ++j)
      swap(b(k, j), b(i, j), here);
  }
}

/// The inverse of a pivot, 1 where there is none; such lanes are added to `singular`.
template <class V>
NEML2_NATIVE_INLINE V invert(V pivot, MaskOf<V> & singular)
{
  const V size = abs(pivot), one = splat<V>(1);
  const MaskOf<V> usable =
      both(MaskOf<V>(size >= splat<V>(smallest_pivot<ScalarOf<V>>)), MaskOf<V>(finite(size)));
  singular = either(singular, negate(usable));
  return one / select<V>(usable, pivot, one);
}

/// Lane K of v in all lanes.
template <int K, class V, int... L>
NEML2_NATIVE_INLINE V spread(V v, std::integer_sequence<int, L...>)
{
  return shuffle<(L * 0 + K)...>(v, v);
}

/// v with lane K from w.
template <int K, class V, int... L>
NEML2_NATIVE_INLINE V with_lane(V v, V w, std::integer_sequence<int, L...>)
{
  return shuffle<(L == K ? int(sizeof...(L)) + L : L)...>(v, w);
}

template <int K, class V>
NEML2_NATIVE_INLINE V spread(V v)
{
  if constexpr (width<V> == 1)
    return v;
  else
    return spread<K>(v, std::make_integer_sequence<int, width<V>>{});
}

template <int K, class V>
NEML2_NATIVE_INLINE V with_lane(V v, V w)
{
  if constexpr (width<V> == 1)
    return w;
  else
    return with_lane<K>(v, w, std::make_integer_sequence<int, width<V>>{});
}
} // namespace detail
} // namespace NEML2_NATIVE_ISA
} // namespace neml2::native
