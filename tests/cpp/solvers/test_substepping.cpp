// SPDX-License-Identifier: MIT
#include "systems.h"

#include "neml2/solvers/Substepping.h"

#include <gtest/gtest.h>

#include <cmath>

namespace
{
using namespace neml2::solvers;
using neml2::solvers::test::PointwiseSystem;

/**
 * Backward Euler for du/dt = rate, solved as r = u - u0 - rate (t - t0) = 0 with an artificial limit: a point
 * refuses (NaN) sub-steps longer than its `limit`. The sum of all steps is rate (t1 - t0) however it is cut.
 */
class Ramp
{
  std::vector<double> _limits;
  double _rate;
  double _from = 0.0;
  double _to = 1.0;

public:
  Ramp(std::vector<double> limits, double rate) : _limits(std::move(limits)), _rate(rate), _system(make()) {}

  Index size() const { return _system.size(); }
  void linearize(Points points, std::span<double> norm2) { _system.linearize(points, norm2); }
  void step(Points points, std::span<double> slope, std::span<std::uint8_t> singular)
  {
    _before = _system.u;
    _system.step(points, slope, singular);
  }
  void trial(Points points, std::span<const double> alpha, std::span<double> norm2)
  {
    _system.trial(points, alpha, norm2);
  }
  void advance(Points points, std::span<const double> alpha) { _system.advance(points, alpha); }
  void update_norms(Points points, std::span<double> du, std::span<double> u)
  {
    for (std::size_t i = 0; i < points.size(); ++i)
    {
      const auto p = static_cast<std::size_t>(points[i]);
      du[i] = std::abs(_system.u[p] - _before[p]);
      u[i] = std::abs(_system.u[p]);
    }
  }
  void begin(Points points, double from, double to)
  {
    spans.push_back({from, to, {points.begin(), points.end()}});
    for (const Index p : points)
      _system.u[static_cast<std::size_t>(p)] = old[static_cast<std::size_t>(p)];
    _from = from;
    _to = to;
  }
  void commit(Points points)
  {
    for (const Index p : points)
      old[static_cast<std::size_t>(p)] = _system.u[static_cast<std::size_t>(p)];
  }

  struct Span
  {
    double from, to;
    std::vector<Index> points;
    bool operator==(const Span &) const = default;
  };
  std::vector<Span> spans;
  std::vector<double> old = std::vector<double>(_limits.size());

private:
  PointwiseSystem make()
  {
    return {1, std::vector<double>(_limits.size()),
            [this](std::size_t p, std::span<const double> u, std::span<double> r, std::span<double> jacobian)
            {
              r[0] = _to - _from > _limits[p] ? std::nan("") : u[0] - old[p] - _rate * (_to - _from);
              jacobian[0] = 1.0;
            }};
  }

  std::vector<double> _before;
  PointwiseSystem _system;
};

TEST(Substepping, BisectsOnlyWhereItMust)
{
  Ramp ramp({1.0, 0.5, 0.25, 1.0}, 3.0);
  Substepping solver({}, 2);
  const NewtonResult & result = solver.solve(ramp);
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(solver.substeps(), (std::vector<int>{1, 2, 4, 1}));
  for (const double u : ramp.old)
    EXPECT_NEAR(u, 3.0, 1e-14);
  const std::vector<Ramp::Span> expected{{0.0, 1.0, {0, 1, 2, 3}}, {0.0, 0.5, {1, 2}}, {0.0, 0.25, {2}},
                                         {0.25, 0.5, {2}},         {0.5, 1.0, {1, 2}}, {0.5, 0.75, {2}},
                                         {0.75, 1.0, {2}}};
  EXPECT_EQ(ramp.spans, expected);
  EXPECT_EQ(result.iterations, (std::vector<int>{1, 2, 4, 1}));
}

TEST(Substepping, GivesUpAtTheLastLevel)
{
  Ramp ramp({0.25, 1.0, 0.1, 0.0}, 3.0);
  Substepping solver({}, 2);
  const NewtonResult & result = solver.solve(ramp);
  EXPECT_EQ(result.failed, (std::vector<Index>{2, 3}));
  EXPECT_EQ(result.status[2], PointStatus::not_finite);
  EXPECT_EQ(solver.substeps(), (std::vector<int>{4, 1, 0, 0}));
  EXPECT_NEAR(ramp.old[0], 3.0, 1e-14);
  // A point that has failed is not asked for the second half.
  for (const auto & span : ramp.spans)
  {
    if (span.from > 0.0)
    {
      EXPECT_EQ(span.points, std::vector<Index>{0});
    }
  }
}

TEST(Substepping, LevelZeroIsNewton)
{
  Ramp ramp({1.0, 0.5}, 3.0);
  Substepping solver({}, 0);
  EXPECT_EQ(solver.solve(ramp).failed, std::vector<Index>{1});
  EXPECT_EQ(ramp.spans.size(), 1u);
}

TEST(Substepping, UpdateToleranceHoldsTheRelativeTestBack)
{
  // r = u with the Jacobian 2: each update halves u, and |du| = |u| after it.
  class Halving : public PointwiseSystem
  {
  public:
    Halving()
        : PointwiseSystem(
              1, {1.0},
              [](std::size_t, std::span<const double> x, std::span<double> r, std::span<double> jacobian)
              {
                r[0] = x[0];
                jacobian[0] = 2.0;
              })
    {
    }
    void update_norms(Points, std::span<double> du, std::span<double> norm)
    {
      du[0] = norm[0] = std::abs(u[0]);
    }
  };
  NewtonOptions options;
  options.abs_tol = 1e-3;
  options.rel_tol = 0.3;
  Halving loose;
  EXPECT_EQ(Newton(options).solve(loose).iterations[0], 2);
  // |du| < 0.5 |u| never holds: only the absolute test is left, 2^-10 < 1e-3.
  options.update_tol = 0.5;
  Halving strict;
  EXPECT_EQ(Newton(options).solve(strict).iterations[0], 10);
  // |du| < 2 (|u| + abs_tol) always does.
  options.update_tol = 2.0;
  Halving easy;
  EXPECT_EQ(Newton(options).solve(easy).iterations[0], 2);
}
} // namespace
