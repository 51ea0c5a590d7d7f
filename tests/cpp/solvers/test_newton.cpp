// SPDX-License-Identifier: MIT
#include "systems.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace
{
using namespace neml2::solvers;
using neml2::solvers::test::PointwiseSystem;
using neml2::solvers::test::scalar_system;

/// Gradient of (1 - x)^2 + 100 (y - x^2)^2; its root is (1, 1).
void rosenbrock(std::size_t, std::span<const double> u, std::span<double> r, std::span<double> jacobian)
{
  const double x = u[0], y = u[1];
  r[0] = -2.0 * (1.0 - x) - 400.0 * x * (y - x * x);
  r[1] = 200.0 * (y - x * x);
  jacobian[0] = 2.0 - 400.0 * (y - 3.0 * x * x);
  jacobian[1] = jacobian[2] = -400.0 * x;
  jacobian[3] = 200.0;
}

/// Backward-Euler relaxation of an overstress s: s - s0 + dt E (s/eta)^n = 0.
std::pair<double, double> power_law(double s, double s0, double rate, double n)
{
  const double flow = rate * std::pow(std::abs(s), n);
  return {s - s0 + std::copysign(flow, s), 1.0 + n * rate * std::pow(std::abs(s), n - 1.0)};
}

/// Points that need from 1 to some 20 updates.
PointwiseSystem mixed_batch(std::size_t size, std::size_t offset = 0)
{
  std::vector<double> guess(size);
  for (std::size_t p = 0; p < size; ++p)
    guess[p] = 1.0 + 0.7 * static_cast<double>((p + offset) * (p + offset) % 23);
  return scalar_system(guess,
                       [offset](std::size_t p, double u)
                       {
                         const double n = 1.0 + static_cast<double>((p + offset) % 9);
                         return power_law(u, 1.0 + 0.1 * static_cast<double>(p + offset), 0.5, n);
                       });
}

TEST(Newton, SolvesALinearSystemInOneUpdate)
{
  PointwiseSystem system(
      2, {0.0, 0.0},
      [](std::size_t, std::span<const double> u, std::span<double> r, std::span<double> jacobian)
      {
        r[0] = 2.0 * u[0] + u[1] - 4.0;
        r[1] = u[0] - 3.0 * u[1] + 5.0;
        jacobian[0] = 2.0;
        jacobian[1] = jacobian[2] = 1.0;
        jacobian[3] = -3.0;
      });
  Newton newton;
  const NewtonResult & result = newton.solve(system);
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.status[0], PointStatus::converged);
  EXPECT_EQ(result.iterations[0], 1);
  EXPECT_DOUBLE_EQ(result.initial_norm[0], std::sqrt(41.0));
  EXPECT_LT(result.final_norm[0], 1e-10);
  EXPECT_NEAR(system.u[0], 1.0, 1e-14);
  EXPECT_NEAR(system.u[1], 2.0, 1e-14);
}

TEST(Newton, FindsTheMinimumOfRosenbrocksFunction)
{
  PointwiseSystem system(2, {-1.2, 1.0, 0.0, 0.0, 3.0, -4.0}, rosenbrock);
  NewtonOptions options;
  options.rel_tol = 0.0;
  Newton newton(options);
  EXPECT_TRUE(newton.solve(system).ok());
  for (const double u : system.u)
    EXPECT_NEAR(u, 1.0, 1e-11);
}

TEST(Newton, SolvesAStiffPowerLaw)
{
  // Exponent 30: the full step from the elastic trial stress creeps down by the factor 1 - 1/n.
  auto system =
      scalar_system({3.0, 1.5, 0.5}, [](std::size_t, double u) { return power_law(u, 3.0, 10.0, 30.0); });
  NewtonOptions options;
  options.max_its = 100;
  options.rel_tol = 0.0;
  options.abs_tol = 1e-12;
  Newton newton(options);
  EXPECT_TRUE(newton.solve(system).ok());
  for (std::size_t p = 0; p < 3; ++p)
  {
    const auto [r, slope] = power_law(system.u[p], 3.0, 10.0, 30.0);
    EXPECT_LT(std::abs(r / slope), 1e-13);
    EXPECT_NEAR(std::log(system.u[p]), std::log((3.0 - system.u[p]) / 10.0) / 30.0, 1e-13);
    EXPECT_GT(newton.result().iterations[p], 10);
  }
}

