// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/matrix.h"

/**
 * LU of wide lanes, which hold one system each.
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

  static NEML2_NATIVE_INLINE void solve_again(Matrix<V, N> & a, Columns<V, N, M> & b, const Exchanges<V, N> &)
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

/// Above this size the matrix leaves the first-level cache, and solvers::lu, which goes through it less
/// often, is faster.
inline constexpr int largest_tiled = 32;

/// solvers::lu of any size, compiled once for all systems of a kernel.
template <class V>
struct AnySize
{
  using T = ScalarOf<V>;
  using Kernel = solvers::lu::Kernel<T, width<V>, width<V>, 0>;

  static __attribute__((noinline)) std::uint32_t factor(T * a, int stride, T * b, std::int32_t * rows, int n,
                                                        int m)
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

  static NEML2_NATIVE_INLINE void solve_again(Matrix<V, N> & a, Columns<V, N, M> & b, const Exchanges<V, N> &)
  {
    AnySize<V>::solve(start(a.data[0][0]), stride, start(b.data[0][0]), N, M);
  }
};
} // namespace detail
} // namespace NEML2_NATIVE_ISA
} // namespace neml2::native

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
