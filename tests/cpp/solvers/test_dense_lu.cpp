// SPDX-License-Identifier: MIT
#include "neml2/solvers/DenseLU.h"
#include "neml2/solvers/LUKernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

namespace
{
using namespace neml2::solvers;

constexpr std::size_t at(int row, int col, int cols)
{
  return static_cast<std::size_t>(row * cols + col);
}

enum class Kind
{
  diagonal,   // what a material model gives
  random,     // needs many exchanges
  rows,       // rows from stresses to strains
  columns,    // unknowns from stresses to strains
  permutation // nothing on the diagonal
};
constexpr Kind kinds[] = {Kind::diagonal, Kind::random, Kind::rows, Kind::columns, Kind::permutation};

/// Matrix (n, n) and right-hand sides (n, m) of one lane.
template <class T>
struct Lane
{
  std::vector<T> a, b;
};

template <class T>
Lane<T> make_lane(Kind kind, int n, int m, std::mt19937 & random)
{
  std::uniform_real_distribution<double> uniform(-1.0, 1.0);
  std::vector<int> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random);
  const auto scale = [&](int i) { return std::pow(10.0, order[static_cast<std::size_t>(i)] % 9 - 4); };

  Lane<T> lane{std::vector<T>(at(n, 0, n)), std::vector<T>(at(n, 0, m))};
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j)
    {
      double x = uniform(random);
      if (kind == Kind::diagonal)
        x = 0.3 * x + (i == j ? 2.0 : 0.0);
      if (kind == Kind::rows)
        x *= scale(i);
      if (kind == Kind::columns)
        x *= scale(j);
      if (kind == Kind::permutation)
        x = j == order[static_cast<std::size_t>(i)] ? 1.5 + i : 0.0;
      lane.a[at(i, j, n)] = static_cast<T>(x);
    }
  for (T & x : lane.b)
    x = static_cast<T>(uniform(random));
  return lane;
}

template <class T>
std::vector<Lane<T>> make_lanes(int count, Kind kind, int n, int m, std::mt19937 & random)
{
  std::vector<Lane<T>> lanes;
  for (int l = 0; l < count; ++l)
    lanes.push_back(make_lane<T>(kind, n, m, random));
  return lanes;
}

/// Kernels under test: the library's for every instruction set of this processor, and the templates with 8
/// lanes.
template <class T>
struct Kernels
{
  std::string name;
  int L;
  LUFunctions<T> call;
};

template <class T>
std::vector<Kernels<T>> all_kernels()
{
  std::vector<Kernels<T>> all{{"header", 8, {&lu_factor<T, 8>, &lu_solve<T, 8>, &lu_factor_solve<T, 8>}}};
  for (const LUKernels * k : lu_kernels_supported())
  {
    if constexpr (std::is_same_v<T, double>)
      all.push_back({k->isa, lu_lanes, k->f64});
    else
      all.push_back({k->isa, lu_lanes, k->f32});
  }
  return all;
}

/// A block as the library takes it, with row stride lda.
template <class T>
struct Block
{
  std::vector<T> a, b;
  Kernels<T> kernels;
  int L, n, m, lda;

  Block(const Kernels<T> & k, const std::vector<Lane<T>> & lanes, int n_, int m_, int lda_ = 0)
      : kernels(k), L(k.L), n(n_), m(m_), lda(lda_ ? lda_ : n_)
  {
    a.resize(at(n * lda, 0, L));
    b.resize(at(n * m, 0, L));
    for (int l = 0; l < L; ++l)
      set(l, lanes[static_cast<std::size_t>(l)]);
  }
  void set(int l, const Lane<T> & lane)
  {
    for (int i = 0; i < n; ++i)
    {
      for (int j = 0; j < n; ++j)
        a[at(i * lda + j, l, L)] = lane.a[at(i, j, n)];
      for (int k = 0; k < m; ++k)
        b[at(i * m + k, l, L)] = lane.b[at(i, k, m)];
    }
  }
  std::vector<T> solution(int l) const
  {
    std::vector<T> x;
    for (int i = 0; i < n * m; ++i)
      x.push_back(b[at(i, l, L)]);
    return x;
  }
  std::uint32_t factor_solve(int lanes)
  {
    return kernels.call.factor_solve(a.data(), b.data(), n, m, lanes, lda);
  }
  std::uint32_t factor_solve() { return factor_solve(L); }
};