TEST(Newton, ReportsAPointWithoutARoot)
{
  auto system = scalar_system({0.3, 0.3, 0.3}, [](std::size_t p, double u)
                              { return std::pair{p == 1 ? u * u + 1.0 : u * u - 1.0, 2.0 * u}; });
  Newton newton;
  const NewtonResult & result = newton.solve(system);
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.failed, std::vector<Index>{1});
  EXPECT_EQ(result.status[1], PointStatus::max_iterations);
  EXPECT_GE(result.final_norm[1], 1.0);
  EXPECT_NEAR(system.u[0], 1.0, 1e-9);
  EXPECT_EQ(system.u[0], system.u[2]);
}

TEST(Newton, CountsIterationsAsDocumented)
{
  for (const int max_its : {-3, 0, 1, 2, 5, 25})
  {
    // |u|^(1/2) makes the iterates jump between u and -u for ever.
    auto system = scalar_system(
        {1.0}, [](std::size_t, double u)
        { return std::pair{std::sqrt(std::abs(u)), std::copysign(0.5, u) / std::sqrt(std::abs(u))}; });
    NewtonOptions options;
    options.max_its = max_its;
    Newton newton(options);
    const int updates = std::max(max_its - 1, 0);
    EXPECT_EQ(newton.solve(system).status[0], PointStatus::max_iterations);
    EXPECT_EQ(newton.result().iterations[0], updates);
    EXPECT_EQ(system.linearized[0], updates + 1);
    EXPECT_EQ(system.advanced[0], updates);
    EXPECT_EQ(system.tried[0], 0);
  }
}

TEST(Newton, TestsAreStrict)
{
  // Halving residual: u -> u/2 with r = u.
  const auto halving = [](std::size_t, double u) { return std::pair{u, 2.0}; };
  NewtonOptions options;
  options.rel_tol = 0.0;
  options.abs_tol = 0.25;
  auto absolute = scalar_system({1.0, 0.25, 0.2}, halving);
  Newton newton(options);
  EXPECT_EQ(newton.solve(absolute).iterations, (std::vector<int>{3, 1, 0}));

  options.rel_tol = 0.25;
  options.abs_tol = 0.0;
  auto relative = scalar_system({1.0, 16.0}, halving);
  newton = Newton(options);
  EXPECT_EQ(newton.solve(relative).iterations, (std::vector<int>{3, 3}));

  // The relative test is 1 at the start, and 0/0 never passes.
  auto zero = scalar_system({0.0}, halving);
  EXPECT_EQ(newton.solve(zero).status[0], PointStatus::max_iterations);
}

TEST(Newton, StopsPointsThatLeaveTheDomain)
{
  // log(u): the first update from 10 goes to a negative u.
  auto system = scalar_system({10.0, 2.0, -1.0, 0.5},
                              [](std::size_t p, double u)
                              {
                                return p == 3 ? std::pair{std::numeric_limits<double>::infinity(), 1.0}
                                              : std::pair{std::log(u), 1.0 / u};
                              });
  Newton newton;
  const NewtonResult & result = newton.solve(system);
  EXPECT_EQ(result.failed, (std::vector<Index>{0, 2, 3}));
  EXPECT_EQ(result.status[0], PointStatus::not_finite);
  EXPECT_EQ(result.iterations[0], 1);
  EXPECT_TRUE(std::isnan(result.final_norm[0]));
  EXPECT_EQ(result.status[2], PointStatus::not_finite);
  EXPECT_EQ(result.iterations[2], 0);
  EXPECT_EQ(result.status[3], PointStatus::not_finite);
  EXPECT_NEAR(system.u[1], 1.0, 1e-10);
}

TEST(Newton, ReportsASingularJacobianByPoint)
{
  auto system =
      scalar_system({0.0, 3.0, 2.0}, [](std::size_t, double u) { return std::pair{u * u - 4.0, 2.0 * u}; });
  Newton newton;
  const NewtonResult & result = newton.solve(system);
  EXPECT_EQ(result.failed, std::vector<Index>{0});
  EXPECT_EQ(result.status[0], PointStatus::singular);
  EXPECT_EQ(result.iterations[0], 0);
  EXPECT_EQ(system.advanced[0], 0);
  EXPECT_EQ(system.u[0], 0.0);
  EXPECT_EQ(result.final_norm[0], 4.0);
  EXPECT_NEAR(system.u[1], 2.0, 1e-9);
}

