// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/Kernel.h"
#include "neml2/native/lu.h"

/**
 * Newton's method for the points in the lanes, each on its own: the rules of neml2/solvers/Newton.h. A lane that has
 * converged or failed keeps its values while the others go on.
 *
 * The loop is the generated code's, so that residual and Jacobian share what they have in common:
 *
 *     for (;;)
 *     {
 *       ... r ...
 *       if (newton.finished(r, u)) break;
 *       ... a ...
 *       newton.step(a, r, u, trial);
 *     }
 */
namespace neml2::native
{
inline namespace NEML2_NATIVE_ISA
{
/// For systems without a line search.
struct NoTrial
{
};

template <class V, int N>
class Newton
{
public:
  using T = ScalarOf<V>;
  using Mask = MaskOf<V>;

  /// Solves for the lanes of `active`.
  NEML2_NATIVE_INLINE Newton(const neml2_native_solver & options, Mask active) : _options(options), _active(active) {}

  /// Takes the residual at the iterate u; whether no lane goes on.
  NEML2_NATIVE_INLINE bool finished(const V (&r)[N], const V (&u)[N])
  {
    const V squared = norm2(r);
    const V n = sqrt(squared);
    if (_iteration == 0)
      _initial = n;
    _squared = squared;
    norm = select<V>(_active, n, norm);
    iterations = select<V>(_active, splat<V>(T(_iteration)), iterations);

    Mask small = n / _initial < splat<V>(T(_options.rel_tol));
    if (_options.max_substepping > 0 && _iteration > 0)
      small = both(small, Mask(_update < splat<V>(T(_options.update_tol)) *
                                             (sqrt(norm2(u)) + splat<V>(T(_options.abs_tol)))));
    const Mask done = either(Mask(n < splat<V>(T(_options.abs_tol))), small);
    const Mask lost = negate(either(done, Mask(finite(n))));
    const Mask leaving = both(_active, either(done, lost));
    converged = either(converged, both(_active, done));
    _not_finite = either(_not_finite, both(_active, lost));
    _active = both(_active, negate(leaving));
    if (_iteration + 1 >= _options.max_its)
      _active = mask<V>(false);
    ++_iteration;
    return !any<V>(_active);
  }

  /// Solves a x = r (both destroyed) and moves the iterates by -x, or by part of it. `trial(u, r)` evaluates the
  /// residual at another place.
  template <class Trial>
  NEML2_NATIVE_INLINE void step(Matrix<V, N> & a, const V (&r)[N], V (&u)[N], Trial && trial)
  {
    Columns<V, N, 1> x;
    for (int i = 0; i < N; ++i)
      x(i, 0) = r[i];
    if (const std::uint32_t failed = solve(a, x); __builtin_expect(failed != 0, 0))
    {
      const Mask lost = both(_active, mask_of_bits<V>(failed));
      _singular = either(_singular, lost);
      _active = both(_active, negate(lost));
    }
    if constexpr (!std::is_same_v<std::remove_cv_t<std::remove_reference_t<Trial>>, NoTrial>)
    {
      if (_options.line_search && _options.max_line_search > 1)
        return search(x, r, u, trial);
    }
    if (_options.max_substepping > 0)
      measure(x, splat<V>(1));
    for (int i = 0; i < N; ++i)
      u[i] = select<V>(_active, u[i] - x(i, 0), u[i]);
  }

  /// NEML2_NATIVE_CONVERGED, ... of a lane.
  int status(int l) const
  {
    const auto is = [l](const Mask & m) { return (bits<V>(m) >> l & 1u) != 0; };
    return is(converged)     ? NEML2_NATIVE_CONVERGED
           : is(_not_finite) ? NEML2_NATIVE_NOT_FINITE
           : is(_singular)   ? NEML2_NATIVE_SINGULAR
                             : NEML2_NATIVE_MAX_ITERATIONS;
  }

  Mask converged = mask<V>(false);
  V iterations = splat<V>(0); ///< updates made
  V norm = splat<V>(0);       ///< of the last residual

private:
  static NEML2_NATIVE_INLINE V norm2(const V (&r)[N])
  {
    V sum = r[0] * r[0];
    for (int i = 1; i < N; ++i)
      sum += r[i] * r[i];
    return sum;
  }

  NEML2_NATIVE_INLINE void measure(Columns<V, N, 1> & x, V alpha)
  {
    V sum = x(0, 0) * x(0, 0);
    for (int i = 1; i < N; ++i)
      sum += x(i, 0) * x(i, 0);
    _update = alpha * sqrt(sum);
  }

  /// A step length for each lane: 1, 1/cutback, ... until it is acceptable; the last one tried where none is.
  template <class Trial>
  __attribute__((noinline)) void search(Columns<V, N, 1> & x, const V (&r)[N], V (&u)[N], Trial && trial)
  {
    V slope = r[0] * x(0, 0);
    for (int i = 1; i < N; ++i)
      slope += r[i] * x(i, 0);
    const V c = splat<V>(T(_options.criterion)), one = splat<V>(1);
    const V enough = splat<V>(T(_options.abs_tol * _options.abs_tol));
    V alpha = one, candidate = one, at[N], residual[N];
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
  Mask _not_finite = mask<V>(false), _singular = mask<V>(false);
  V _initial = splat<V>(0), _squared = splat<V>(0), _update = splat<V>(0);
  int _iteration = 0;
};
} // namespace NEML2_NATIVE_ISA
} // namespace neml2::native
