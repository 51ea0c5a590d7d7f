// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/lu.h"

#include <memory>

/**
 * Systems of points that have sites, such as grains or cells. The unknowns at a site meet those at other
 * sites only through unknowns of the whole point, the border, or at the two sites beside it:
 *
 *     | A0 U0       B0 |        A, U, L: M x M, for each of N sites
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

/// What sites are computed in. Where each lane of V is a point, every lane does the same sites; a single
/// point has neighbouring sites side by side, unless what is done to them goes from one to the next.
template <class V, bool in_turn = false>
using SiteLanes = std::conditional_t<width<V> == 1 && !in_turn, Wide<V>, V>;

/// Sites that are computed at once.
template <class S, class V>
inline constexpr int sites_at_once = width<S> / width<V>;

/// Site g, or the nearest one of `count`.
constexpr int nearest(int g, int count)
{
  return g < 0 ? 0 : g < count ? g : count - 1;
}

/// A value of the point at all sites.
template <class S, class V>
NEML2_NATIVE_INLINE S each(V x)
{
  if constexpr (std::is_same_v<S, V>)
    return x;
  else
    return splat<S>(x);
}

/// A condition of the point at all sites.
template <class S, class V>
NEML2_NATIVE_INLINE MaskOf<S> each_mask(MaskOf<V> x)
{
  if constexpr (std::is_same_v<S, V>)
    return x;
  else
    return mask<S>(x);
}

/// Sites g, g + 1, ... of `count`, whose values are `stride` apart.
template <class S, class V>
NEML2_NATIVE_INLINE S along(const V * x, int stride, int g, int count)
{
  if constexpr (std::is_same_v<S, V>)
    return x[nearest(g, count) * stride];
  else
  {
    S found{};
    for (int l = 0; l < width<S>; ++l)
      set_lane(found, l, x[nearest(g + l, count) * stride]);
    return found;
  }
}

/// The same of constants.
template <class S, class V>
NEML2_NATIVE_INLINE S table_along(const ScalarOf<V> * x, int g, int count)
{
  if constexpr (std::is_same_v<S, V>)
    return splat<S>(x[nearest(g, count)]);
  else
    return along<S, V>(x, 1, g, count);
}

/// Stores what `along` reads; lanes behind the last site hold nothing.
template <class S, class V>
NEML2_NATIVE_INLINE void put(V * x, int stride, int g, int count, S value)
{
  if constexpr (std::is_same_v<S, V>)
    x[g * stride] = value;
  else
    for (int l = 0; l < width<S> && g + l < count; ++l)
      x[(g + l) * stride] = lane(value, l);
}

/// The sum over the sites in the lanes.
template <class S, class V>
NEML2_NATIVE_INLINE V total(S value, int g, int count)
{
  if constexpr (std::is_same_v<S, V>)
    return value;
  else
  {
    V sum = 0;
    for (int l = 0; l < width<S> && g + l < count; ++l)
      sum += lane(value, l);
    return sum;
  }
}

/// R right-hand sides of a system with N sites.
template <class V, int N, int M, int Q, int R>
class SiteColumns
{
public:
  V & operator()(int i, int j) { return _data[i * R + j]; }
  V & border(int i, int j) { return _data[(N * M + i) * R + j]; }

private:
  Buffer<V, (N * M + Q) * R> _data;
};

/// Sizes of a system, and what its sites are computed in.
template <class V, int N, int M, int Q, bool banded>
struct SiteSizes
{
  using S = SiteLanes<V, banded>;
  static constexpr int step = sites_at_once<S, V>, groups = (N + step - 1) / step;
};

/// How rows were exchanged, site by site and in the border.
template <class V, int N, int M, int Q, bool banded>
struct SiteExchanges : SiteSizes<V, N, M, Q, banded>
{
  using Sizes = SiteSizes<V, N, M, Q, banded>;
  bool any = false;
  Buffer<Exchanges<typename Sizes::S, M>, Sizes::groups> sites;
  Exchanges<V, Q ? Q : 1> border;
};

/// The matrix; `banded` if sites meet their neighbours. Entries of the sites from g on, which are computed at
/// once.
template <class V, int N, int M, int Q, bool banded>
class SiteMatrix
{
public:
  using Sizes = SiteSizes<V, N, M, Q, banded>;
  using S = typename Sizes::S;
  static constexpr int step = Sizes::step, groups = Sizes::groups;

  S & inner(int g, int i, int j) { return a[g / step](i, j); }
  S & lower(int g, int i, int j) { return _lower[g * M * M + i * M + j]; }
  S & upper(int g, int i, int j) { return _upper[g * M * M + i * M + j]; }
  S & outer(int g, int i, int j) { return _outer[(g / step * M + i) * Q + j]; }
  S & row(int g, int i, int j) { return _row[(g / step * Q + i) * M + j]; }
  V & corner(int i, int j) { return border(i, j); }

  Buffer<Matrix<S, M>, groups> a;
  Matrix<V, Q ? Q : 1> border;

private:
  Buffer<S, banded ? N * M * M : 1> _lower, _upper;
  Buffer<S, Q ? groups * M * Q : 1> _outer, _row;
};

/// The border's rows become its columns, and what a site does to the one beside it, what that does to it.
template <class V, int N, int M, int Q, bool banded>
void transpose(SiteMatrix<V, N, M, Q, banded> & a)
{
  for (int g = 0; g < N; g += a.step)
  {
    transpose(a.a[g / a.step]);
    for (int i = 0; i < M; ++i)
      for (int j = 0; j < Q; ++j)
        std::swap(a.outer(g, i, j), a.row(g, j, i));
    if constexpr (banded)
      for (int i = 0; i < M && g + 1 < N; ++i)
        for (int j = 0; j < M; ++j)
          std::swap(a.upper(g, i, j), a.lower(g + 1, j, i));
  }
  transpose(a.border);
}

/// How Newton's method sees such a system.
template <class V, int N, int M, int Q, bool banded>
struct SiteSystem
{
  using Matrix = SiteMatrix<V, N, M, Q, banded>;
  using Column = SiteColumns<V, N, M, Q, 1>;
  using Exchanges = SiteExchanges<V, N, M, Q, banded>;
  using Vector = Buffer<V, N * M + Q>;
};

namespace detail
{
/// The parts of an elimination, in order; `couplings`: of the border's columns too.
template <class V, int N, int M, int Q, bool banded, int R>
struct SiteElimination
{
  using A = SiteMatrix<V, N, M, Q, banded>;
  using S = typename A::S;
  static constexpr int step = A::step;
  static constexpr int next = banded ? M : 0; // columns before those of the border

  A & a;
  SiteColumns<V, N, M, Q, R> & x;

  S at(int g, int i, int j) const { return along<S, V>(&x(i, j), M * R, g, N); }
  void set(int g, int i, int j, S value) { put<S, V>(&x(i, j), M * R, g, N, value); }

  std::uint32_t forward(SiteExchanges<V, N, M, Q, banded> & done)
  {
    std::uint32_t failed = 0;
    for (int g = 0; g < N; g += step)
    {
      if constexpr (banded)
        if (g > 0)
          subtract_lower(g);
      Columns<S, M, next + Q + R> y;
      for (int i = 0; i < M; ++i)
      {
        for (int j = 0; j < next; ++j)
          y(i, j) = a.upper(g, i, j);
        for (int j = 0; j < Q; ++j)
          y(i, next + j) = a.outer(g, i, j);
        for (int j = 0; j < R; ++j)
          y(i, next + Q + j) = at(g, i, j);
      }
      const std::uint32_t singular = native::solve(a.a[g / step], y, done.sites[g / step]);
      failed |= step == 1 ? singular : singular != 0;
      for (int i = 0; i < M; ++i)
      {
        for (int j = 0; j < next; ++j)
          a.upper(g, i, j) = y(i, j);
        for (int j = 0; j < Q; ++j)
          a.outer(g, i, j) = y(i, next + j);
        for (int j = 0; j < R; ++j)
          set(g, i, j, y(i, next + Q + j));
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

  /// Solutions where the border is zero.
  void backward(bool couplings)
  {
    if constexpr (banded)
      for (int g = N - 2; g >= 0; --g)
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

  /// Takes what the sites contribute out of the border's rows, and its matrix.
  void gather(bool couplings)
  {
    for (int g = 0; g < N; g += step)
      for (int i = 0; i < Q; ++i)
      {
        for (int j = 0; couplings && j < Q; ++j)
          a.border(i, j) -= total<S, V>(product(g, i, [&](int k) { return a.outer(g, k, j); }), g, N);
        for (int j = 0; j < R; ++j)
          x.border(i, j) -= total<S, V>(product(g, i, [&](int k) { return at(g, k, j); }), g, N);
      }
  }

  template <class Column>
  S product(int g, int i, const Column & column)
  {
    S sum = a.row(g, i, 0) * column(0);
    for (int k = 1; k < M; ++k)
      sum += a.row(g, i, k) * column(k);
    return sum;
  }

  void substitute()
  {
    for (int g = 0; g < N; g += step)
      for (int i = 0; i < M; ++i)
        for (int j = 0; j < R; ++j)
        {
          S sum = at(g, i, j);
          for (int k = 0; k < Q; ++k)
            sum -= a.outer(g, i, k) * each<S, V>(x.border(k, j));
          set(g, i, j, sum);
        }
  }
};
} // namespace detail

/// Solves A X = B; B becomes X, and A what `solve_again` needs. Returns one bit for each singular lane.
template <class V, int N, int M, int Q, bool banded, int R>
__attribute__((noinline)) std::uint32_t solve(SiteMatrix<V, N, M, Q, banded> & a,
                                              SiteColumns<V, N, M, Q, R> & x,
                                              SiteExchanges<V, N, M, Q, banded> & done)
{
  detail::SiteElimination<V, N, M, Q, banded, R> work{a, x};
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

template <class V, int N, int M, int Q, bool banded, int R>
std::uint32_t solve(SiteMatrix<V, N, M, Q, banded> & a, SiteColumns<V, N, M, Q, R> & x)
{
  SiteExchanges<V, N, M, Q, banded> done;
  return solve(a, x, done);
}

/// Solves A x = b with what `solve` left in A, and its exchanges.
template <class V, int N, int M, int Q, bool banded>
__attribute__((noinline)) void solve_again(SiteMatrix<V, N, M, Q, banded> & a, SiteColumns<V, N, M, Q, 1> & x,
                                           const SiteExchanges<V, N, M, Q, banded> & done)
{
  detail::SiteElimination<V, N, M, Q, banded, 1> work{a, x};
  using Work = detail::SiteElimination<V, N, M, Q, banded, 1>;
  for (int g = 0; g < N; g += Work::step)
  {
    Columns<typename Work::S, M, 1> y;
    for (int i = 0; i < M; ++i)
    {
      y(i, 0) = work.at(g, i, 0);
      if constexpr (banded)
        for (int k = 0; g > 0 && k < M; ++k)
          y(i, 0) -= a.lower(g, i, k) * x((g - 1) * M + k, 0);
    }
    native::solve_again(a.a[g / Work::step], y, done.sites[g / Work::step]);
    for (int i = 0; i < M; ++i)
      work.set(g, i, 0, y(i, 0));
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
