// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/solvers/DenseLU.h"
#include "neml2/solvers/Newton.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace neml2::solvers::test
{
/// Residual (n) and Jacobian (n, n) of one material point at u (n).
using PointFunction = std::function<void(std::size_t point, std::span<const double> u, std::span<double> r,
                                         std::span<double> jacobian)>;

/// A batch of independent systems of n unknowns, with a log of the calls it got.
class PointwiseSystem
{
public:
  PointwiseSystem(std::size_t n, std::vector<double> guess, PointFunction function)
      : u(std::move(guess)), _n(n), _function(std::move(function)), _du(u.size()), _r(u.size()),
        _jacobian(u.size() * n), linearized(u.size() / n), tried(u.size() / n), advanced(u.size() / n)
  {
  }

  Index size() const { return static_cast<Index>(u.size() / _n); }

  void linearize(Points points, std::span<double> norm2)
  {
    ++linearize_calls;
    for (std::size_t k = 0; k < points.size(); ++k)
    {
      const auto p = static_cast<std::size_t>(points[k]);
      ++linearized[p];
      _function(p, of(u, p), std::span(_r).subspan(p * _n, _n),
                std::span(_jacobian).subspan(p * _n * _n, _n * _n));
      norm2[k] = dot(of(_r, p), of(_r, p));
    }
  }

  void step(Points points, std::span<double> slope, std::span<std::uint8_t> singular)
  {
    constexpr int lanes = 8;
    const int n = static_cast<int>(_n);
    for (std::size_t k = 0; k < points.size(); ++k)
    {
      const auto p = static_cast<std::size_t>(points[k]);
      std::vector<double> a(_n * _n * lanes);
      std::vector<double> b(_n * lanes);
      for (std::size_t i = 0; i < _n * _n; ++i)
        a[i * lanes] = _jacobian[p * _n * _n + i];
      for (std::size_t i = 0; i < _n; ++i)
        b[i * lanes] = -_r[p * _n + i];
      singular[k] = static_cast<std::uint8_t>(lu_factor_solve<double, lanes>(a.data(), b.data(), n, 1, 1));
      for (std::size_t i = 0; i < _n; ++i)
        _du[p * _n + i] = b[i * lanes];
      if (!slope.empty())
        slope[k] = -dot(of(_r, p), of(_du, p));
    }
  }

  void trial(Points points, std::span<const double> alpha, std::span<double> norm2)
  {
    std::vector<double> v(_n), r(_n), jacobian(_n * _n);
    for (std::size_t k = 0; k < points.size(); ++k)
    {
      const auto p = static_cast<std::size_t>(points[k]);
      ++tried[p];
      trial_steps.push_back(alpha[k]);
      for (std::size_t i = 0; i < _n; ++i)
        v[i] = u[p * _n + i] + alpha[k] * _du[p * _n + i];
      _function(p, v, r, jacobian);
      norm2[k] = dot(r, r);
    }
  }

  void advance(Points points, std::span<const double> alpha)
  {
    for (std::size_t k = 0; k < points.size(); ++k)
    {
      const auto p = static_cast<std::size_t>(points[k]);
      ++advanced[p];
      for (std::size_t i = 0; i < _n; ++i)
        u[p * _n + i] += alpha[k] * _du[p * _n + i];
    }
  }

  std::vector<double> u;

private:
  std::span<const double> of(const std::vector<double> & values, std::size_t p) const
  {
    return std::span(values).subspan(p * _n, _n);
  }

  static double dot(std::span<const double> a, std::span<const double> b)
  {
    double s = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i)
      s += a[i] * b[i];
    return s;
  }

  std::size_t _n;
  PointFunction _function;
  std::vector<double> _du;
  std::vector<double> _r;
  std::vector<double> _jacobian;

public:
  /// Calls by point, and in all.
  std::vector<int> linearized;
  std::vector<int> tried;
  std::vector<int> advanced;
  int linearize_calls = 0;
  std::vector<double> trial_steps;
};

/// One unknown per point: value and derivative of f at u.
inline PointwiseSystem scalar_system(std::vector<double> guess,
                                     std::function<std::pair<double, double>(std::size_t, double)> f)
{
  return {1, std::move(guess),
          [f = std::move(f)](std::size_t p, std::span<const double> u, std::span<double> r,
                             std::span<double> jacobian)
          {
            const auto [value, derivative] = f(p, u[0]);
            r[0] = value;
            jacobian[0] = derivative;
          }};
}
} // namespace neml2::solvers::test
