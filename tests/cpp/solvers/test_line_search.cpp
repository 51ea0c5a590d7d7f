// SPDX-License-Identifier: MIT
#include "systems.h"

#include <gtest/gtest.h>

#include <cmath>

namespace
{
using namespace neml2::solvers;
using neml2::solvers::test::scalar_system;

TEST(LineSearch, AcceptanceRulesByHand)
{
  LineSearchOptions options;
  options.stopping_criteria = 0.25;
  // |b|^2 = 4, b.du = 3, alpha = 1/2: 4 - 2 * 0.25 * 0.5 * 3 = 3.25.
  options.type = LineSearchType::backtracking;
  EXPECT_TRUE(accepts(options, 0.0, 4.0, 3.0, 0.5, 3.25));
  EXPECT_FALSE(accepts(options, 0.0, 4.0, 3.0, 0.5, std::nextafter(3.25, 4.0)));
  // (1 - 0.25 * 0.5) * 4 = 3.5, whatever the slope.
  options.type = LineSearchType::strong_wolfe;
  EXPECT_TRUE(accepts(options, 0.0, 4.0, 3.0, 0.5, 3.5));
  EXPECT_TRUE(accepts(options, 0.0, 4.0, -9.0, 0.5, 3.5));
  EXPECT_FALSE(accepts(options, 0.0, 4.0, 3.0, 0.5, std::nextafter(3.5, 4.0)));
  // A residual below the absolute tolerance is good enough.
  EXPECT_TRUE(accepts(options, 2.0, 0.5, 3.0, 1.0, 4.0));
  EXPECT_FALSE(accepts(options, 2.0, 0.5, 3.0, 1.0, std::nextafter(4.0, 5.0)));
  EXPECT_FALSE(accepts(options, 2.0, 0.5, 3.0, 1.0, std::nan("")));
}

/// r(u) is what the test says; the step is always du = 1 from u = 0.
struct Scripted
{
  std::vector<std::function<double(double)>> norm2;
  std::vector<std::vector<double>> tried = std::vector<std::vector<double>>(norm2.size());

  void trial(Points points, std::span<const double> alpha, std::span<double> out)
  {
    for (std::size_t i = 0; i < points.size(); ++i)
    {
      const auto p = static_cast<std::size_t>(points[i]);
      tried[p].push_back(alpha[i]);
      out[i] = norm2[p](alpha[i]);
    }
  }
};

TEST(LineSearch, EachPointFindsItsOwnStep)
{
  Scripted system{{[](double) { return 0.0; }, [](double a) { return a > 0.3 ? 2.0 : 0.5; },
                   [](double) { return 2.0; }, [](double a) { return a > 0.6 ? std::nan("") : 0.5; }}};
  LineSearchOptions options;
  LineSearch search;
  const std::vector<Index> points{0, 1, 2, 3};
  const std::vector<double> norm2(4, 1.0), slope(4, 1.0);
  std::vector<double> alpha(4);
  search.search(system, options, 0.0, points, norm2, slope, alpha);
  // Nine trials by default, the last of which is kept: 2^-8.
  EXPECT_EQ(alpha, (std::vector<double>{1.0, 0.25, 0.00390625, 0.5}));
  EXPECT_EQ(system.tried[0].size(), 1u);
  EXPECT_EQ(system.tried[1], (std::vector<double>{1.0, 0.5, 0.25}));
  EXPECT_EQ(system.tried[2].size(), 9u);
  EXPECT_EQ(system.tried[3].size(), 2u);

  options.cutback = 4.0;
  options.max_iterations = 3;
  search.search(system, options, 0.0, points, norm2, slope, alpha);
  EXPECT_EQ(alpha, (std::vector<double>{1.0, 0.25, 0.25, 0.25}));

  options.max_iterations = 1;
  system.tried.assign(4, {});
  search.search(system, options, 0.0, points, norm2, slope, alpha);
  EXPECT_EQ(alpha, (std::vector<double>(4, 1.0)));
  EXPECT_TRUE(system.tried[0].empty());
}

TEST(LineSearch, MakesNewtonConvergeWhereItDiverges)
{
  const auto arctan = [](std::size_t, double u) { return std::pair{std::atan(u), 1.0 / (1.0 + u * u)}; };
  auto plain = scalar_system({3.0, 1.0}, arctan);
  NewtonOptions options;
  options.rel_tol = 0.0;
  Newton newton(options);
  EXPECT_EQ(newton.solve(plain).failed, std::vector<Index>{0});

  for (const auto type : {LineSearchType::backtracking, LineSearchType::strong_wolfe})
  {
    options.line_search = LineSearchOptions{.type = type};
    auto searched = scalar_system({3.0, 1.0}, arctan);
    Newton with(options);
    std::vector<double> smallest;
    EXPECT_TRUE(
        with.solve(searched, [&](const NewtonProgress & p) { smallest.push_back(p.smallest_step); }).ok());
    EXPECT_NEAR(searched.u[0], 0.0, 1e-10);
    // The point that never needed a shorter step went as it does without a line search.
    EXPECT_EQ(searched.u[1], plain.u[1]);
    EXPECT_EQ(with.result().iterations[1], newton.result().iterations[1]);
    EXPECT_EQ(smallest[0], 1.0);
    // By hand, from 3: du = -12.49; alpha = 1/4 is the first to reach |atan| < atan(3).
    EXPECT_EQ(searched.trial_steps[0], 1.0);
    EXPECT_EQ(smallest[1], 0.25);
  }
}

TEST(LineSearch, OneIterationOrLessIsTheFullStep)
{
  const auto f = [](std::size_t, double u) { return std::pair{u * u - 2.0, 2.0 * u}; };
  auto plain = scalar_system({3.0}, f);
  Newton().solve(plain);
  NewtonOptions options;
  options.line_search = LineSearchOptions{.max_iterations = 1};
  auto searched = scalar_system({3.0}, f);
  Newton(options).solve(searched);
  EXPECT_EQ(searched.u, plain.u);
  EXPECT_TRUE(searched.trial_steps.empty());
}
} // namespace
