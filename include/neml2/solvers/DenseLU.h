// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/solvers/detail/LUKernel.h"

#include <utility>

/**
 * LU factorisation of many small dense systems side by side, one per SIMD lane.
 *
 * A block holds L systems, lanes innermost: entry (i, j) of system l is a[(i*n + j)*L + l] (or with another
 * row stride than n), right-hand side k of it is b[(i*m + k)*L + l]. Blocks need no more alignment than their
 * scalar type; 64 bytes is fastest.
 *
 * Rows are exchanged lane by lane, and only where another entry of the column is more than `lu_pivot_ratio`
 * times the diagonal one: in material models the diagonal nearly always serves, and lanes that keep their
 * rows cost nothing. Each lane's result is a function of that lane's data alone, bit for bit, whatever the
 * others hold.
 *
 * These templates use the instructions the including file is compiled for; LUKernels.h chooses at run time.
 */
namespace neml2::solvers
{
inline namespace NEML2_LU_ISA
{
namespace lu
{
/// Whole blocks: the entries of the dispatch table.
template <class T, int L, int N>
struct Block
{
  static constexpr int W = width<T, L>;
  using K = Kernel<T, L, W, N>;
  static_assert(L % W == 0 && L <= 32);

  static std::uint32_t factor(T * a, std::int32_t * piv, int n, int lanes, int lda)
  {
    std::uint32_t singular = 0;
    for (int l = 0; l < lanes; l += W)
    {
      for (int k = 0; k < n; ++k)
        for (int i = 0; i < W; ++i)
          piv[k * L + l + i] = k;
      singular |= K::factor(a + l, Size(lda) * L, nullptr, piv + l, n, 0) << l;
    }
    return singular;
  }

  static void solve(const T * a, const std::int32_t * piv, T * b, int n, int m, int lanes, int lda)
  {
    for (int l = 0; l < lanes; l += W)
    {
      K::permute(piv + l, b + l, n, m);
      K::solve(a + l, Size(lda) * L, b + l, n, m);
    }
  }

  static std::uint32_t factor_solve(T * a, T * b, int n, int m, int lanes, int lda)
  {
    std::uint32_t singular = 0;
    for (int l = 0; l < lanes; l += W)
    {
      singular |= K::factor(a + l, Size(lda) * L, b + l, nullptr, n, m) << l;
      K::solve(a + l, Size(lda) * L, b + l, n, m);
    }
    return singular;
  }
};

/// One entry per compile-time size; entry 0 serves every other size.
template <class T, int L, class Sizes = std::make_integer_sequence<int, lu_static_max + 1>>
struct Table;

template <class T, int L, int... N>
struct Table<T, L, std::integer_sequence<int, N...>>
{
  static constexpr decltype(&Block<T, L, 0>::factor) factor[] = {&Block<T, L, N>::factor...};
  static constexpr decltype(&Block<T, L, 0>::solve) solve[] = {&Block<T, L, N>::solve...};
  static constexpr decltype(&Block<T, L, 0>::factor_solve) factor_solve[] = {
      &Block<T, L, N>::factor_solve...};
};

NEML2_LU_INLINE int slot(int n)
{
  return n <= lu_static_max ? n : 0;
}

/// Bits of the lanes that count.
NEML2_LU_INLINE std::uint32_t lane_mask(int lanes)
{
  return lanes >= 32 ? ~0u : (1u << lanes) - 1u;
}
} // namespace lu

/**
 * Factors the first `lanes` systems of a block in place: P A = L U.
 *
 * @param[in,out] a  (n, lda, L) matrices; on return their factors, with the inverses of U's diagonal in its
 * place
 * @param[out] piv   (n, L): row k was exchanged with row piv[k*L + l], for k = 0, 1, ... in turn
 * @param lda        row stride of a, n if 0; entry (i, j) of system l is a[(i*lda + j)*L + l]
 * @return bit l is set where system l is singular: a pivot is zero, too small to be inverted, or not finite.
 * The factors of such a lane are meaningless. Bits of lanes beyond `lanes` are clear.
 */
template <class T, int L>
inline std::uint32_t lu_factor(T * a, std::int32_t * piv, int n, int lanes = L, int lda = 0)
{
  return lu::Table<T, L>::factor[lu::slot(n)](a, piv, n, lanes, lda ? lda : n) & lu::lane_mask(lanes);
}

/**
 * Solves with the factors of lu_factor; b becomes A^-1 b.
 *
 * @param[in,out] b  (n, m, L) right-hand sides, then solutions; meaningless in singular lanes
 */
template <class T, int L>
inline void lu_solve(const T * a, const std::int32_t * piv, T * b, int n, int m, int lanes = L, int lda = 0)
{
  lu::Table<T, L>::solve[lu::slot(n)](a, piv, b, n, m, lanes, lda ? lda : n);
}

/// lu_factor and lu_solve in one: a is overwritten, b becomes A^-1 b. The same bits as the two in turn.
template <class T, int L>
inline std::uint32_t lu_factor_solve(T * a, T * b, int n, int m, int lanes = L, int lda = 0)
{
  return lu::Table<T, L>::factor_solve[lu::slot(n)](a, b, n, m, lanes, lda ? lda : n) & lu::lane_mask(lanes);
}
} // namespace NEML2_LU_ISA
} // namespace neml2::solvers
