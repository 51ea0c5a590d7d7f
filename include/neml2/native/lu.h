// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/lanes.h"
#include "neml2/solvers/detail/LUKernel.h"

#include <utility>

/**
 * Dense LU of a point's Jacobian, of a size known at compile time, in two layouts: wide lanes hold one system
 * each; a plain number means one system, whose rows are worked on as vectors.
 *
 * Rows are exchanged only where another entry of the column is more than solvers::lu_pivot_ratio times the
 * diagonal one. A pivot whose inverse overflows, or that is not finite, makes a system singular: its solution
 * is meaningless.
 */
// Loops over the R rows of a tile ask to be unrolled four times; where R is less, GCC warns of the iterations
// that the bound excludes.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Waggressive-loop-optimizations"
#endif

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
  return __builtin_shufflevector(v, v, (L * 0 + K)...);
}

/// v with lane K from w.
template <int K, class V, int... L>
NEML2_NATIVE_INLINE V with_lane(V v, V w, std::integer_sequence<int, L...>)
{
  return __builtin_shufflevector(v, w, (L == K ? int(sizeof...(L)) + L : L)...);
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

/// Wide lanes: panels of P = 4 columns; what is right of them is updated three rows at a time, from
/// registers.
template <class V, int N, int M>
struct Tiled
{
  static constexpr int A = Matrix<V, N>::length, B = M;

  /// Unit lower triangle of a panel's top.
  template <int P>
  struct Triangle
  {
    V l[P][P];
  };

  /// Columns k0 ... k0 + P - 1 without exchanges; false, with the columns as they were, if some lane calls
  /// for one.
  template <int P>
  static NEML2_NATIVE_INLINE bool panel(V (*a)[A], int k0, Triangle<P> & top)
  {
    V u[P][P], inverse[P], below[N][P];
    MaskOf<V> singular = mask<V>(false);
    V largest = splat<V>(0);
#pragma GCC unroll 4
    for (int r = 0; r < P; ++r)
#pragma GCC unroll 4
      for (int c = 0; c < P; ++c)
        u[r][c] = a[k0 + r][k0 + c];
#pragma GCC unroll 4
    for (int c = 0; c < P; ++c)
    {
      inverse[c] = invert(u[c][c], singular);
#pragma GCC unroll 4
      for (int r = c + 1; r < P; ++r)
      {
        u[r][c] = u[r][c] * inverse[c];
        largest = larger(largest, abs(u[r][c]));
#pragma GCC unroll 4
        for (int j = c + 1; j < P; ++j)
          u[r][j] -= u[r][c] * u[c][j];
      }
    }
#pragma GCC unroll 2
    for (int i = k0 + P; i < N; ++i)
    {
      V l[P];
#pragma GCC unroll 4
      for (int c = 0; c < P; ++c)
        below[i][c] = l[c] = a[i][k0 + c];
#pragma GCC unroll 4
      for (int c = 0; c < P; ++c)
      {
#pragma GCC unroll 4
        for (int q = 0; q < c; ++q)
          l[c] -= l[q] * u[q][c];
        l[c] = l[c] * inverse[c];
        a[i][k0 + c] = l[c];
        largest = larger(largest, abs(l[c]));
      }
    }
    if (__builtin_expect(any<V>(either(singular, MaskOf<V>(largest > splat<V>(solvers::lu_pivot_ratio)))), 0))
    {
      for (int i = k0 + P; i < N; ++i)
        for (int c = 0; c < P; ++c)
          a[i][k0 + c] = below[i][c];
      return false;
    }
#pragma GCC unroll 4
    for (int r = 0; r < P; ++r)
#pragma GCC unroll 4
      for (int c = 0; c < P; ++c)
        a[k0 + r][k0 + c] = r == c ? inverse[c] : u[r][c];
#pragma GCC unroll 4
    for (int r = 1; r < P; ++r)
#pragma GCC unroll 4
      for (int c = 0; c < r; ++c)
        top.l[r][c] = u[r][c];
    return true;
  }

  /// The same columns, with exchanges.
  static __attribute__((noinline, cold)) void careful_panel(Matrix<V, N> & a, Columns<V, N, M> & b,
                                                            Exchanges<V, N> & done, int k0, int k1,
                                                            MaskOf<V> & singular)
  {
    for (int k = k0; k < k1; ++k)
    {
      exchange_rows(a, b, done, k);
      const V inverse = invert(a(k, k), singular);
      a(k, k) = inverse;
      for (int i = k + 1; i < N; ++i)
      {
        const V l = a(i, k) * inverse;
        a(i, k) = l;
        for (int j = k + 1; j < k1; ++j)
          a(i, j) -= l * a(k, j);
      }
    }
  }

  /// The panel's own rows, right of it.
  template <int P>
  static NEML2_NATIVE_INLINE void finish_rows(const Triangle<P> & top, V * u, int stride, int count)
  {
#pragma GCC unroll 1
    for (int j = 0; j < count; ++j)
    {
      V x[P];
#pragma GCC unroll 4
      for (int r = 0; r < P; ++r)
      {
        x[r] = u[r * stride + j];
#pragma GCC unroll 4
        for (int c = 0; c < r; ++c)
          x[r] -= top.l[r][c] * x[c];
        u[r * stride + j] = x[r];
      }
    }
  }

  /// R rows x below the panel, right of it: x -= l u.
  template <int P, int R>
  static NEML2_NATIVE_INLINE void update(const V (&l)[R][P], const V * u, V * x, int stride, int count)
  {
#pragma GCC unroll 1
    for (int j = 0; j < count; ++j)
    {
      V uj[P];
#pragma GCC unroll 4
      for (int q = 0; q < P; ++q)
        uj[q] = u[q * stride + j];
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r)
      {
        V v = x[r * stride + j];
#pragma GCC unroll 4
        for (int q = 0; q < P; ++q)
          v -= l[r][q] * uj[q];
        x[r * stride + j] = v;
      }
    }
  }

  template <int P, int R>
  static NEML2_NATIVE_INLINE void update_rows(V (*a)[A], V (*b)[B], int k0, int i)
  {
    V l[R][P];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int q = 0; q < P; ++q)
        l[r][q] = a[i + r][k0 + q];
    update<P, R>(l, &a[k0][k0 + P], &a[i][k0 + P], A, N - k0 - P);
    update<P, R>(l, &b[k0][0], &b[i][0], B, M);
  }

  template <int P>
  static NEML2_NATIVE_INLINE void step(Matrix<V, N> & matrix, Columns<V, N, M> & right,
                                       Exchanges<V, N> & done, int k0, MaskOf<V> & singular)
  {
    V(*a)[A] = matrix.data;
    V(*b)[B] = right.data;
    Triangle<P> top;
    if (__builtin_expect(!panel<P>(a, k0, top), 0))
    {
      careful_panel(matrix, right, done, k0, k0 + P, singular);
      for (int r = 1; r < P; ++r)
        for (int c = 0; c < r; ++c)
          top.l[r][c] = a[k0 + r][k0 + c];
    }
    finish_rows<P>(top, &b[k0][0], B, M);
    if constexpr (P < 4) // the last columns
      return;
    finish_rows<P>(top, &a[k0][k0 + P], A, N - k0 - P);
    int i = k0 + P;
#pragma GCC unroll 1
    for (; i + 3 <= N; i += 3)
      update_rows<P, 3>(a, b, k0, i);
    if (i + 2 == N)
      update_rows<P, 2>(a, b, k0, i);
    else if (i + 1 == N)
      update_rows<P, 1>(a, b, k0, i);
  }

  /// R rows k - R + 1 ... k of C columns of the solution from column j on.
  template <int R, int C>
  static NEML2_NATIVE_INLINE void back_rows(Matrix<V, N> & a, Columns<V, N, M> & b, int k, int j)
  {
    V y[R][C];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c)
        y[r][c] = b(k - r, j + c);
