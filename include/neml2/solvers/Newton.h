// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/solvers/LineSearch.h"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace neml2::solvers
{
/**
 * A batch of nonlinear systems r(u) = 0, one per material point, that holds its iterates u itself.
 *
 * - size(): number of points, numbered 0 ... size() - 1.
 * - linearize(points, norm2): residual and Jacobian at the iterates of the points; writes |r|^2 of each, in
 * double.
 * - step(points, slope, singular): solves J du = -r and keeps du. Writes -r . du of each point to slope,
 * unless slope is empty (no line search). Sets singular[i] = 1 where points[i] has a singular Jacobian; it is
 * 0 on entry.
 * - trial(points, alpha, norm2): |r(u + alpha du)|^2 of each; iterates stay as they are. Called in a line
 * search only.
 * - advance(points, alpha): u += alpha du.
 *
 * Points come in ascending order. The points of step() are among those of the linearize() before it, and
 * those of trial() and advance() among those of step(): what was computed may stay where it lies until the
 * next linearize(), the place to gather the points that are left. Points not in a list are to be left alone.
 * The last Jacobian computed for a point that converges is the one at its solution.
 */
template <class S>
concept NewtonSystem = requires(S & system, Points points, std::span<const double> alpha,
                                std::span<double> values, std::span<std::uint8_t> singular) {
  { system.size() } -> std::convertible_to<Index>;
  system.linearize(points, values);
  system.step(points, values, singular);
  system.trial(points, alpha, values);
  system.advance(points, alpha);
};

/**
 * A system that can also tell the size of its last update.
 *
 * - update_norms(points, du, u): norms of the last alpha du applied and of the iterate, one each per point.
 */
template <class S>
concept HasUpdateNorms = requires(S & system, Points points, std::span<double> values) {
  system.update_norms(points, values, values);
};

struct NewtonOptions
{
  /// A point has converged when |r| < abs_tol or |r|/|r0| < rel_tol.
  double abs_tol = 1e-10;
  double rel_tol = 1e-8;
  /// One more than the updates made at most.
  int max_its = 25;
  /// If set, the relative test also asks for |du| < update_tol (|u| + abs_tol); the system must have
  /// update_norms().
  std::optional<double> update_tol;
  std::optional<LineSearchOptions> line_search;
  /// Whether a point that has converged by the relative test alone takes one more full step, with the
  /// Jacobian that is there already. Its error then is of the second order in rel_tol, at the price of a
  /// linear solve.
  bool final_update = false;
};

enum class PointStatus : std::uint8_t
{
  converged,
  /// Not converged when the updates were used up.
  max_iterations,
  /// The residual's norm is NaN or infinite.
  not_finite,
  /// The Jacobian is singular.
  singular
};

/// What became of each point; all arrays have one entry per point of the system.
struct NewtonResult
{
  std::vector<PointStatus> status;
  /// Updates made.
  std::vector<int> iterations;
  std::vector<double> initial_norm;
  std::vector<double> final_norm;
  /// Points of the last solve that did not converge, ascending.
  std::vector<Index> failed;

  bool ok() const { return failed.empty(); }
};

/// State of a solve after `iteration` updates, for an observer.
struct NewtonProgress
{
  int iteration;
  /// Points whose residual was just evaluated, and what became of all points so far.
  Index evaluated;
  Index active;
  Index converged;
  Index failed;
  /// Largest residual norm among those just evaluated (NaN counts as largest), and whose it is.
  double worst_norm;
  Index worst_point;
  /// Smallest step length of the last update; 1 without a line search.
  double smallest_step;
};

/// The observer that costs nothing.
struct NoObserver
{
  void operator()(const NewtonProgress &) const {}
};

/**
 * Newton's method for a batch of points, each on its own: a point that has converged, or failed, is left
 * alone while the others go on. The result of a point does not depend on who else is in the batch.
 *
 * Nothing is thrown for points that fail; see NewtonResult. Buffers are kept between solves: use one object
 * per thread.
 */
class Newton
{
public:
  explicit Newton(NewtonOptions options = {}) : _options(std::move(options)) {}

  const NewtonOptions & options() const { return _options; }
  const NewtonResult & result() const { return _result; }

  /// Solves for all points from the iterates the system holds. The observer is called once per linearize().
  template <NewtonSystem System, std::invocable<const NewtonProgress &> Observer = NoObserver>
  const NewtonResult & solve(System & system, Observer && observer = {})
  {
    resize(system.size());
    _active.resize(_result.status.size());
    for (std::size_t i = 0; i < _active.size(); ++i)
      _active[i] = static_cast<Index>(i);
    return iterate(system, observer);
  }

  /// The same for some points, in ascending order; the result's entries of the others stay as they are.
  template <NewtonSystem System, std::invocable<const NewtonProgress &> Observer = NoObserver>
  const NewtonResult & solve(System & system, Points points, Observer && observer = {})
  {
    resize(system.size());
    _active.assign(points.begin(), points.end());
    return iterate(system, observer);
  }

private:
  template <class System, class Observer>
  const NewtonResult & iterate(System & system, Observer & observer)
  {
    constexpr bool observed = !std::is_same_v<std::remove_cvref_t<Observer>, NoObserver>;
    if constexpr (!HasUpdateNorms<System>)
      if (_options.update_tol)
        throw std::invalid_argument("update_tol needs a system with update_norms()");

    _result.failed.clear();
    _last.clear();
    _norm2.resize(_active.size());
    const auto total = static_cast<Index>(_active.size());
    double smallest_step = 1.0;

    for (int iteration = 0; !_active.empty(); ++iteration)
    {
      system.linearize(Points(_active), first(_norm2));
      NewtonProgress progress{};
      if constexpr (observed)
        progress = worst(iteration, smallest_step);
      classify(system, iteration);
      if constexpr (observed)
      {
        progress.active = static_cast<Index>(_active.size());
        progress.failed = static_cast<Index>(_result.failed.size());
        progress.converged = total - progress.active - progress.failed;
        observer(std::as_const(progress));
      }
      if (iteration + 1 >= _options.max_its)
        give_up();
      if (_active.empty() && _last.empty())
        break;

      update(system);
      if constexpr (observed)
        smallest_step = _active.empty() ? 1.0 : *std::min_element(_alpha.begin(), _alpha.end());
    }
    std::sort(_result.failed.begin(), _result.failed.end());
    return _result;
  }

  void resize(Index size)
  {
    const auto n = static_cast<std::size_t>(size);
    _result.status.resize(n);
    _result.iterations.resize(n);
    _result.initial_norm.resize(n);
    _result.final_norm.resize(n);
  }

  std::span<double> first(std::vector<double> & values) { return std::span(values).first(_active.size()); }

  void finish(Index point, PointStatus status)
  {
    _result.status[static_cast<std::size_t>(point)] = status;
    if (status != PointStatus::converged)
      _result.failed.push_back(point);
  }

  /// Records the norms; points that have converged or cannot go on leave the list.
  template <class System>
  void classify(System & system, int iteration)
  {
    const bool test_update = _options.update_tol && iteration > 0;
    if constexpr (HasUpdateNorms<System>)
      if (test_update)
      {
        _du.resize(_active.size());
        _u.resize(_active.size());
        system.update_norms(Points(_active), std::span(_du), std::span(_u));
      }

    std::size_t kept = 0;
    for (std::size_t i = 0; i < _active.size(); ++i)
    {
      const Index point = _active[i];
      const auto p = static_cast<std::size_t>(point);
      const double norm = std::sqrt(_norm2[i]);
      if (iteration == 0)
        _result.initial_norm[p] = norm;
      _result.final_norm[p] = norm;
      _result.iterations[p] = iteration;

      const bool settled = !test_update || _du[i] < *_options.update_tol * (_u[i] + _options.abs_tol);
      if (norm < _options.abs_tol || (norm / _result.initial_norm[p] < _options.rel_tol && settled))
      {
        finish(point, PointStatus::converged);
        if (_options.final_update && norm >= _options.abs_tol)
          _last.push_back(point);
      }
      else if (!std::isfinite(norm))
        finish(point, PointStatus::not_finite);
      else
      {
        _active[kept] = point;
        _norm2[kept] = _norm2[i];
        ++kept;
      }
    }
    _active.resize(kept);
  }

  void give_up()
  {
    for (const Index point : _active)
      finish(point, PointStatus::max_iterations);
    _active.clear();
  }

  /// One step of the active points, and the final one of those that have just converged.
  template <class System>
  void update(System & system)
  {
    const bool search = _options.line_search && _options.line_search->max_iterations > 1;
    _points.clear();
    std::merge(_active.begin(), _active.end(), _last.begin(), _last.end(), std::back_inserter(_points));
    _singular.assign(_points.size(), 0);
    _slope.resize(search ? _points.size() : 0);
    system.step(Points(_points), std::span(_slope), std::span(_singular));
    drop_singular(search);
    if (!_points.empty())
    {
      _alpha.assign(_active.size(), 1.0);
      if (search)
        _line_search.search(system, *_options.line_search, _options.abs_tol, Points(_active), first(_norm2),
                            first(_slope), _alpha);
      spread_steps();
      system.advance(Points(_points), std::span<const double>(_alpha));
    }
    _last.clear();
  }

  /// Points with a singular Jacobian fail; those that have converged merely take no final step.
  void drop_singular(bool search)
  {
    std::size_t kept = 0;
    std::size_t active = 0;
    std::size_t last = 0;
    for (std::size_t i = 0, from = 0; i < _points.size(); ++i)
    {
      const Index point = _points[i];
      const bool is_active = from < _active.size() && _active[from] == point;
      const std::size_t slot = from;
      from += is_active;
      if (_singular[i])
      {
        if (is_active)
          finish(point, PointStatus::singular);
        continue;
      }
      _points[kept++] = point;
      if (!is_active)
      {
        _last[last++] = point;
        continue;
      }
      _active[active] = point;
      _norm2[active] = _norm2[slot];
      if (search)
        _slope[active] = _slope[i];
      ++active;
    }
    _points.resize(kept);
    _active.resize(active);
    _last.resize(last);
  }

  /// From step lengths of the active points to those of all that move; a final step is a full one.
  void spread_steps()
  {
    if (_last.empty())
      return;
    std::size_t from = _active.size();
    _alpha.resize(_points.size());
    for (std::size_t i = _points.size(); i-- > 0;)
      _alpha[i] = from > 0 && _active[from - 1] == _points[i] ? _alpha[--from] : 1.0;
  }

  /// The part of the progress that is about the points just evaluated.
  NewtonProgress worst(int iteration, double smallest_step) const
  {
    NewtonProgress progress{};
    progress.iteration = iteration;
    progress.evaluated = static_cast<Index>(_active.size());
    progress.smallest_step = smallest_step;
    progress.worst_norm = -1.0;
    for (std::size_t i = 0; i < _active.size(); ++i)
      if (!(_norm2[i] <= progress.worst_norm) && !std::isnan(progress.worst_norm))
      {
        progress.worst_norm = _norm2[i];
        progress.worst_point = _active[i];
      }
    progress.worst_norm = std::sqrt(progress.worst_norm);
    return progress;
  }

  NewtonOptions _options;
  NewtonResult _result;
  LineSearch _line_search;
  /// Points that have just converged and take a final step; these and the active ones together.
  std::vector<Index> _last;
  std::vector<Index> _points;
  /// Points still iterating; the arrays below have one entry for each.
  std::vector<Index> _active;
  std::vector<double> _norm2;
  std::vector<double> _slope;
  std::vector<double> _alpha;
  std::vector<double> _du;
  std::vector<double> _u;
  std::vector<std::uint8_t> _singular;
};
} // namespace neml2::solvers