/// Textbook elimination with strict partial pivoting; solves in place.
template <class T>
std::vector<T> textbook(Lane<T> lane, int n, int m)
{
  auto & [a, b] = lane;
  for (int k = 0; k < n; ++k)
  {
    int p = k;
    for (int i = k + 1; i < n; ++i)
      if (std::abs(a[at(i, k, n)]) > std::abs(a[at(p, k, n)]))
        p = i;
    for (int j = 0; j < n; ++j)
      std::swap(a[at(k, j, n)], a[at(p, j, n)]);
    for (int j = 0; j < m; ++j)
      std::swap(b[at(k, j, m)], b[at(p, j, m)]);
    for (int i = k + 1; i < n; ++i)
    {
      const T l = a[at(i, k, n)] / a[at(k, k, n)];
      for (int j = k; j < n; ++j)
        a[at(i, j, n)] -= l * a[at(k, j, n)];
      for (int j = 0; j < m; ++j)
        b[at(i, j, m)] -= l * b[at(k, j, m)];
    }
  }
  for (int i = n - 1; i >= 0; --i)
    for (int j = 0; j < m; ++j)
    {
      for (int k = i + 1; k < n; ++k)
        b[at(i, j, m)] -= a[at(i, k, n)] * b[at(k, j, m)];
      b[at(i, j, m)] /= a[at(i, i, n)];
    }
  return b;
}

/// |b - A x| / (|A| |x| + |b|) in the maximum norm, evaluated in long double, in units of T's rounding.
template <class T>
double backward_error(const Lane<T> & lane, const std::vector<T> & x, int n, int m)
{
  double worst = 0.0;
  for (int k = 0; k < m; ++k)
  {
    long double residual = 0, norm_a = 0, norm_x = 0, norm_b = 0;
    for (int i = 0; i < n; ++i)
    {
      long double r = lane.b[at(i, k, m)], row = 0;
      norm_b = std::max(norm_b, std::abs(r));
      norm_x = std::max(norm_x, std::abs(static_cast<long double>(x[at(i, k, m)])));
      for (int j = 0; j < n; ++j)
      {
        const long double aij = lane.a[at(i, j, n)];
        row += std::abs(aij);
        r -= aij * static_cast<long double>(x[at(j, k, m)]);
      }
      EXPECT_TRUE(std::isfinite(r));
      residual = std::max(residual, std::abs(r));
      norm_a = std::max(norm_a, row);
    }
    worst = std::max(worst, static_cast<double>(residual / (norm_a * norm_x + norm_b)));
  }
  return worst / static_cast<double>(std::numeric_limits<T>::epsilon());
}

template <class T>
bool same_bits(const std::vector<T> & x, const std::vector<T> & y)
{
  return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0;
}

std::vector<int> sizes()
{
  std::vector<int> n(40);
  std::iota(n.begin(), n.end(), 1);
  n.insert(n.end(), {43, 64, 100});
  return n;
}

template <class T>
class DenseLU : public testing::Test
{
};
using Scalars = testing::Types<double, float>;
TYPED_TEST_SUITE(DenseLU, Scalars, );

TYPED_TEST(DenseLU, IsAsAccurateAsPartialPivoting)
{
  using T = TypeParam;
  std::mt19937 random(7);
  for (const auto & kernels : all_kernels<T>())
    for (const int n : sizes())
      for (const int m : {1, 2, 3, 4, 7})
        for (const Kind kind : kinds)
        {
          const auto lanes = make_lanes<T>(kernels.L, kind, n, m, random);
          Block<T> block(kernels, lanes, n, m);
          ASSERT_EQ(block.factor_solve(), 0u) << kernels.name << " n = " << n;
          for (int l = 0; l < kernels.L; l += 3)
          {
            const Lane<T> & lane = lanes[static_cast<std::size_t>(l)];
            const double error = backward_error(lane, block.solution(l), n, m);
            const double strict = backward_error(lane, textbook(lane, n, m), n, m);
            EXPECT_LT(error, 40.0 * std::max(1.0, strict)) << kernels.name << " n = " << n << " m = " << m;
          }
        }
}

TYPED_TEST(DenseLU, FactorsOnceAndSolvesLater)
{
  using T = TypeParam;
  std::mt19937 random(11);
  for (const auto & kernels : all_kernels<T>())
    for (const int n : {1, 2, 3, 5, 6, 8, 9, 19, 33})
      for (const Kind kind : kinds)
      {
        const int m = 5;
        const auto lanes = make_lanes<T>(kernels.L, kind, n, m, random);
        Block<T> fused(kernels, lanes, n, m);
        fused.factor_solve();
        // Another row stride, the two calls in turn, and one right-hand side at a time: the same bits.
        Block<T> apart(kernels, lanes, n, m, n + 3);
        std::vector<std::int32_t> pivots(at(n, 0, kernels.L));
        EXPECT_EQ(kernels.call.factor(apart.a.data(), pivots.data(), n, kernels.L, n + 3), 0u);
        kernels.call.solve(apart.a.data(), pivots.data(), apart.b.data(), n, m, kernels.L, n + 3);
        EXPECT_TRUE(same_bits(fused.b, apart.b)) << kernels.name << " n = " << n;

        auto first = lanes;
        for (Lane<T> & lane : first)
        {
          for (int i = 0; i < n; ++i)
            lane.b[static_cast<std::size_t>(i)] = lane.b[at(i, 0, m)];
          lane.b.resize(static_cast<std::size_t>(n));
        }
        Block<T> single(kernels, first, n, 1);
        single.factor_solve();
        for (int l = 0; l < kernels.L; ++l)
          for (int i = 0; i < n; ++i)
            EXPECT_EQ(single.solution(l)[at(i, 0, 1)], fused.solution(l)[at(i, 0, m)]);
      }
}

