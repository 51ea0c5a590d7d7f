// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/lu_one_point.h"
#include "neml2/native/lu_wide.h"

/**
 * Dense LU of a point's Jacobian, of a size known at compile time, in two layouts: wide lanes hold one system
 * each; a plain number means one system, whose rows are worked on as vectors.
 *
 * Rows are exchanged only where another entry of the column is more than solvers::lu_pivot_ratio times the
 * diagonal one. A pivot whose inverse overflows, or that is not finite, makes a system singular: its solution
 * is meaningless.
 */
namespace neml2::native
{
inline namespace NEML2_NATIVE_ISA
{
namespace detail
{
/// How systems of this size are solved.
template <class V, int N, int M>
using Method = std::conditional_t<width<V> == 1, InRegisters<V, N, M>,
                                  std::conditional_t<(N <= largest_tiled), Tiled<V, N, M>, Large<V, N, M>>>;
} // namespace detail

/// Solves A X = B; B becomes X, and A what `solve_again` needs. Returns one bit for each singular lane.
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

/// Solves A x = b with what `solve` left in A, and its exchanges.
template <class V, int N>
__attribute__((noinline)) void solve_again(Matrix<V, N> & a, Columns<V, N, 1> & b,
                                           const Exchanges<V, N> & done)
{
  done.apply(b);
  detail::Method<V, N, 1>::solve_again(a, b, done);
}
} // namespace NEML2_NATIVE_ISA
} // namespace neml2::native