#pragma GCC unroll 1
    for (int i = N - 1; i > k; --i)
    {
      V x[C];
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c)
        x[c] = b(i, j + c);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c)
          y[r][c] -= a(k - r, i) * x[c];
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c)
      {
#pragma GCC unroll 4
        for (int q = 0; q < r; ++q)
          y[r][c] -= a(k - r, k - q) * y[q][c];
        y[r][c] = y[r][c] * a(k - r, k - r);
        b(k - r, j + c) = y[r][c];
      }
  }

  template <int C>
  static NEML2_NATIVE_INLINE void back(Matrix<V, N> & a, Columns<V, N, M> & b, int j)
  {
    constexpr int rows = C == 1 ? 4 : 3;
    int k = N - 1;
#pragma GCC unroll 1
    for (; k >= rows - 1; k -= rows)
      back_rows<rows, C>(a, b, k, j);
    for (; k >= 0; --k)
      back_rows<1, C>(a, b, k, j);
  }

  /// A single column of few rows, all of them in registers.
  static NEML2_NATIVE_INLINE void back_short(Matrix<V, N> & a, Columns<V, N, M> & b)
  {
    V x[N];
#pragma GCC unroll 12
    for (int i = 0; i < N; ++i)
      x[i] = b(i, 0);
#pragma GCC unroll 12
    for (int k = N - 1; k >= 0; --k)
    {
      x[k] = x[k] * a(k, k);
      b(k, 0) = x[k];
#pragma GCC unroll 12
      for (int i = 0; i < k; ++i)
        x[i] -= a(i, k) * x[k];
    }
  }

  static NEML2_NATIVE_INLINE void back_substitute(Matrix<V, N> & a, Columns<V, N, M> & b)
  {
    constexpr int group = 4, grouped = M / group * group;
    if constexpr (M == 1 && N <= 12)
      back_short(a, b);
    else
    {
#pragma GCC unroll 1
      for (int j = 0; j < grouped; j += group)
        back<group>(a, b, j);
      if constexpr (M > grouped)
        back<M - grouped>(a, b, grouped);
    }
  }

  static NEML2_NATIVE_INLINE std::uint32_t solve(Matrix<V, N> & a, Columns<V, N, M> & b,
                                                 Exchanges<V, N> & done)
  {
    MaskOf<V> singular = mask<V>(false);
    constexpr int whole = N / 4 * 4;
#pragma GCC unroll 1
    for (int k = 0; k < whole; k += 4)
      step<4>(a, b, done, k, singular);
    if constexpr (N > whole)
      step<N - whole>(a, b, done, whole, singular);
    back_substitute(a, b);
    return bits<V>(singular);
  }

  static NEML2_NATIVE_INLINE void solve_again(Matrix<V, N> & a, Columns<V, N, M> & b)
  {
#pragma GCC unroll 1
    for (int k = 0; k < N; ++k)
    {
      const V x = b(k, 0);
#pragma GCC unroll 2
      for (int i = k + 1; i < N; ++i)
        b(i, 0) -= a(i, k) * x;
    }
    back_substitute(a, b);
  }
};

