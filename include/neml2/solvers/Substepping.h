// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/solvers/Newton.h"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <numeric>
#include <utility>
#include <vector>

namespace neml2::solvers
{
/**
 * A system whose step from old to new forces can be walked in parts.
 *
 * - begin(points, from, to): prepares the sub-span [from, to] of [0, 1] for the points: old forces are
 *   f0 + from (f - f0), current ones f0 + to (f - f0), old states those of the last commit() of the point (at
 * first the caller's), and the iterates go back to that commit too (at first, to the initial guess). Spans
 * that were begun and failed leave no trace.
 * - commit(points): the iterates of the points are the solution at the end of the sub-span last begun.
 */
template <class S>
concept SubstepSystem = NewtonSystem<S> && requires(S & system, Points points, double x) {
  system.begin(points, x, x);
  system.commit(points);
};

/**
 * Newton's method with bisection of the step for the points that fail, up to `max_level` times.
 *
 * Both halves of a bisected span are solved alike, so that a point takes at most 2^max_level sub-steps. A
 * point that fails at the last level is given up where it stands; its earlier sub-steps have been committed,
 * and the caller is to discard them. NewtonOptions::update_tol is meant for this.
 */
class Substepping
{
public:
  Substepping(NewtonOptions options, int max_level) : _newton(std::move(options)), _max_level(max_level) {}

  /// As of Newton::solve, with the updates of all attempts in `iterations`, the norm at the start of the
  /// first attempt in `initial_norm`, and of the last one in `final_norm` and `status`.
  const NewtonResult & result() const { return _result; }

  /// Sub-steps committed, one entry per point.
  const std::vector<int> & substeps() const { return _substeps; }

  template <SubstepSystem System, std::invocable<const NewtonProgress &> Observer = NoObserver>
  const NewtonResult & solve(System & system, Observer && observer = {})
  {
    std::vector<Index> all(static_cast<std::size_t>(system.size()));
    std::iota(all.begin(), all.end(), Index(0));
    return solve(system, Points(all), observer);
  }

  /// The same for some points, in ascending order; the result's entries of the others are those of points
  /// that have converged with nothing to do.
  template <SubstepSystem System, std::invocable<const NewtonProgress &> Observer = NoObserver>
  const NewtonResult & solve(System & system, Points points, Observer && observer = {})
  {
    const auto n = static_cast<std::size_t>(system.size());
    _result.status.assign(n, PointStatus::converged);
    _result.iterations.assign(n, 0);
    _result.initial_norm.assign(n, -1.0);
    _result.final_norm.assign(n, 0.0);
    _result.failed.clear();
    _substeps.assign(n, 0);

    span(system, observer, std::vector<Index>(points.begin(), points.end()), 0.0, 1.0, 0);
    std::sort(_result.failed.begin(), _result.failed.end());
    return _result;
  }

private:
  /// Takes the points from `from` to `to`; returns those that arrived.
  template <class System, class Observer>
  std::vector<Index> span(System & system, Observer & observer, const std::vector<Index> & points,
                          double from, double to, int level)
  {
    if (points.empty())
      return {};
    system.begin(Points(points), from, to);
    const NewtonResult & attempt = _newton.solve(system, Points(points), observer);
    record(attempt, points);

    const std::vector<Index> failed = attempt.failed;
    std::vector<Index> arrived;
    std::set_difference(points.begin(), points.end(), failed.begin(), failed.end(),
                        std::back_inserter(arrived));
    if (!arrived.empty())
      system.commit(Points(arrived));
    for (const Index p : arrived)
      ++_substeps[static_cast<std::size_t>(p)];
    if (failed.empty())
      return arrived;

    if (level >= _max_level)
    {
      _result.failed.insert(_result.failed.end(), failed.begin(), failed.end());
      return arrived;
    }
    const double middle = from + 0.5 * (to - from);
    const std::vector<Index> halfway = span(system, observer, failed, from, middle, level + 1);
    const std::vector<Index> late = span(system, observer, halfway, middle, to, level + 1);
    std::vector<Index> both;
    std::merge(arrived.begin(), arrived.end(), late.begin(), late.end(), std::back_inserter(both));
    return both;
  }

  void record(const NewtonResult & attempt, const std::vector<Index> & points)
  {
    for (const Index point : points)
    {
      const auto p = static_cast<std::size_t>(point);
      _result.status[p] = attempt.status[p];
      _result.iterations[p] += attempt.iterations[p];
      if (_result.initial_norm[p] == -1.0)
        _result.initial_norm[p] = attempt.initial_norm[p];
      _result.final_norm[p] = attempt.final_norm[p];
    }
  }

  Newton _newton;
  int _max_level;
  NewtonResult _result;
  std::vector<int> _substeps;
};
} // namespace neml2::solvers