TEST(Newton, FreezesConvergedPoints)
{
  auto system = mixed_batch(40);
  Newton newton;
  const NewtonResult & result = newton.solve(system);
  EXPECT_TRUE(result.ok());
  int different = 0;
  for (std::size_t p = 0; p < 40; ++p)
  {
    EXPECT_EQ(system.linearized[p], result.iterations[p] + 1);
    EXPECT_EQ(system.advanced[p], result.iterations[p]);
    different += result.iterations[p] != result.iterations[0];
  }
  EXPECT_GT(different, 20);
  EXPECT_EQ(system.linearize_calls,
            1 + *std::max_element(result.iterations.begin(), result.iterations.end()));
}

TEST(Newton, ABatchIsItsPointsOneByOne)
{
  for (const bool search : {false, true})
  {
    NewtonOptions options;
    if (search)
      options.line_search = LineSearchOptions{};
    auto batch = mixed_batch(40);
    Newton newton(options);
    const NewtonResult together = newton.solve(batch);
    for (std::size_t p = 0; p < 40; ++p)
    {
      auto single = mixed_batch(1, p);
      const NewtonResult & alone = newton.solve(single);
      EXPECT_EQ(single.u[0], batch.u[p]);
      EXPECT_EQ(alone.status[0], together.status[p]);
      EXPECT_EQ(alone.iterations[0], together.iterations[p]);
      EXPECT_EQ(alone.final_norm[0], together.final_norm[p]);
    }
  }
}

TEST(Newton, SolvesForSomePointsOnly)
{
  auto system = mixed_batch(6);
  const std::vector<double> before = system.u;
  Newton newton;
  const std::vector<Index> points{1, 4};
  EXPECT_TRUE(newton.solve(system, Points(points)).ok());
  for (std::size_t p = 0; p < 6; ++p)
    EXPECT_EQ(system.linearized[p] > 0, p == 1 || p == 4);
  EXPECT_EQ(system.u[0], before[0]);
  EXPECT_EQ(system.u[5], before[5]);
}

TEST(Newton, EmptyBatch)
{
  auto system = mixed_batch(0);
  Newton newton;
  EXPECT_TRUE(newton.solve(system).ok());
  EXPECT_EQ(system.linearize_calls, 0);
}

TEST(Newton, ObserverSeesEveryIteration)
{
  auto system = scalar_system({1.0, 8.0, 0.0, 2.0}, [](std::size_t p, double u)
                              { return p == 3 ? std::pair{1.0, 0.0} : std::pair{u, 2.0}; });
  NewtonOptions options;
  options.abs_tol = 0.75;
  options.rel_tol = 0.0;
  std::vector<NewtonProgress> log;
  Newton newton(options);
  newton.solve(system, [&](const NewtonProgress & progress) { log.push_back(progress); });
  ASSERT_EQ(log.size(), 5u);

  const std::vector<double> worst{8.0, 4.0, 2.0, 1.0, 0.5};
  const std::vector<Index> evaluated{4, 2, 1, 1, 1};
  const std::vector<Index> active{3, 1, 1, 1, 0};
  const std::vector<Index> converged{1, 2, 2, 2, 3};
  for (std::size_t i = 0; i < log.size(); ++i)
  {
    EXPECT_EQ(log[i].iteration, static_cast<int>(i));
    EXPECT_EQ(log[i].worst_norm, worst[i]);
    EXPECT_EQ(log[i].worst_point, 1);
    EXPECT_EQ(log[i].evaluated, evaluated[i]);
    EXPECT_EQ(log[i].active, active[i]);
    EXPECT_EQ(log[i].converged, converged[i]);
    EXPECT_EQ(log[i].failed, i == 0 ? 0 : 1);
    EXPECT_EQ(log[i].smallest_step, 1.0);
  }
}

TEST(Newton, UpdateToleranceNeedsASystemThatKnowsItsUpdates)
{
  auto system = mixed_batch(1);
  NewtonOptions options;
  options.update_tol = 1e-6;
  Newton newton(options);
  EXPECT_THROW(newton.solve(system), std::invalid_argument);
}
} // namespace
