// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/lu.h"

#include <memory>

/**
 * Systems of points that have sites, such as grains or cells. The unknowns at a site meet those at other sites
 * only through unknowns of the whole point, the border, or at the two sites beside it:
 *
 *     | A0 U0       B0 |        A, U, L: M x M, for each of S sites
 *     | L1 A1 U1    B1 |        B: M x Q, C: Q x M
 *     |    L2 A2    B2 |        D: Q x Q
 *     | C0 C1 C2    D  |
 *
 * Elimination goes from site to site, so work and memory grow linearly with their number. Unknown number
 * i = g * M + k is number k at site g; those of the border come last. What may be long lies on the heap.
 */
namespace neml2::native
{
inline namespace NEML2_NATIVE_ISA
{
/// An array whose length may be too much for a stack.
template <class T, int N>
class Buffer
{
public:
  Buffer() : _data(new T[N]) {}
  T & operator[](int i) { return _data[i]; }
  const T & operator[](int i) const { return _data[i]; }
  operator T *() { return _data.get(); }

private:
  std::unique_ptr<T[]> _data;
};

/// A site's neighbour, or the site itself where there is none.
constexpr int neighbour(int site, int count) { return site < 0 ? 0 : site < count ? site : count - 1; }

/// R right-hand sides of a system with S sites.
template <class V, int S, int M, int Q, int R>
class SiteColumns
{
public:
  V & operator()(int i, int j) { return _data[i * R + j]; }
  V & border(int i, int j) { return _data[(S * M + i) * R + j]; }

private:
  Buffer<V, (S * M + Q) * R> _data;
};

/// How rows were exchanged, site by site and in the border.
template <class V, int S, int M, int Q>
struct SiteExchanges
{
  bool any = false;
  Buffer<Exchanges<V, M>, S> sites;
  Exchanges<V, Q ? Q : 1> border;
};

/// The matrix; `banded` if sites meet their neighbours.
template <class V, int S, int M, int Q, bool banded>
class SiteMatrix
{
public:
  V & inner(int g, int i, int j) { return a[g](i, j); }
  V & lower(int g, int i, int j) { return _lower[g * M * M + i * M + j]; }
  V & upper(int g, int i, int j) { return _upper[g * M * M + i * M + j]; }
  V & outer(int g, int i, int j) { return _outer[(g * M + i) * Q + j]; }
  V & row(int g, int i, int j) { return _row[(g * Q + i) * M + j]; }
  V & corner(int i, int j) { return border(i, j); }

  Buffer<Matrix<V, M>, S> a;
  Matrix<V, Q ? Q : 1> border;

private:
  Buffer<V, banded ? S * M * M : 1> _lower, _upper;
  Buffer<V, Q ? S * M * Q : 1> _outer, _row;
};

/// How Newton's method sees such a system.
template <class V, int S, int M, int Q, bool banded>
struct SiteSystem
{
  using Matrix = SiteMatrix<V, S, M, Q, banded>;
  using Column = SiteColumns<V, S, M, Q, 1>;
  using Exchanges = SiteExchanges<V, S, M, Q>;
  using Vector = Buffer<V, S * M + Q>;
};

namespace detail
{
/// Right-hand sides at one site together with the columns that couple it to the next and to the border.
template <class V, int S, int M, int Q, bool banded, int R>
struct SiteElimination
{
  static constexpr int next = banded ? M : 0; // columns before those of the border

  SiteMatrix<V, S, M, Q, banded> & a;
  SiteColumns<V, S, M, Q, R> & x;

  std::uint32_t forward(SiteExchanges<V, S, M, Q> & done)
  {
    std::uint32_t failed = 0;
    for (int g = 0; g < S; ++g)
    {
      if constexpr (banded)
        if (g > 0)
          subtract_lower(g);
      Columns<V, M, next + Q + R> y;
      for (int i = 0; i < M; ++i)
      {
        for (int j = 0; j < next; ++j)
          y(i, j) = a.upper(g, i, j);
        for (int j = 0; j < Q; ++j)
          y(i, next + j) = a.outer(g, i, j);
        for (int j = 0; j < R; ++j)
          y(i, next + Q + j) = x(g * M + i, j);
      }
      failed |= native::solve(a.a[g], y, done.sites[g]);
      for (int i = 0; i < M; ++i)
      {
        for (int j = 0; j < next; ++j)
          a.upper(g, i, j) = y(i, j);
        for (int j = 0; j < Q; ++j)
          a.outer(g, i, j) = y(i, next + j);
        for (int j = 0; j < R; ++j)
          x(g * M + i, j) = y(i, next + Q + j);
      }
    }
    return failed;
  }

  void subtract_lower(int g)
  {
    for (int i = 0; i < M; ++i)
      for (int k = 0; k < M; ++k)
      {
        const V l = a.lower(g, i, k);
        for (int j = 0; j < M; ++j)
          a.a[g](i, j) -= l * a.upper(g - 1, k, j);
        for (int j = 0; j < Q; ++j)
          a.outer(g, i, j) -= l * a.outer(g - 1, k, j);
        for (int j = 0; j < R; ++j)
          x(g * M + i, j) -= l * x((g - 1) * M + k, j);
      }
  }

  /// Solutions where the border is zero; `couplings`: of the border's columns too.
  void backward(bool couplings)
  {
    if constexpr (banded)
      for (int g = S - 2; g >= 0; --g)
        for (int i = 0; i < M; ++i)
          for (int k = 0; k < M; ++k)
          {
            const V u = a.upper(g, i, k);
            for (int j = 0; couplings && j < Q; ++j)
              a.outer(g, i, j) -= u * a.outer(g + 1, k, j);
            for (int j = 0; j < R; ++j)
              x(g * M + i, j) -= u * x((g + 1) * M + k, j);
          }
  }

  /// Takes what the sites contribute out of the border's rows; `couplings`: out of its matrix too.
  void gather(bool couplings)
  {
    for (int g = 0; g < S; ++g)
      for (int i = 0; i < Q; ++i)
        for (int k = 0; k < M; ++k)
        {
          const V c = a.row(g, i, k);
          for (int j = 0; couplings && j < Q; ++j)
            a.border(i, j) -= c * a.outer(g, k, j);
          for (int j = 0; j < R; ++j)
            x.border(i, j) -= c * x(g * M + k, j);
        }
  }

  void substitute()
  {
    for (int i = 0; i < S * M; ++i)
      for (int k = 0; k < Q; ++k)
      {
        const V b = a.outer(i / M, i % M, k);
        for (int j = 0; j < R; ++j)
          x(i, j) -= b * x.border(k, j);
      }
  }
};
} // namespace detail

/// Solves A X = B; B becomes X, and A what `solve_again` needs. Returns one bit for each singular lane.
template <class V, int S, int M, int Q, bool banded, int R>
__attribute__((noinline)) std::uint32_t solve(SiteMatrix<V, S, M, Q, banded> & a, SiteColumns<V, S, M, Q, R> & x,
                                              SiteExchanges<V, S, M, Q> & done)
{
  detail::SiteElimination<V, S, M, Q, banded, R> work{a, x};
  std::uint32_t failed = work.forward(done);
  work.backward(true);
  if constexpr (Q > 0)
  {
    work.gather(true);
    Columns<V, Q, R> y;
    for (int i = 0; i < Q; ++i)
      for (int j = 0; j < R; ++j)
        y(i, j) = x.border(i, j);
    failed |= native::solve(a.border, y, done.border);
    for (int i = 0; i < Q; ++i)
      for (int j = 0; j < R; ++j)
        x.border(i, j) = y(i, j);
    work.substitute();
  }
  return failed;
}

template <class V, int S, int M, int Q, bool banded, int R>
std::uint32_t solve(SiteMatrix<V, S, M, Q, banded> & a, SiteColumns<V, S, M, Q, R> & x)
{
  SiteExchanges<V, S, M, Q> done;
  return solve(a, x, done);
}

/// Solves A x = b with what `solve` left in A, and its exchanges.
template <class V, int S, int M, int Q, bool banded>
__attribute__((noinline)) void solve_again(SiteMatrix<V, S, M, Q, banded> & a, SiteColumns<V, S, M, Q, 1> & x,
                                           const SiteExchanges<V, S, M, Q> & done)
{
  detail::SiteElimination<V, S, M, Q, banded, 1> work{a, x};
  for (int g = 0; g < S; ++g)
  {
    Columns<V, M, 1> y;
    for (int i = 0; i < M; ++i)
    {
      y(i, 0) = x(g * M + i, 0);
      if constexpr (banded)
        for (int k = 0; g > 0 && k < M; ++k)
          y(i, 0) -= a.lower(g, i, k) * x((g - 1) * M + k, 0);
    }
    native::solve_again(a.a[g], y, done.sites[g]);
    for (int i = 0; i < M; ++i)
      x(g * M + i, 0) = y(i, 0);
  }
  work.backward(false);
  if constexpr (Q > 0)
  {
    work.gather(false);
    Columns<V, Q, 1> y;
    for (int i = 0; i < Q; ++i)
      y(i, 0) = x.border(i, 0);
    native::solve_again(a.border, y, done.border);
    for (int i = 0; i < Q; ++i)
      x.border(i, 0) = y(i, 0);
    work.substitute();
  }
}
} // namespace NEML2_NATIVE_ISA
} // namespace neml2::native
