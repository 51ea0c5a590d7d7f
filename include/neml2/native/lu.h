// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/lanes.h"
#include "neml2/solvers/detail/LUKernel.h"

#include <utility>

/**
 * Dense LU of a point's Jacobian, of a size known at compile time, in two layouts: wide lanes hold one system each; a
 * plain number means one system, whose rows are worked on as vectors.
 *
 * Rows are exchanged only where another entry of the column is more than solvers::lu_pivot_ratio times the diagonal
 * one. A pivot whose inverse overflows, or that is not finite, makes a system singular: its solution is meaningless.
 */
namespace neml2::native
{
inline namespace NEML2_NATIVE_ISA
{
namespace detail
{
/// Calls f with each of the numbers B ... E - 1 as a compile-time constant.
template <int B, int E, class F>
NEML2_NATIVE_INLINE void
unrolled(F && f)
{
  if constexpr (B < E)
  {
    f(std::integral_constant<int, B>{});
    unrolled<B + 1, E>(f);
  }
}

/// Entries in a row of a wide matrix: one more where rows would fall into each other's cache lines.
template <class V>
constexpr int
row_length(int n)
{
  return n * int(sizeof(V)) % 2048 == 0 ? n + 1 : n;
}

/// Rows of a column, filled up to whole vectors.
template <class T>
constexpr int
column_length(int n)
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

namespace detail
{
/// Lane by lane: exchanges row k with the row below that holds the largest entry of column k.
template <class V, int N, int M>
__attribute__((noinline, cold)) void
exchange_rows(Matrix<V, N> & a, Columns<V, N, M> & b, int k)
{
  V best = abs(a(k, k)) * splat<V>(solvers::lu_pivot_ratio);
  MaskOf<V> from = MaskOf<V>{} + k;
  for (int i = k + 1; i < N; ++i)
  {
    const V x = abs(a(i, k));
    const MaskOf<V> larger = x > best;
    best = larger ? x : best;
    from = larger ? MaskOf<V>{} + i : from;
  }
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
NEML2_NATIVE_INLINE V
invert(V pivot, MaskOf<V> & singular)
{
  const V size = abs(pivot), one = splat<V>(1);
  const MaskOf<V> usable = both(MaskOf<V>(size >= splat<V>(smallest_pivot<ScalarOf<V>>)), MaskOf<V>(finite(size)));
  singular = either(singular, negate(usable));
  return one / select<V>(usable, pivot, one);
}

/// Panels of four columns, unrolled along the columns; what is left of a row stays in registers for a panel.
template <class V, int N, int M>
NEML2_NATIVE_INLINE std::uint32_t
solve_unrolled(Matrix<V, N> & a, Columns<V, N, M> & b)
{
  constexpr int panel = 4;
  MaskOf<V> singular = mask<V>(false);
  unrolled<0, (N + panel - 1) / panel>(
      [&](auto number) __attribute__((always_inline))
      {
        constexpr int k0 = number * panel, k1 = k0 + panel < N ? k0 + panel : N;
        unrolled<k0, k1>(
            [&](auto column) __attribute__((always_inline))
            {
              constexpr int k = column;
              if constexpr (k + 1 < N)
              {
                V top = abs(a(k + 1, k));
#pragma GCC unroll 2
                for (int i = k + 2; i < N; ++i)
                  top = larger(top, abs(a(i, k)));
                if (__builtin_expect(any<V>(top > abs(a(k, k)) * splat<V>(solvers::lu_pivot_ratio)), 0))
                  exchange_rows(a, b, k);
              }
              const V inverse = invert(a(k, k), singular);
              a(k, k) = inverse;
#pragma GCC unroll 1
              for (int i = k + 1; i < N; ++i)
              {
                const V l = a(i, k) * inverse;
                a(i, k) = l;
                unrolled<k + 1, k1>([&](auto j) __attribute__((always_inline)) { a(i, j) -= l * a(k, j); });
              }
            });
        const auto eliminate = [&](auto depth, int i) __attribute__((always_inline))
        {
          constexpr int d = depth;
          V l[panel];
          unrolled<0, d>([&](auto q) __attribute__((always_inline)) { l[q] = a(i, k0 + q); });
          unrolled<k1, N>(
              [&](auto j) __attribute__((always_inline))
              {
                V x = a(i, j);
                unrolled<0, d>([&](auto q) __attribute__((always_inline)) { x -= l[q] * a(k0 + q, j); });
                a(i, j) = x;
              });
          for (int j = 0; j < M; ++j)
          {
            V x = b(i, j);
            unrolled<0, d>([&](auto q) __attribute__((always_inline)) { x -= l[q] * b(k0 + q, j); });
            b(i, j) = x;
          }
        };
        unrolled<1, k1 - k0>([&](auto r) __attribute__((always_inline)) { eliminate(r, k0 + r); });
#pragma GCC unroll 1
        for (int i = k1; i < N; ++i)
          eliminate(std::integral_constant<int, k1 - k0>{}, i);
      });
#pragma GCC unroll 1
  for (int j = 0; j < M; ++j)
    unrolled<0, N>(
        [&](auto q) __attribute__((always_inline))
        {
          constexpr int k = N - 1 - q;
          V x = b(k, j);
          unrolled<k + 1, N>([&](auto i) __attribute__((always_inline)) { x -= a(k, i) * b(i, j); });
          b(k, j) = x * a(k, k);
        });
  return bits<V>(singular);
}

/// One system: columns are vectors along the rows.
template <class T, int N, int M>
struct OnePoint
{
  using V = Wide<T>;
  static constexpr int W = width<V>, length = column_length<T>(N), vectors = length / W;

  /// The first n lanes of v set to zero, n < W.
  static NEML2_NATIVE_INLINE V without_first(V v, int n)
  {
    if constexpr (W == 1)
      return static_cast<void>(n), v;
    else
    {
      MaskOf<V> index;
      for (int l = 0; l < W; ++l)
        index[l] = l;
      return index >= MaskOf<V>{} + n ? v : V{};
    }
  }

  static NEML2_NATIVE_INLINE V at(const T * column, int v) { return load<V>(column + v * W); }

  static __attribute__((noinline, cold)) void exchange(Matrix<T, N> & a, Columns<T, N, M> & b, int k)
  {
    int from = k;
    T best = abs(a(k, k)) * T(solvers::lu_pivot_ratio);
    for (int i = k + 1; i < N; ++i)
      if (abs(a(i, k)) > best)
      {
        best = abs(a(i, k));
        from = i;
      }
    for (int j = 0; j < N; ++j)
      std::swap(a(k, j), a(from, j));
    for (int j = 0; j < M; ++j)
      std::swap(b(k, j), b(from, j));
  }

  /// Step k of the elimination; k is a number or a compile-time constant.
  template <class K>
  static NEML2_NATIVE_INLINE void eliminate(Matrix<T, N> & a, Columns<T, N, M> & b, K k, bool & singular)
  {
    const int first = k / W;
    T * column = a.data[k];
    V limit = splat<V>(abs(column[k]) * T(solvers::lu_pivot_ratio));
    MaskOf<V> exceeds = abs(without_first(at(column, first), k % W)) > limit;
#pragma GCC unroll 8
    for (int v = first + 1; v < vectors; ++v)
      exceeds = either(exceeds, MaskOf<V>(abs(at(column, v)) > limit));
    if (__builtin_expect(any<V>(exceeds), 0))
      exchange(a, b, k);
    const T inverse = invert<T>(column[k], singular);
    V l[vectors];
    l[first] = without_first(at(column, first) * splat<V>(inverse), k % W + 1 == W ? W : k % W + 1);
#pragma GCC unroll 8
    for (int v = first + 1; v < vectors; ++v)
      l[v] = at(column, v) * splat<V>(inverse);
    column[k] = inverse;
    const auto update = [&](T * target) __attribute__((always_inline))
    {
      const V u = splat<V>(target[k]);
#pragma GCC unroll 8
      for (int v = first; v < vectors; ++v)
        store<V>(target + v * W, at(target, v) - l[v] * u);
    };
#pragma GCC unroll 2
    for (int j = k + 1; j < N; ++j)
      update(a.data[j]);
    for (int j = 0; j < M; ++j)
      update(b.data[j]);
  }

  static NEML2_NATIVE_INLINE std::uint32_t solve(Matrix<T, N> & a, Columns<T, N, M> & b)
  {
    bool singular = false;
    for (int j = 0; j < N; ++j)
      for (int i = N; i < length; ++i)
        a.data[j][i] = T(0);
    for (int j = 0; j < M; ++j)
      for (int i = N; i < length; ++i)
        b.data[j][i] = T(0);
    if constexpr (N <= 32)
      unrolled<0, N>([&](auto k) __attribute__((always_inline)) { eliminate(a, b, k, singular); });
    else
    {
#pragma GCC unroll 1
      for (int k = 0; k < N; ++k)
        eliminate(a, b, k, singular);
    }
#pragma GCC unroll 1
    for (int j = 0; j < M; ++j)
    {
      T x[length];
      __builtin_memcpy(x, b.data[j], sizeof(x));
#pragma GCC unroll 1
      for (int k = N - 1; k >= 0; --k)
        back(a, x, b.data[j], k);
    }
    return singular ? 1u : 0u;
  }

  /// Step k of the back substitution: takes unknown k out of the rows above.
  static NEML2_NATIVE_INLINE void back(Matrix<T, N> & a, T * x, T * solution, int k)
  {
    const T value = x[k] * a.data[k][k];
    const V broadcast = splat<V>(value);
    for (int v = 0; v <= k / W; ++v) // rows from k on get what is not needed again
      store<V>(x + v * W, at(x, v) - at(a.data[k], v) * broadcast);
    solution[k] = value;
  }
};

/// Sizes up to this are unrolled in wide lanes; above, solvers::lu with its register tiles is as fast or faster.
inline constexpr int largest_unrolled = 16;
} // namespace detail

/// Solves A X = B; B becomes X, A is destroyed. Returns one bit for each singular lane.
template <class V, int N, int M>
NEML2_NATIVE_INLINE std::uint32_t
solve(Matrix<V, N> & a, Columns<V, N, M> & b)
{
  if constexpr (width<V> == 1)
    return detail::OnePoint<V, N, M>::solve(a, b);
  else if constexpr (N <= detail::largest_unrolled)
    return detail::solve_unrolled(a, b);
  else
  {
    using T = ScalarOf<V>;
    using Kernel = solvers::lu::Kernel<T, width<V>, width<V>, 0>;
    T * const pa = reinterpret_cast<T *>(&a.data[0][0]);
    T * const pb = reinterpret_cast<T *>(&b.data[0][0]);
    constexpr int stride = Matrix<V, N>::length * width<V>;
    const std::uint32_t singular = Kernel::factor(pa, stride, pb, nullptr, N, M);
    Kernel::solve(pa, stride, pb, N, M);
    return singular;
  }
}
} // namespace NEML2_NATIVE_ISA
} // namespace neml2::native