/// One system: columns are vectors along the rows.
template <class T, int N, int M>
struct OnePoint
{
  using V = Wide<T>;
  static constexpr int W = width<V>, vectors = column_length<T>(N) / W;

  static NEML2_NATIVE_INLINE V at(const T * column, int v) { return load<V>(column + v * W); }

  /// v with its first n lanes set to zero.
  static NEML2_NATIVE_INLINE V without_first(V v, int n)
  {
    if constexpr (W == 1)
      return n ? V(0) : v;
    else
    {
      MaskOf<V> index;
      for (int l = 0; l < W; ++l)
        index[l] = l;
      return index >= MaskOf<V>{} + n ? v : V{};
    }
  }

  /// v with only its first n lanes kept.
  static NEML2_NATIVE_INLINE V only_first(V v, int n)
  {
    if constexpr (W == 1)
      return n ? v : V(0);
    else
    {
      MaskOf<V> index;
      for (int l = 0; l < W; ++l)
        index[l] = l;
      return index < MaskOf<V>{} + n ? v : V{};
    }
  }

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

  /// Steps k of the elimination whose diagonal is in vector number First of a column, and all after them.
  template <int First>
  static NEML2_NATIVE_INLINE void eliminate(Matrix<T, N> & a, Columns<T, N, M> & b, Exchanges<T, N> & done,
                                            T & pivot, bool & singular)
  {
    constexpr int end = (First + 1) * W < N ? (First + 1) * W : N;
#pragma GCC unroll 1
    for (int k = First * W; k < end; ++k)
      eliminate_column<First>(a, b, done, k, pivot, singular);
    if constexpr (end < N)
      eliminate<First + 1>(a, b, done, pivot, singular);
  }