TYPED_TEST(DenseLU, LanesDoNotSeeEachOther)
{
  using T = TypeParam;
  std::mt19937 random(13);
  for (const auto & kernels : all_kernels<T>())
    for (const int n : {1, 2, 4, 6, 7, 11, 19, 32, 43})
      for (const Kind kind : kinds)
      {
        auto lanes = make_lanes<T>(kernels.L, kind, n, 2, random);
        Block<T> block(kernels, lanes, n, 2);
        ASSERT_EQ(block.factor_solve(), 0u);

        // In other company: another order, with lanes of NaN, infinity, zeros and exchanges among them.
        std::vector<int> order(static_cast<std::size_t>(kernels.L));
        std::iota(order.begin(), order.end(), 0);
        std::shuffle(order.begin(), order.end(), random);
        std::vector<Lane<T>> moved;
        for (const int l : order)
          moved.push_back(lanes[static_cast<std::size_t>(l)]);
        std::fill(moved[0].a.begin(), moved[0].a.end(), std::numeric_limits<T>::quiet_NaN());
        std::fill(moved[2].a.begin(), moved[2].a.end(), T(0));
        moved[3].a[at(n - 1, n - 1, n)] = std::numeric_limits<T>::infinity();
        moved[5] = make_lane<T>(Kind::random, n, 2, random);
        moved[6].b[0] = std::numeric_limits<T>::quiet_NaN();
        Block<T> company(kernels, moved, n, 2);
        EXPECT_EQ(company.factor_solve(), 0b1101u) << kernels.name << " n = " << n;
        for (int l = 0; l < kernels.L; ++l)
          if (l != 0 && l != 2 && l != 3 && l != 5 && l != 6)
          {
            EXPECT_TRUE(same_bits(company.solution(l), block.solution(order[static_cast<std::size_t>(l)])))
                << kernels.name << " n = " << n << " lane " << l;
          }
      }
}

TYPED_TEST(DenseLU, ReportsSingularLanes)
{
  using T = TypeParam;
  std::mt19937 random(17);
  for (const auto & kernels : all_kernels<T>())
    for (const int n : {2, 3, 6, 19, 40})
    {
      auto lanes = make_lanes<T>(kernels.L, Kind::random, n, 1, random);
      for (int j = 0; j < n; ++j)
      {
        lanes[1].a[at(n - 1, j, n)] = T(0); // a row of zeros
        lanes[4].a[at(j, n / 2, n)] = T(0); // a column of zeros
      }
      // The last row equal to the first; ones and zeros are eliminated exactly.
      for (int i = 0; i < n; ++i)
        for (int j = 0; j < n; ++j)
          lanes[7].a[at(i, j, n)] = T((i == n - 1 ? 0 : i) == j);
      Block<T> block(kernels, lanes, n, 1);
      EXPECT_EQ(block.factor_solve(), (1u << 1) | (1u << 4) | (1u << 7)) << kernels.name << " n = " << n;

      // Lanes that do not count are not reported.
      Block<T> few(kernels, lanes, n, 1);
      EXPECT_EQ(few.factor_solve(3), 1u << 1);
      EXPECT_TRUE(same_bits(few.solution(2), block.solution(2)));
    }
}

TYPED_TEST(DenseLU, TinyAndHugeEntriesAreNotSingular)
{
  using T = TypeParam;
  const T tiny = std::sqrt(std::numeric_limits<T>::min());
  for (const auto & kernels : all_kernels<T>())
  {
    std::vector<Lane<T>> lanes(static_cast<std::size_t>(kernels.L),
                               {{tiny, T(0), T(0), 1 / tiny}, {tiny, 1 / tiny}});
    Block<T> block(kernels, lanes, 2, 1);
    EXPECT_EQ(block.factor_solve(), 0u);
    EXPECT_NEAR(block.solution(1)[0], 1.0, 1e-6);
    EXPECT_NEAR(block.solution(1)[1], 1.0, 1e-6);
  }
}

TEST(LUKernels, TheFastestIsChosen)
{
  ASSERT_FALSE(lu_kernels_supported().empty());
  EXPECT_EQ(&lu_kernels(), lu_kernels_supported().front());
  EXPECT_STREQ(lu_kernels_supported().back()->isa, "baseline");
  EXPECT_EQ(lu_row_stride<double>(19), 19);
  EXPECT_EQ(lu_row_stride<double>(32), 33);
}
} // namespace
