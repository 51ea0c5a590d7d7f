// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/Kernel.h"
#include "neml2/native/lu.h"

/**
 * Newton's method for the points in the lanes, each on its own: the rules of neml2/solvers/Newton.h. A lane
 * that has converged or failed keeps its values while the others go on.
 *
 * The loop is the generated code's, so that residual and Jacobian share what they have in common:
 *
 *     for (;;)
 *     {
 *       ... r ...
 *       if (newton.finished(r, u, a)) break;
 *       ... a ...
 *       newton.step(a, r, u, trial);
 *     }
 */
namespace neml2::native
{
inline namespace NEML2_NATIVE_ISA
{
/// What became of the points in the lanes.
template <class V>
struct Outcome
{
  using Mask = MaskOf<V>;
  Mask converged = mask<V>(false), not_finite = mask<V>(false), singular = mask<V>(false);
  V iterations = splat<V>(0); ///< updates made
  V norm = splat<V>(0);       ///< of the last residual

  /// NEML2_NATIVE_CONVERGED, ... of a lane.
  int status(int l) const
  {
    const auto is = [l](const Mask & m) { return (bits<V>(m) >> l & 1u) != 0; };
    return is(converged)    ? NEML2_NATIVE_CONVERGED
           : is(not_finite) ? NEML2_NATIVE_NOT_FINITE
           : is(singular)   ? NEML2_NATIVE_SINGULAR
                            : NEML2_NATIVE_MAX_ITERATIONS;
  }

  /// Takes over a later attempt of some lanes.
  void add(const Outcome & later, Mask lanes)
  {
    converged = either(both(converged, negate(lanes)), both(later.converged, lanes));
    not_finite = either(both(not_finite, negate(lanes)), both(later.not_finite, lanes));
    singular = either(both(singular, negate(lanes)), both(later.singular, lanes));
    iterations = select<V>(lanes, iterations + later.iterations, iterations);
    norm = select<V>(lanes, later.norm, norm);
  }
};

/// For systems without a line search.
struct NoTrial
{
};

/// The sum of some components of the state, in four sums, none of which waits for the others: not finite
/// where one of them is not. `ranges` are pairs of first component and number of components.
template <class V, int M>
NEML2_NATIVE_INLINE V sum_of(const V * s, const int (&ranges)[M][2])
{
  V sums[4] = {};
  for (int i = 0; i < M; ++i)
  {
    const V * from = s + ranges[i][0];
    int k = 0;
    for (; k + 4 <= ranges[i][1]; k += 4)
      for (int j = 0; j < 4; ++j)
        sums[j] += from[k + j];
    for (; k < ranges[i][1]; ++k)
      sums[0] += from[k];
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// A dense system of N unknowns, as Newton's method sees it.
template <class V, int N>
struct DenseSystem
{
  using Matrix = native::Matrix<V, N>;
  using Column = Columns<V, N, 1>;
  using Exchanges = native::Exchanges<V, N>;
  using Vector = V[N];
};

template <class V, int N, class System = DenseSystem<V, N>>
class Newton
{
public:
  using T = ScalarOf<V>;
  using Mask = MaskOf<V>;
  using Matrix = typename System::Matrix;
  using Column = typename System::Column;
  using Vector = typename System::Vector;

  /// Solves for the lanes of `active`.
  NEML2_NATIVE_INLINE Newton(const neml2_native_solver & options, Mask active)
      : _options(options), _active(active)
  {
  }

  /// The same where `given`, a sum of what they are given, is finite: a residual may drop a
  /// NaN, as a flow rate does below yield.
  NEML2_NATIVE_INLINE Newton(const neml2_native_solver & options, Mask active, V given)
      : _options(options), _active(both(active, Mask(finite(given))))
  {
    outcome.not_finite = both(active, negate(_active));
    outcome.norm = select<V>(_active, outcome.norm, given - given); // NaN
  }

  /// Takes the residual at the iterate u; whether no lane goes on. Lanes that have just converged by the
  /// relative test alone take one more step, with the factors in a: its error is of the third order in the
  /// last one.
  NEML2_NATIVE_INLINE bool finished(const Vector & r, Vector & u, Matrix & a)
  {
    moved = false;
    _squared = norm2(r);
    const V n = sqrt(_squared);
    if (_iteration == 0)
      _initial = n;
    outcome.norm = select<V>(_active, n, outcome.norm);
    outcome.iterations = select<V>(_active, splat<V>(T(_iteration)), outcome.iterations);

    Mask done = n / _initial < splat<V>(T(_options.rel_tol));
    if (_options.max_substepping > 0 && _iteration > 0)
      done = both(done, Mask(_update < splat<V>(T(_options.update_tol)) *
                                           (sqrt(norm2(u)) + splat<V>(T(_options.abs_tol)))));
    done = both(_active, either(done, Mask(n < splat<V>(T(_options.abs_tol)))));
    const Mask lost = both(_active, negate(either(done, Mask(finite(n)))));
    outcome.converged = either(outcome.converged, done);
    outcome.not_finite = either(outcome.not_finite, lost);
    _active = both(_active, negate(either(done, lost)));
    if (_options.final_update && _iteration > 0)
      if (const Mask last = both(done, Mask(n >= splat<V>(T(_options.abs_tol)))); any<V>(last))
        refine(r, u, a, last);
    if (++_iteration >= _options.max_its)
      _active =
          mask<V>(false); // their counts stay, even if another lane's last step asks for one more residual
    return !any<V>(_active);
  }

  /// Solves a x = r (a is destroyed) and moves the iterates by -x, or by part of it. `trial(u, r)` evaluates
  /// the residual at another place.
  template <class Trial>
  NEML2_NATIVE_INLINE void step(Matrix & a, const Vector & r, Vector & u, const Trial & trial)
  {
    Column x;
    for (int i = 0; i < N; ++i)
      x(i, 0) = r[i];
    if (const std::uint32_t failed = solve(a, x, _exchanges); __builtin_expect(failed != 0, 0))
    {
      const Mask lost = both(_active, mask_of_bits<V>(failed));
      outcome.singular = either(outcome.singular, lost);
      _active = both(_active, negate(lost));
    }
    if constexpr (!std::is_same_v<Trial, NoTrial>)
    {
      if (_options.line_search && _options.max_line_search > 1)
        return search(x, r, u, trial);
    }
    if (_options.max_substepping > 0)
      measure(x, splat<V>(1));
    for (int i = 0; i < N; ++i)
      u[i] = select<V>(_active, u[i] - x(i, 0), u[i]);
  }

  Outcome<V> outcome;
  bool moved = false; ///< whether the last `finished` changed u

private:
  __attribute__((noinline)) void refine(const Vector & r, Vector & u, Matrix & a, Mask lanes)
  {
    Column x;
    for (int i = 0; i < N; ++i)
      x(i, 0) = r[i];
    solve_again(a, x, _exchanges);
    V sum = splat<V>(0);
    for (int i = 0; i < N; ++i)
      sum += abs(x(i, 0));
    lanes = both(lanes, Mask(finite(sum)));
    for (int i = 0; i < N; ++i)
      u[i] = select<V>(lanes, u[i] - x(i, 0), u[i]);
    moved = true;
  }

  /// In four sums, none of which waits for the others.
  static NEML2_NATIVE_INLINE V norm2(const Vector & r)
  {
    V sums[4] = {};
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i)
      sums[i % 4] += r[i] * r[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }

  void measure(Column & x, V alpha)
  {
    V sum = x(0, 0) * x(0, 0);
    for (int i = 1; i < N; ++i)
      sum += x(i, 0) * x(i, 0);
    _update = alpha * sqrt(sum);
  }

  /// A step length for each lane: 1, 1/cutback, ... until it is acceptable; the last one tried where none is.
  template <class Trial>
  __attribute__((noinline)) void search(Column & x, const Vector & r, Vector & u, const Trial & trial)
  {
    V slope = r[0] * x(0, 0);
    for (int i = 1; i < N; ++i)
      slope += r[i] * x(i, 0);
    const V c = splat<V>(T(_options.criterion)), one = splat<V>(1);
    const V enough = splat<V>(T(_options.abs_tol * _options.abs_tol));
    V alpha = one, candidate = one;
    Vector at, residual;
    Mask searching = _active;
    for (int k = 1; k < _options.max_line_search && any<V>(searching); ++k)
    {
      for (int i = 0; i < N; ++i)
        at[i] = u[i] - candidate * x(i, 0);
      trial(at, residual);
      const V squared = norm2(residual);
      const V limit = _options.line_search == 1 ? _squared - (c + c) * candidate * slope
                                                : (one - c * candidate) * _squared;
      alpha = select<V>(searching, candidate, alpha);
      searching = both(searching, negate(either(Mask(squared <= limit), Mask(squared <= enough))));
      candidate = select<V>(searching, candidate / splat<V>(T(_options.cutback)), candidate);
    }
    if (_options.max_substepping > 0)
      measure(x, alpha);
    for (int i = 0; i < N; ++i)
      u[i] = select<V>(_active, u[i] - alpha * x(i, 0), u[i]);
  }

  const neml2_native_solver & _options;
  Mask _active;
  typename System::Exchanges _exchanges;
  V _initial = splat<V>(0), _squared = splat<V>(0), _update = splat<V>(0);
  int _iteration = 0;
};

/// A given (or, with `state`, an unknown), and its value at the start of the step: components of the state.
struct Increment
{
  int current, old, size;
  bool state;
};

/**
 * Newton's method with bisection of the step for the lanes that fail: the rules of
 * neml2/solvers/Substepping.h.
 *
 * S components make up the state; attempt(s, lanes) solves from the guess in s, puts the solution in its
 * place and returns the Outcome.
 */
template <class V, int S, class Attempt>
class Substepping
{
public:
  using Mask = MaskOf<V>;

  Substepping(const V * given, const Increment * increments, int count, int levels, const Attempt & attempt)
      : _given(given), _increments(increments), _count(count), _levels(levels), _attempt(attempt)
  {
    for (int k = 0; k < S; ++k)
      _reached[k] = given[k];
  }

  /// Takes the lanes from `from` to `to` (parts of the step); returns those that arrived.
  __attribute__((noinline)) Mask walk(Mask lanes, double from, double to, int level)
  {
    V s[S];
    begin(s, from, to);
    const Outcome<V> tried = _attempt(s, lanes);
    outcome.add(tried, lanes);
    const Mask arrived = both(lanes, tried.converged), failed = both(lanes, negate(tried.converged));
    for (int k = 0; k < S; ++k)
      _reached[k] = select<V>(arrived, s[k], _reached[k]);
    if (!any<V>(failed))
      return arrived;
    for (int k = 0; k < S; ++k)
      last[k] = select<V>(failed, s[k], last[k]);
    if (level >= _levels)
      return arrived;
    const double middle = from + 0.5 * (to - from);
    const Mask halfway = walk(failed, from, middle, level + 1);
    return any<V>(halfway) ? either(arrived, walk(halfway, middle, to, level + 1)) : arrived;
  }

  /// The state at the end of the last part that converged.
  const V * reached() const { return _reached; }

  Outcome<V> outcome;
  V last[S] = {}; ///< of lanes that failed: the state after the last attempt

private:
  /// The iterates are those reached so far.
  void begin(V * s, double from, double to) const
  {
    using T = ScalarOf<V>;
    for (int k = 0; k < S; ++k)
      s[k] = _reached[k];
    for (int i = 0; i < _count; ++i)
      for (int k = 0; k < _increments[i].size; ++k)
      {
        const int now = _increments[i].current + k, old = _increments[i].old + k;
        if (_increments[i].state)
        {
          if (from > 0)
            s[old] = _reached[now];
          continue;
        }
        const V change = _given[now] - _given[old];
        s[old] = _given[old] + splat<V>(T(from)) * change;
        s[now] = _given[old] + splat<V>(T(to)) * change;
      }
  }

  const V * _given;
  const Increment * _increments;
  int _count, _levels;
  const Attempt & _attempt;
  V _reached[S];
};
} // namespace NEML2_NATIVE_ISA
} // namespace neml2::native
