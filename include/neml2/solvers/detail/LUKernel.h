// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

/**
 * The arithmetic behind DenseLU.h, for one group of lanes that fits a vector register.
 *
 * The instructions used are those the including file is compiled for. Everything is in a namespace named
 * after them, so that files compiled for several processors can be linked into one library. For the same
 * reason no function of the standard library is called here: the linker might keep the copy which older
 * processors cannot run.
 */
#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define NEML2_LU_ISA lu_avx512
#define NEML2_LU_BYTES 64
#define NEML2_LU_TILE 4
#elif defined(__AVX2__) && defined(__FMA__)
#define NEML2_LU_ISA lu_avx2
#define NEML2_LU_BYTES 32
#define NEML2_LU_TILE 3
#else
#define NEML2_LU_ISA lu_baseline
#define NEML2_LU_BYTES 16
#define NEML2_LU_TILE 3
#endif
#define NEML2_LU_INLINE inline __attribute__((always_inline))

namespace neml2::solvers
{
inline namespace NEML2_LU_ISA
{
/// Rows are exchanged where another entry of the column is this many times larger than the diagonal one.
inline constexpr int lu_pivot_ratio = 10;

/// Systems up to this size get a kernel with the size known at compile time; above, it gains nothing
/// measurable.
inline constexpr int lu_static_max = 8;

namespace lu
{
using Size = std::ptrdiff_t;

/// The compiler's vector types of `Bytes` bytes; `unaligned` may stand anywhere in an array of T.
template <class T, int Bytes>
struct Vector
{
  typedef T type __attribute__((vector_size(Bytes)));
  typedef T unaligned __attribute__((vector_size(Bytes), aligned(alignof(T)), may_alias));
};

/// W lanes of T.
template <class T, int W>
struct Simd
{
  static constexpr int bytes = W * int(sizeof(T));
  using Int = std::conditional_t<sizeof(T) == 8, std::int64_t, std::int32_t>;
  using V = typename Vector<T, bytes>::type;
  using Unaligned = typename Vector<T, bytes>::unaligned;
  using Mask = typename Vector<Int, bytes>::type;
  using Words = typename Vector<std::uint64_t, bytes>::type;
  static constexpr Int all_but_sign = std::numeric_limits<Int>::max();

  static NEML2_LU_INLINE V load(const T * p) { return *reinterpret_cast<const Unaligned *>(p); }
  static NEML2_LU_INLINE void store(T * p, V v) { *reinterpret_cast<Unaligned *>(p) = v; }
  static NEML2_LU_INLINE V splat(T x) { return V{} + x; }
  static NEML2_LU_INLINE V abs(V v)
  {
    return reinterpret_cast<V>(reinterpret_cast<Mask>(v) & (Mask{} + all_but_sign));
  }
  static NEML2_LU_INLINE V max(V a, V b) { return b > a ? b : a; }
  static NEML2_LU_INLINE bool any(Mask m)
  {
    const Words w = reinterpret_cast<Words>(m);
    std::uint64_t r = 0;
#pragma GCC unroll 8
    for (int i = 0; i < bytes / 8; ++i)
      r |= w[i];
    return r != 0;
  }
  static NEML2_LU_INLINE std::uint32_t bits(Mask m)
  {
    std::uint32_t r = 0;
    for (int l = 0; l < W; ++l)
      r |= (m[l] ? 1u : 0u) << l;
    return r;
  }
};

/// Lanes worked on at once: what a register holds, at most the block's.
template <class T, int L>
inline constexpr int width = NEML2_LU_BYTES / int(sizeof(T)) < L ? NEML2_LU_BYTES / int(sizeof(T)) : L;

/// Edge of the register tiles.
inline constexpr int tile = NEML2_LU_TILE;

/// A number known at compile time, to be passed to a function.
template <int I>
struct Const
{
  static constexpr int value = I;
};

/// Calls f(Const<r>) for the run-time r in 1 ... tile - 1; nothing for r = 0.
template <class F>
NEML2_LU_INLINE void remainder(int r, F && f)
{
  if (r == 1)
    f(Const<1>{});
  if constexpr (tile > 2)
    if (r == 2)
      f(Const<2>{});
  if constexpr (tile > 3)
    if (r == 3)
      f(Const<3>{});
}

/// Kernels for W lanes of a block of L, with n = N known at compile time unless N is 0.
template <class T, int L, int W, int N>
struct Kernel
{
  using S = Simd<T, W>;
  using V = typename S::V;
  using Mask = typename S::Mask;
  static constexpr T smallest = std::numeric_limits<T>::min();
  static constexpr T largest = std::numeric_limits<T>::max();

  static NEML2_LU_INLINE constexpr int size(int n) { return N ? N : n; }

  template <int R, int C>
  static NEML2_LU_INLINE void load(V (&c)[R][C], const T * p, Size ld)
  {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int j = 0; j < C; ++j)
        c[r][j] = S::load(p + r * ld + j * L);
  }

  template <int R, int C>
  static NEML2_LU_INLINE void store(const V (&c)[R][C], T * p, Size ld)
  {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int j = 0; j < C; ++j)
        S::store(p + r * ld + j * L, c[r][j]);
  }

  // Where the size is known, GCC 12 warns about steps of this loop in paths that are never taken.
#pragma GCC diagnostic push
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Waggressive-loop-optimizations"
#endif
  /// c -= l u over `depth` columns of l and rows of u.
  template <int R, int C>
  static NEML2_LU_INLINE void update(V (&c)[R][C], const T * l, Size ldl, const T * u, Size ldu, int depth)
  {
#pragma GCC unroll 1
    for (int k = 0; k < depth; ++k, l += L, u += ldu)
    {
      V uk[C];
#pragma GCC unroll 8
      for (int j = 0; j < C; ++j)
        uk[j] = S::load(u + j * L);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
      {
        const V lk = S::load(l + r * ldl);
#pragma GCC unroll 8
        for (int j = 0; j < C; ++j)
          c[r][j] = c[r][j] - lk * uk[j];
      }
    }
  }
#pragma GCC diagnostic pop

  /// c = l^-1 c for the unit lower triangle at l.
  template <int R, int C>
  static NEML2_LU_INLINE void lower(V (&c)[R][C], const T * l, Size ld)
  {
#pragma GCC unroll 8
    for (int r = 1; r < R; ++r)
#pragma GCC unroll 8
      for (int k = 0; k < r; ++k)
      {
        const V lk = S::load(l + r * ld + k * L);
#pragma GCC unroll 8
        for (int j = 0; j < C; ++j)
          c[r][j] = c[r][j] - lk * c[k][j];
      }
  }

  /// c = u^-1 c for the upper triangle at u, whose diagonal holds inverses.
  template <int R, int C>
  static NEML2_LU_INLINE void upper(V (&c)[R][C], const T * u, Size ld)
  {
#pragma GCC unroll 8
    for (int r = R - 1; r >= 0; --r)
    {
#pragma GCC unroll 8
      for (int k = R - 1; k > r; --k)
      {
        const V uk = S::load(u + r * ld + k * L);
#pragma GCC unroll 8
        for (int j = 0; j < C; ++j)
          c[r][j] = c[r][j] - uk * c[k][j];
      }
      const V inv = S::load(u + r * ld + r * L);
#pragma GCC unroll 8
      for (int j = 0; j < C; ++j)
        c[r][j] = c[r][j] * inv;
    }
  }

  /// Brings the largest entry of column k, where it is clearly larger, to row k, lane by lane.
  static __attribute__((noinline)) void exchange(T * a, Size lda, T * b, std::int32_t * piv, int k, int n,
                                                 int m)
  {
    const Size ldb = Size(m) * L;
    V best = S::abs(S::load(a + k * lda + k * L)) * S::splat(lu_pivot_ratio);
    Mask from = Mask{} + k;
    for (int i = k + 1; i < n; ++i)
    {
      const V x = S::abs(S::load(a + i * lda + k * L));
      const Mask larger = x > best;
      best = larger ? x : best;
      from = larger ? Mask{} + i : from;
    }
    for (int i = k + 1; i < n; ++i)
    {
      const Mask here = from == i;
      if (!S::any(here))
        continue;
      const auto swap = [&](T * p, T * q)
      {
        const V x = S::load(p);
        const V y = S::load(q);
        S::store(p, here ? y : x);
        S::store(q, here ? x : y);
      };
      for (int j = 0; j < n; ++j)
        swap(a + k * lda + j * L, a + i * lda + j * L);
      for (int j = 0; j < m; ++j)
        swap(b + k * ldb + j * L, b + i * ldb + j * L);
    }
    if (piv)
      for (int l = 0; l < W; ++l)
        piv[k * L + l] = static_cast<std::int32_t>(from[l]);
  }

  /// Columns k0 ... k0 + C - 1: update with all columns to the left, then eliminate.
  template <int C>
  static NEML2_LU_INLINE void panel(T * a, Size lda, T * b, std::int32_t * piv, int k0, int n, int m,
                                    Mask & singular)
  {
    T * const col = a + k0 * L;
    V top = V{};

#pragma GCC unroll 1
    for (int i = 0; i < k0; i += tile)
    {
      V c[tile][C];
      load(c, col + i * lda, lda);
      update(c, a + i * lda, lda, col, lda, i);
      lower(c, a + i * lda + i * L, lda);
      store(c, col + i * lda, lda);
    }
    const auto below = [&](auto rows, int i)
    {
      constexpr int R = decltype(rows)::value;
      V c[R][C];
      load(c, col + i * lda, lda);
      update(c, a + i * lda, lda, col, lda, k0);
      store(c, col + i * lda, lda);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
        top = S::max(top, S::abs(c[r][0]));
    };
    int i = k0;
#pragma GCC unroll 1
    for (; i + tile <= n; i += tile)
      below(Const<tile>{}, i);
    remainder(n - i, [&](auto rows) { below(rows, i); });

#pragma GCC unroll 4
    for (int c = 0; c < C; ++c)
    {
      const int k = k0 + c;
      T * const row = a + k * lda + k * L;
      if (__builtin_expect(S::any(top > S::abs(S::load(row)) * S::splat(lu_pivot_ratio)), 0))
        exchange(a, lda, b, piv, k, n, m);
      V pivot = S::load(row);
      const V magnitude = S::abs(pivot);
      // A pivot whose inverse overflows, or NaN, is no pivot. One keeps a host's floating-point traps quiet.
      const Mask usable = (magnitude >= S::splat(smallest)) & (magnitude <= S::splat(largest));
      singular |= ~usable;
      pivot = usable ? pivot : S::splat(T(1));
      const V inv = S::splat(T(1)) / pivot;
      S::store(row, inv);
      V u[C];
#pragma GCC unroll 8
      for (int j = c + 1; j < C; ++j)
        u[j] = S::load(row + (j - c) * L);
      top = V{};
      T * p = row + lda;
#pragma GCC unroll 1
      for (int r = k + 1; r < n; ++r, p += lda)
      {
        const V l = S::load(p) * inv;
        S::store(p, l);
#pragma GCC unroll 8
        for (int j = c + 1; j < C; ++j)
        {
          const V x = S::load(p + (j - c) * L) - l * u[j];
          S::store(p + (j - c) * L, x);
          if (j == c + 1)
            top = S::max(top, S::abs(x));
        }
      }
    }
  }

  static NEML2_LU_INLINE std::uint32_t factor(T * a, Size lda, T * b, std::int32_t * piv, int n_, int m)
  {
    const int n = size(n_);
    Mask singular = Mask{};
    int k = 0;
#pragma GCC unroll 1
    for (; k + tile <= n; k += tile)
      panel<tile>(a, lda, b, piv, k, n, m, singular);
    remainder(n - k, [&](auto cols) { panel<decltype(cols)::value>(a, lda, b, piv, k, n, m, singular); });
    return S::any(singular) ? S::bits(singular) : 0u;
  }

  /// C right-hand sides, rows in the order of the factors.
  template <int C>
  static NEML2_LU_INLINE void substitute(const T * a, Size lda, T * b, Size ldb, int n)
  {
    const int whole = n / tile * tile;
    const auto forward = [&](auto rows, int i)
    {
      constexpr int R = decltype(rows)::value;
      V c[R][C];
      load(c, b + i * ldb, ldb);
      update(c, a + i * lda, lda, b, ldb, i);
      lower(c, a + i * lda + i * L, lda);
      store(c, b + i * ldb, ldb);
    };
    const auto backward = [&](auto rows, int i)
    {
      constexpr int R = decltype(rows)::value;
      V c[R][C];
      const int next = i + R;
      load(c, b + i * ldb, ldb);
      update(c, a + i * lda + next * L, lda, b + next * ldb, ldb, n - next);
      upper(c, a + i * lda + i * L, lda);
      store(c, b + i * ldb, ldb);
    };
#pragma GCC unroll 1
    for (int i = 0; i < whole; i += tile)
      forward(Const<tile>{}, i);
    remainder(n - whole, [&](auto rows) { forward(rows, whole); });
    remainder(n - whole, [&](auto rows) { backward(rows, whole); });
#pragma GCC unroll 1
    for (int i = whole - tile; i >= 0; i -= tile)
      backward(Const<tile>{}, i);
  }

  static NEML2_LU_INLINE void solve(const T * a, Size lda, T * b, int n_, int m)
  {
    const int n = size(n_);
    const Size ldb = Size(m) * L;
    int k = 0;
#pragma GCC unroll 1
    for (; k + tile <= m; k += tile)
      substitute<tile>(a, lda, b + k * L, ldb, n);
    remainder(m - k, [&](auto cols) { substitute<decltype(cols)::value>(a, lda, b + k * L, ldb, n); });
  }

  static NEML2_LU_INLINE void permute(const std::int32_t * piv, T * b, int n, int m)
  {
    for (int k = 0; k < n; ++k)
      for (int l = 0; l < W; ++l)
        if (const Size p = piv[k * L + l]; p != k)
          for (int j = 0; j < m; ++j)
          {
            T & x = b[(Size(k) * m + j) * L + l];
            T & y = b[(p * m + j) * L + l];
            const T t = x;
            x = y;
            y = t;
          }
  }
};
} // namespace lu
} // namespace NEML2_LU_ISA
} // namespace neml2::solvers
