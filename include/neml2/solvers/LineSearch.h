// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace neml2::solvers
{
using Index = std::int64_t;

/// Material points by number, ascending.
using Points = std::span<const Index>;

enum class LineSearchType : std::uint8_t
{
  backtracking,
  strong_wolfe
};

struct LineSearchOptions
{
  LineSearchType type = LineSearchType::backtracking;
  /// One more than the trials made; 1 or less takes the full step untried.
  int max_iterations = 10;
  /// A refused step is divided by this.
  double cutback = 2.0;
  /// c of the acceptance rule.
  double stopping_criteria = 1e-3;
};

/**
 * Whether the step alpha du is acceptable.
 *
 * @param norm2 squared norm of the residual before the step
 * @param slope -r . du
 * @param trial squared norm of the residual after it; NaN is refused
 */
inline bool accepts(const LineSearchOptions & options, double abs_tol, double norm2, double slope,
                    double alpha, double trial)
{
  const double c = options.stopping_criteria;
  const double limit = options.type == LineSearchType::backtracking ? norm2 - 2.0 * c * alpha * slope
                                                                    : (1.0 - c * alpha) * norm2;
  return trial <= limit || trial <= abs_tol * abs_tol;
}

/// A step length for each material point on its own.
class LineSearch
{
public:
  /**
   * Tries alpha = 1, 1/cutback, ... until the step of a point is acceptable. A point that runs out of trials
   * keeps the last one tried.
   *
   * @param system system.trial(points, alpha, norm2) evaluates the residual's squared norm after the step
   * alpha du
   * @param norm2, slope as in accepts(), one per active point
   * @param[out] alpha step length, one per active point
   */
  template <class System>
  void search(System & system, const LineSearchOptions & options, double abs_tol, Points active,
              std::span<const double> norm2, std::span<const double> slope, std::span<double> alpha)
  {
    for (double & a : alpha)
      a = 1.0;
    _points.assign(active.begin(), active.end());
    _slots.resize(active.size());
    for (std::size_t i = 0; i < active.size(); ++i)
      _slots[i] = i;
    _alpha.assign(active.size(), 1.0);
    _trial.resize(active.size());

    for (int k = 1; k < options.max_iterations && !_points.empty(); ++k)
    {
      const std::size_t pending = _points.size();
      system.trial(Points(_points), std::span<const double>(_alpha),
                   std::span<double>(_trial).first(pending));

      std::size_t refused = 0;
      for (std::size_t i = 0; i < pending; ++i)
      {
        const std::size_t slot = _slots[i];
        alpha[slot] = _alpha[i];
        if (accepts(options, abs_tol, norm2[slot], slope[slot], _alpha[i], _trial[i]))
          continue;
        _points[refused] = _points[i];
        _slots[refused] = slot;
        _alpha[refused] = _alpha[i] / options.cutback;
        ++refused;
      }
      _points.resize(refused);
      _slots.resize(refused);
      _alpha.resize(refused);
    }
  }

private:
  /// Points still searching, their places among the active points, their next step and its residual.
  std::vector<Index> _points;
  std::vector<std::size_t> _slots;
  std::vector<double> _alpha;
  std::vector<double> _trial;
};
} // namespace neml2::solvers
