// SPDX-License-Identifier: MIT
#include "solvers/systems.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace neml2::solvers::test
{
namespace
{
/// u^2 = a with a = 2, 3, ... from guesses of different quality.
PointwiseSystem square_roots(std::size_t count)
{
  std::vector<double> guess(count);
  for (std::size_t p = 0; p < count; ++p)
    guess[p] = std::sqrt(double(p + 2)) * (1.05 + 0.4 * double(p % 5));
  return PointwiseSystem(
      1, guess,
      [](std::size_t p, std::span<const double> u, std::span<double> r, std::span<double> jacobian)
      {
        r[0] = u[0] * u[0] - double(p + 2);
        jacobian[0] = 2.0 * u[0];
      });
}

NewtonOptions loose(bool final_update)
{
  NewtonOptions options;
  options.abs_tol = 0.0;
  options.rel_tol = 1e-3;
  options.final_update = final_update;
  return options;
}

double worst_error(const PointwiseSystem & system)
{
  double worst = 0.0;
  for (std::size_t p = 0; p < system.u.size(); ++p)
    worst = std::max(worst, std::abs(system.u[p] - std::sqrt(double(p + 2))));
  return worst;
}
} // namespace

TEST(FinalUpdate, SquaresTheErrorOfALooseTolerance)
{
  for (const bool search : {false, true})
  {
    auto with = square_roots(20), without = square_roots(20);
    NewtonOptions on = loose(true), off = loose(false);
    if (search)
      on.line_search = off.line_search = LineSearchOptions{};
    Newton a(on), b(off);
    EXPECT_TRUE(a.solve(with).ok());
    EXPECT_TRUE(b.solve(without).ok());
    EXPECT_EQ(a.result().iterations, b.result().iterations);
    EXPECT_EQ(with.linearize_calls, without.linearize_calls);
    EXPECT_GT(worst_error(without), 1e-5);
    EXPECT_LT(worst_error(with), worst_error(without) * 1e-2);
  }
}

TEST(FinalUpdate, APointDoesNotDependOnItsBatch)
{
  auto together = square_roots(20);
  Newton newton(loose(true));
  newton.solve(together);
  for (Index p = 0; p < 20; ++p)
  {
    auto system = square_roots(20);
    Newton alone(loose(true));
    const std::vector<Index> one{p};
    alone.solve(system, Points(one));
    EXPECT_EQ(system.u[static_cast<std::size_t>(p)], together.u[static_cast<std::size_t>(p)]);
  }
}

TEST(FinalUpdate, NoneForPointsWithinTheAbsoluteTolerance)
{
  auto system = square_roots(20);
  NewtonOptions options = loose(true);
  options.abs_tol = 1e30;
  Newton newton(options);
  EXPECT_TRUE(newton.solve(system).ok());
  EXPECT_EQ(*std::max_element(system.advanced.begin(), system.advanced.end()), 0);
}

TEST(FinalUpdate, ASingularJacobianAtTheSolutionIsNoFailure)
{
  // The second evaluation claims the residual is gone, and with it the Jacobian.
  std::vector<int> calls(3, 0);
  PointwiseSystem system(
      1, {1.0, 1.0, 4.0},
      [&](std::size_t p, std::span<const double> u, std::span<double> r, std::span<double> jacobian)
      {
        const bool done = p == 1 && calls[p]++ > 0;
        r[0] = done ? 1e-9 : u[0] * u[0] - 2.0;
        jacobian[0] = done ? 0.0 : 2.0 * u[0];
      });
  Newton newton(loose(true));
  EXPECT_TRUE(newton.solve(system).ok());
  EXPECT_EQ(system.u[1], 1.5);
  EXPECT_NEAR(system.u[0], std::sqrt(2.0), 1e-8);
  EXPECT_NEAR(system.u[2], std::sqrt(2.0), 1e-6);
}
} // namespace neml2::solvers::test