  /// `pivot` is that of column k, and then of the next one.
  template <int First>
  static NEML2_NATIVE_INLINE void eliminate_column(Matrix<T, N> & a, Columns<T, N, M> & b,
                                                   Exchanges<T, N> & done, int k, T & pivot, bool & singular)
  {
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
    if (k + 1 < N) // ahead of the rest, which does not wait for the next division
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
    const auto update = [&](T * target) __attribute__((always_inline))
    {
      const V u = splat<V>(target[k]);
#pragma GCC unroll 4
      for (int v = First; v < vectors; ++v)
        store<V>(target + v * W, at(target, v) - l[v] * u);
    };
#pragma GCC unroll 2
    for (int j = k + 1; j < N; ++j)
      update(a.data[j]);
#pragma GCC unroll 1
    for (int j = 0; j < M; ++j)
      update(b.data[j]);
  }

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
    T pivot = a(0, 0);
    eliminate<0>(a, b, done, pivot, singular);
    back_substitute(a, b);
    return singular ? 1u : 0u;
  }

  static NEML2_NATIVE_INLINE void solve_again(Matrix<T, N> & a, Columns<T, N, M> & b)
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

/// One system of no more unknowns than a vector has lanes: its columns, a vector each, stay in registers. Where
/// a pivot is no good, OnePoint starts again from the matrix in memory.
template <class T, int N, int M>
struct InRegisters
{
  using Rows = OnePoint<T, N, M>;
  using V = Wide<T>;
  static constexpr bool possible = width<V> >= N && width<V> > 1 && N + M <= 24;

  struct State
  {
    V a[N], b[M];
    MaskOf<V> refused = mask<V>(false);
    T pivot;
  };

  template <int K>
  static NEML2_NATIVE_INLINE void eliminate(State & s)
  {
    const V column = s.a[K], below = Rows::without_first(column, K + 1), size = splat<V>(abs(s.pivot));
    s.refused = either(s.refused, negate(both(MaskOf<V>(size >= splat<V>(smallest_pivot<T>)), finite(size))));
    s.refused = either(s.refused, MaskOf<V>(abs(below) > size * splat<V>(T(solvers::lu_pivot_ratio))));
    const T inverse = T(1) / s.pivot;
    const V l = below * splat<V>(inverse);
    if constexpr (K + 1 < N) // ahead of the rest, which does not wait for the next division
      s.pivot = lane(s.a[K + 1], K + 1) - inverse * (lane(column, K + 1) * lane(s.a[K + 1], K));
#pragma GCC unroll 16
    for (int j = K + 1; j < N; ++j)
      s.a[j] -= l * spread<K>(s.a[j]);
#pragma GCC unroll 16
    for (int j = 0; j < M; ++j)
      s.b[j] -= l * spread<K>(s.b[j]);
    s.a[K] = with_lane<K>(Rows::only_first(column, K) + l, splat<V>(inverse));
  }

