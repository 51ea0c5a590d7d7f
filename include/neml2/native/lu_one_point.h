// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/matrix.h"

/**
 * LU of one system, whose rows are worked on as vectors.
 */
namespace neml2::native
{
inline namespace NEML2_NATIVE_ISA
{
namespace detail
{
/// One system: columns are vectors along the rows.
template <class T, int N, int M>
struct OnePoint
{
  using V = Wide<T>;
  static constexpr int W = width<V>, vectors = column_length<T>(N) / W;

  static NEML2_NATIVE_INLINE V at(const T * column, int v) { return load<V>(column + v * W); }

  /// The first n lanes.
  static NEML2_NATIVE_INLINE MaskOf<V> first(int n)
  {
    if constexpr (W == 1)
      return n > 0;
    else
    {
      MaskOf<V> index;
      for (int l = 0; l < W; ++l)
        index[l] = l;
      return index < MaskOf<V>{} + n;
    }
  }

  static NEML2_NATIVE_INLINE V without_first(V v, int n) { return select<V>(first(n), splat<V>(0), v); }

  static NEML2_NATIVE_INLINE V only_first(V v, int n) { return select<V>(first(n), v, splat<V>(0)); }

  static __attribute__((noinline, cold)) void exchange(Matrix<T, N> & a, Columns<T, N, M> & b,
                                                       Exchanges<T, N> & done, int k)
  {
    done.start();
    int from = k;
    T best = abs(a(k, k)) * T(solvers::lu_pivot_ratio);
    for (int i = k + 1; i < N; ++i)
      if (abs(a(i, k)) > best)
      {
        best = abs(a(i, k));
        from = i;
      }
    done.row[k][0] = from;
    for (int j = 0; j < N; ++j)
      std::swap(a(k, j), a(from, j));
    for (int j = 0; j < M; ++j)
      std::swap(b(k, j), b(from, j));
  }

  /// The panel of columns whose diagonal is in vector number First of a column, and all after it. Columns
  /// right of a panel, and right-hand sides, are read and written once for each panel.
  template <int First>
  static NEML2_NATIVE_INLINE void eliminate(Matrix<T, N> & a, Columns<T, N, M> & b, Exchanges<T, N> & done,
                                            bool & singular)
  {
    constexpr int begin = First * W, end = begin + W < N ? begin + W : N;
    T pivot = a(begin, begin);
#pragma GCC unroll 1
    for (int k = begin; k < end; ++k)
      eliminate_column<First>(a, b, done, k, pivot, singular);
    Panel<First, end - begin> panel(a);
#pragma GCC unroll 1
    for (int j = end; j + 1 < N; j += 2)
      panel.update(a.data[j], a.data[j + 1]);
    if constexpr ((N - end) % 2)
      panel.update(a.data[N - 1]);
#pragma GCC unroll 1
    for (int j = 0; j + 1 < M; j += 2)
      panel.update(b.data[j], b.data[j + 1]);
    if constexpr (M % 2)
      panel.update(b.data[M - 1]);
    if constexpr (end < N)
      eliminate<First + 1>(a, b, done, singular);
  }

  /// Step k, within its panel. `pivot` is that of column k, and then of the next one.
  template <int First>
  static NEML2_NATIVE_INLINE void eliminate_column(Matrix<T, N> & a, Columns<T, N, M> & b,
                                                   Exchanges<T, N> & done, int k, T & pivot, bool & singular)
  {
    constexpr int end = First * W + W < N ? First * W + W : N;
    T * column = a.data[k];
    const V limit = splat<V>(abs(pivot) * T(solvers::lu_pivot_ratio));
    MaskOf<V> exceeds = abs(without_first(at(column, First), k - First * W)) > limit;
#pragma GCC unroll 4
    for (int v = First + 1; v < vectors; ++v)
      exceeds = either(exceeds, MaskOf<V>(abs(at(column, v)) > limit));
    if (__builtin_expect(any<V>(exceeds), 0))
    {
      exchange(a, b, done, k);
      pivot = column[k];
    }
    const T inverse = invert<T>(pivot, singular);
    const V broadcast = splat<V>(inverse);
    if (k + 1 < end) // ahead of the rest, which does not wait for the next division
      pivot = a(k + 1, k + 1) - inverse * (column[k + 1] * a(k, k + 1));
    V l[vectors];
    l[First] = without_first(at(column, First) * broadcast, k - First * W + 1);
    store<V>(column + First * W, only_first(at(column, First), k - First * W + 1) + l[First]);
#pragma GCC unroll 4
    for (int v = First + 1; v < vectors; ++v)
    {
      l[v] = at(column, v) * broadcast;
      store<V>(column + v * W, l[v]);
    }
    column[k] = inverse;
#pragma GCC unroll 1
    for (int j = k + 1; j < end; ++j)
    {
      T * target = a.data[j];
      const V u = splat<V>(target[k]);
#pragma GCC unroll 4
      for (int v = First; v < vectors; ++v)
        store<V>(target + v * W, at(target, v) - l[v] * u);
    }
  }

  /// P columns that have been eliminated, for those right of them.
  template <int First, int P>
  class Panel
  {
  public:
    NEML2_NATIVE_INLINE explicit Panel(const Matrix<T, N> & a) : _columns(a.data + First * W)
    {
#pragma GCC unroll 16
      for (int k = 0; k < P; ++k)
        _top[k] = without_first(at(_columns[k], First), k + 1);
    }

    /// The steps of the panel on some columns.
    template <class... Target>
    NEML2_NATIVE_INLINE void update(Target *... targets) const
    {
      constexpr int count = sizeof...(Target);
      T * const target[] = {targets...};
      V u[count][P];
#pragma GCC unroll 2
      for (int j = 0; j < count; ++j)
        finish(target[j], u[j], std::make_integer_sequence<int, P>{});
#pragma GCC unroll 1
      for (int v = First + 1; v < vectors; ++v)
      {
        V x[count];
#pragma GCC unroll 2
        for (int j = 0; j < count; ++j)
          x[j] = at(target[j], v);
#pragma GCC unroll 16
        for (int k = 0; k < P; ++k)
        {
          const V l = at(_columns[k], v);
#pragma GCC unroll 2
          for (int j = 0; j < count; ++j)
            x[j] -= l * u[j][k];
        }
#pragma GCC unroll 2
        for (int j = 0; j < count; ++j)
          store<V>(target[j] + v * W, x[j]);
      }
    }

  private:
    /// The panel's own rows of a column, each of them spread over a vector.
    template <int... K>
    NEML2_NATIVE_INLINE void finish(T * target, V (&u)[P], std::integer_sequence<int, K...>) const
    {
      V x = at(target, First);
      ((u[K] = spread<K>(x), x -= _top[K] * u[K]), ...);
      store<V>(target + First * W, x);
    }

    const T (*_columns)[Matrix<T, N>::length];
    V _top[P];
  };

  static NEML2_NATIVE_INLINE void clear_padding(Columns<T, N, M> & b)
  {
    for (int j = 0; j < M; ++j)
      for (int i = N; i < vectors * W; ++i)
        b.data[j][i] = T(0);
  }

  /// Unknown K, and what it takes from those before it; the right-hand side x stays in registers.
  template <int K>
  static NEML2_NATIVE_INLINE void back_step(const Matrix<T, N> & a, V (&x)[vectors], V (&solution)[vectors])
  {
    const V value = spread<K % W>(x[K / W]) * splat<V>(a.data[K][K]);
    solution[K / W] = with_lane<K % W>(solution[K / W], value);
#pragma GCC unroll 4
    for (int v = 0; v <= K / W; ++v) // rows from K on get what is not needed again
      x[v] -= at(a.data[K], v) * value;
  }

  template <int... K>
  static NEML2_NATIVE_INLINE void back_column(const Matrix<T, N> & a, T * b, std::integer_sequence<int, K...>)
  {
    V x[vectors], solution[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      x[v] = solution[v] = at(b, v);
    (back_step<N - 1 - K>(a, x, solution), ...);
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      store<V>(b + v * W, solution[v]);
  }

  static NEML2_NATIVE_INLINE void back_substitute(Matrix<T, N> & a, Columns<T, N, M> & b)
  {
#pragma GCC unroll 1
    for (int j = 0; j < M; ++j)
      if constexpr (vectors <= 4)
        back_column(a, b.data[j], std::make_integer_sequence<int, N>{});
      else
        back_rolled(a, b.data[j]);
  }

  static NEML2_NATIVE_INLINE void back_rolled(const Matrix<T, N> & a, T * b)
  {
    T x[vectors * W];
    __builtin_memcpy(x, b, sizeof(x));
#pragma GCC unroll 1
    for (int k = N - 1; k >= 0; --k)
    {
      const T value = x[k] * a.data[k][k];
      const V broadcast = splat<V>(value);
      for (int v = 0; v <= k / W; ++v)
        store<V>(x + v * W, at(x, v) - at(a.data[k], v) * broadcast);
      b[k] = value;
    }
  }

  static NEML2_NATIVE_INLINE std::uint32_t solve(Matrix<T, N> & a, Columns<T, N, M> & b,
                                                 Exchanges<T, N> & done)
  {
    bool singular = false;
    for (int j = 0; j < N; ++j)
      for (int i = N; i < vectors * W; ++i)
        a.data[j][i] = T(0);
    clear_padding(b);
    eliminate<0>(a, b, done, singular);
    back_substitute(a, b);
    return singular ? 1u : 0u;
  }

  static NEML2_NATIVE_INLINE void solve_again(Matrix<T, N> & a, Columns<T, N, M> & b, const Exchanges<T, N> &)
  {
    clear_padding(b);
    T * x = b.data[0];
#pragma GCC unroll 1
    for (int k = 0; k < N; ++k)
    {
      const V broadcast = splat<V>(x[k]);
      const V first = without_first(at(a.data[k], k / W), k % W + 1);
      store<V>(x + k / W * W, at(x, k / W) - first * broadcast);
      for (int v = k / W + 1; v < vectors; ++v)
        store<V>(x + v * W, at(x, v) - at(a.data[k], v) * broadcast);
    }
    back_substitute(a, b);
  }
};

/// One system of no more unknowns than a vector has lanes, by Gauss and Jordan: its columns, a vector each,
/// stay in registers, and eliminating above the diagonal too costs nothing, while back substitution would
/// wait for every unknown in turn. Column k becomes the multipliers of step k, with the inverse of its pivot
/// on the diagonal. Where a pivot is no good, OnePoint starts again from the matrix in memory.
template <class T, int N, int M>
struct InRegisters
{
  using Rows = OnePoint<T, N, M>;
  using V = Wide<T>;
  static constexpr bool possible = width<V> >= N && width<V> > 1 && N + M <= 24;

  struct State
  {
    V a[N], b[M], inverses = splat<V>(0);
    MaskOf<V> refused = mask<V>(false);
    T pivot;
  };

  template <int K>
  static NEML2_NATIVE_INLINE void eliminate(State & s)
  {
    const V column = s.a[K], size = splat<V>(abs(s.pivot));
    s.refused = either(s.refused, negate(both(MaskOf<V>(size >= splat<V>(smallest_pivot<T>)), finite(size))));
    s.refused = either(s.refused, MaskOf<V>(abs(Rows::without_first(column, K + 1)) >
                                            size * splat<V>(T(solvers::lu_pivot_ratio))));
    const T inverse = T(1) / s.pivot;
    const V l = with_lane<K>(column, splat<V>(0)) * splat<V>(inverse);
    if constexpr (K + 1 < N) // ahead of the rest, which does not wait for the next division
      s.pivot = lane(s.a[K + 1], K + 1) - inverse * (lane(column, K + 1) * lane(s.a[K + 1], K));
#pragma GCC unroll 16
    for (int j = K + 1; j < N; ++j)
      s.a[j] -= l * spread<K>(s.a[j]);
#pragma GCC unroll 16
    for (int j = 0; j < M; ++j)
      s.b[j] -= l * spread<K>(s.b[j]);
    s.inverses = with_lane<K>(s.inverses, splat<V>(inverse));
    s.a[K] = with_lane<K>(l, splat<V>(inverse));
  }

  template <int... K>
  static NEML2_NATIVE_INLINE std::uint32_t solve(Matrix<T, N> & a, Columns<T, N, M> & b,
                                                 Exchanges<T, N> & done, std::integer_sequence<int, K...>)
  {
    State s;
#pragma GCC unroll 16
    for (int j = 0; j < N; ++j)
      s.a[j] = Rows::only_first(load<V>(a.data[j]), N);
#pragma GCC unroll 16
    for (int j = 0; j < M; ++j)
      s.b[j] = Rows::only_first(load<V>(b.data[j]), N);
    s.pivot = lane(s.a[0], 0);
    (eliminate<K>(s), ...);
    if (__builtin_expect(any<V>(s.refused), 0))
    {
      done.start();
      return Rows::solve(a, b, done);
    }
#pragma GCC unroll 16
    for (int j = 0; j < M; ++j)
      store<V>(b.data[j], s.b[j] * s.inverses);
#pragma GCC unroll 16
    for (int j = 0; j < N; ++j)
      store<V>(a.data[j], s.a[j]);
    return 0;
  }

  static NEML2_NATIVE_INLINE std::uint32_t solve(Matrix<T, N> & a, Columns<T, N, M> & b,
                                                 Exchanges<T, N> & done)
  {
    if constexpr (possible)
      return solve(a, b, done, std::make_integer_sequence<int, N>{});
    else
      return Rows::solve(a, b, done);
  }

  template <int K>
  static NEML2_NATIVE_INLINE void eliminate_again(const Matrix<T, N> & a, V & x, V & inverses)
  {
    const V l = load<V>(a.data[K]);
    inverses = with_lane<K>(inverses, l);
    x -= with_lane<K>(l, splat<V>(0)) * spread<K>(x);
  }

  template <int... K>
  static NEML2_NATIVE_INLINE void solve_again(const Matrix<T, N> & a, T * b, std::integer_sequence<int, K...>)
  {
    V x = Rows::only_first(load<V>(b), N), inverses = splat<V>(0);
    (eliminate_again<K>(a, x, inverses), ...);
    store<V>(b, x * inverses);
  }

  static NEML2_NATIVE_INLINE void solve_again(Matrix<T, N> & a, Columns<T, N, M> & b,
                                              const Exchanges<T, N> & done)
  {
    if constexpr (possible)
    {
      if (__builtin_expect(!done.any, 1))
        return solve_again(a, b.data[0], std::make_integer_sequence<int, N>{});
    }
    Rows::solve_again(a, b, done);
  }
};
} // namespace detail
} // namespace NEML2_NATIVE_ISA
} // namespace neml2::native