  template <int K>
  static NEML2_NATIVE_INLINE void substitute(const State & s, V & x, V & solution)
  {
    const V value = spread<K>(x * s.a[K]); // the diagonal holds inverses
    solution = with_lane<K>(solution, value);
    x -= s.a[K] * value;
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
      return Rows::solve(a, b, done);
#pragma GCC unroll 16
    for (int j = 0; j < M; ++j)
    {
      V solution = s.b[j];
      (substitute<N - 1 - K>(s, s.b[j], solution), ...);
      store<V>(b.data[j], solution);
    }
#pragma GCC unroll 16
    for (int j = 0; j < N; ++j)
      store<V>(a.data[j], s.a[j]);
    return 0;
  }

  static NEML2_NATIVE_INLINE std::uint32_t solve(Matrix<T, N> & a, Columns<T, N, M> & b, Exchanges<T, N> & done)
  {
    if constexpr (possible)
      return solve(a, b, done, std::make_integer_sequence<int, N>{});
    else
      return Rows::solve(a, b, done);
  }

  static NEML2_NATIVE_INLINE void solve_again(Matrix<T, N> & a, Columns<T, N, M> & b) { Rows::solve_again(a, b); }
};

/// Above this size the matrix leaves the first-level cache, and solvers::lu, which goes through it less
/// often, is faster.
inline constexpr int largest_tiled = 32;
} // namespace detail

namespace detail
{
/// solvers::lu of any size, compiled once for all systems of a kernel.
template <class V>
struct AnySize
{
  using T = ScalarOf<V>;
  using Kernel = solvers::lu::Kernel<T, width<V>, width<V>, 0>;

  static __attribute__((noinline)) std::uint32_t factor(T * a, int stride, T * b, std::int32_t * rows, int n, int m)
  {
    return Kernel::factor(a, stride, b, rows, n, m);
  }

  static __attribute__((noinline)) void solve(const T * a, int stride, T * b, int n, int m)
  {
    Kernel::solve(a, stride, b, n, m);
  }
};

/// The same on the arrays of this header.
template <class V, int N, int M>
struct Large
{
  using T = ScalarOf<V>;
  static constexpr int stride = Matrix<V, N>::length * width<V>;

  static NEML2_NATIVE_INLINE T * start(V & first) { return reinterpret_cast<T *>(&first); }

  static NEML2_NATIVE_INLINE std::uint32_t solve(Matrix<V, N> & a, Columns<V, N, M> & b,
                                                 Exchanges<V, N> & done)
  {
    done.start();
    T *const pa = start(a.data[0][0]), *const pb = start(b.data[0][0]);
    const std::uint32_t singular = AnySize<V>::factor(pa, stride, pb, &done.row[0][0], N, M);
    AnySize<V>::solve(pa, stride, pb, N, M);
    return singular;
  }

  static NEML2_NATIVE_INLINE void solve_again(Matrix<V, N> & a, Columns<V, N, M> & b)
  {
    AnySize<V>::solve(start(a.data[0][0]), stride, start(b.data[0][0]), N, M);
  }
};

/// How systems of this size are solved.
template <class V, int N, int M>
using Method = std::conditional_t<width<V> == 1, InRegisters<V, N, M>,
                                  std::conditional_t<(N <= largest_tiled), Tiled<V, N, M>, Large<V, N, M>>>;
} // namespace detail

/// Solves A X = B; B becomes X, and A its factors. Returns one bit for each singular lane.
template <class V, int N, int M>
__attribute__((noinline)) std::uint32_t solve(Matrix<V, N> & a, Columns<V, N, M> & b, Exchanges<V, N> & done)
{
  done.any = false;
  return detail::Method<V, N, M>::solve(a, b, done);
}

template <class V, int N, int M>
std::uint32_t solve(Matrix<V, N> & a, Columns<V, N, M> & b)
{
  Exchanges<V, N> done;
  return solve(a, b, done);
}

/// Solves A x = b with the factors and exchanges of `solve`.
template <class V, int N>
__attribute__((noinline)) void solve_again(Matrix<V, N> & a, Columns<V, N, 1> & b,
                                           const Exchanges<V, N> & done)
{
  done.apply(b);
  detail::Method<V, N, 1>::solve_again(a, b);
}
} // namespace NEML2_NATIVE_ISA
} // namespace neml2::native

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
