// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/layout.h"
#include "neml2/native/newton.h"

#include <cstdio>

/**
 * From a call to groups of points in lanes: what every generated kernel does around its arithmetic.
 */
namespace neml2::native
{
inline namespace NEML2_NATIVE_ISA
{
/// The points in the lanes, and what became of them.
template <class V>
class Group
{
public:
  using T = ScalarOf<V>;
  static constexpr int W = width<V>;

  NEML2_NATIVE_INLINE Group(neml2_native_call & call, const neml2_native_model & model, std::int64_t first,
                            int count)
      : call(call), model(model), first(first), count(count)
  {
    if (__builtin_expect(call.batch_axes > 1, 0))
      find_indices();
  }

  /// Component values of input number k; where it is null, of its default or zero.
  template <int C>
  NEML2_NATIVE_INLINE void load(const neml2_native_array * arrays, int k, V * to)
  {
    if constexpr (W == 1)
      read<C>(arrays, k, to);
    else
      read_lanes<C>(arrays, k, to);
  }

  /// Stores the components of a result; nothing where the array is null.
  template <int C>
  NEML2_NATIVE_INLINE void store(const neml2_native_array * arrays, int k, const V * from)
  {
    if constexpr (W == 1)
      write<C>(arrays, k, from);
    else
      write_lanes<C>(arrays, k, from);
  }

  /// Settings of solver number k.
  NEML2_NATIVE_INLINE const neml2_native_solver & solver(int k) const
  {
    return call.solvers ? call.solvers[k] : model.solvers[k];
  }

  /// Adds the outcome of a solver.
  NEML2_NATIVE_INLINE void report(int solver, const Outcome<V> & outcome)
  {
    if (bits<V>(outcome.iterations > splat<V>(0)) & lanes())
      call.iterated |= std::uint64_t(1) << solver;
    const std::uint32_t converged = bits<V>(outcome.converged);
    if (__builtin_expect(
            (converged & lanes()) == lanes() && !call.status && !call.iterations && !call.residual, 1))
      return;
    report_lanes(outcome);
  }

  NEML2_NATIVE_INLINE std::uint32_t lanes() const { return (1u << count) - 1u; }

  neml2_native_call & call;
  const neml2_native_model & model;
  std::int64_t first;
  int count;

private:
  template <int C>
  NEML2_NATIVE_INLINE void read(const neml2_native_array * arrays, int k, V * to)
  {
    const neml2_native_array & array = arrays[k];
    if (__builtin_expect(!array.data, 0))
    {
      const double * value = arrays == call.inputs ? model.inputs[k].value : nullptr;
      for (int c = 0; c < C; ++c)
        to[c] = splat<V>(value ? T(value[c]) : T(0));
      return;
    }
    std::int64_t starts[W];
    load_rows<V, C>(rows<const T>(array, starts), to);
  }

  template <int C>
  NEML2_NATIVE_INLINE void write(const neml2_native_array * arrays, int k, const V * from)
  {
    const neml2_native_array & array = arrays[k];
    if (!array.data)
      return;
    std::int64_t starts[W];
    store_rows<V, C>(rows<T>(array, starts), from, call.flags & NEML2_NATIVE_PAST_CACHE);
  }

  // Transpositions are long: one copy for each number of components, for all functions of a kernel.
  template <int C>
  __attribute__((noinline)) void read_lanes(const neml2_native_array * arrays, int k, V * to)
  {
    read<C>(arrays, k, to);
  }

  template <int C>
  __attribute__((noinline)) void write_lanes(const neml2_native_array * arrays, int k, const V * from)
  {
    write<C>(arrays, k, from);
  }

  template <class U>
  NEML2_NATIVE_INLINE Rows<U> rows(const neml2_native_array & array, std::int64_t * starts) const
  {
    U * data = static_cast<U *>(array.data);
    if (__builtin_expect(call.batch_axes > 1, 0))
    {
      for (int l = 0; l < W; ++l)
      {
        starts[l] = 0;
        for (int axis = 0; axis < call.batch_axes; ++axis)
          starts[l] += _index[axis][l] * array.batch_strides[axis];
      }
      return {data, 0, starts, array.component_offsets, count};
    }
    return {data + first * array.stride, static_cast<Size>(array.stride), nullptr, array.component_offsets,
            count};
  }

  __attribute__((noinline)) void find_indices()
  {
    for (int l = 0; l < W; ++l)
    {
      std::int64_t rest = first + (l < count ? l : count - 1);
      for (int axis = call.batch_axes - 1; axis >= 0; --axis)
      {
        _index[axis][l] = rest % call.batch_sizes[axis];
        rest /= call.batch_sizes[axis];
      }
    }
  }

  __attribute__((noinline)) void report_lanes(const Outcome<V> & outcome)
  {
    for (int l = 0; l < count; ++l)
    {
      const std::int64_t p = first + l;
      const int status = outcome.status(l);
      const bool before = (_failed >> l & 1u) != 0;
      if (call.status && !before)
        call.status[p] = status;
      if (call.iterations)
        call.iterations[p] += static_cast<std::int32_t>(lane(outcome.iterations, l));
      if (call.residual && !before)
        call.residual[p] = static_cast<double>(lane(outcome.norm, l));
      if (status != NEML2_NATIVE_CONVERGED && !before)
      {
        _failed |= 1u << l;
        ++call.failed;
      }
    }
  }

  std::uint32_t _failed = 0;
  std::int64_t _index[NEML2_NATIVE_MAX_BATCH_AXES][W];
};

namespace detail
{
/// Bytes that an array takes for all points, as [low, high).
struct Extent
{
  std::intptr_t low = 0, high = 0;
};

inline Extent extent(const neml2_native_call & call, const neml2_native_array & array, std::int64_t scalar)
{
  std::int64_t low = 0, high = 0;
  const auto reach = [&](std::int64_t count, std::int64_t stride)
  { (stride < 0 ? low : high) += (count > 0 ? count - 1 : 0) * stride; };
  if (call.batch_axes > 1)
    for (int axis = 0; axis < call.batch_axes; ++axis)
      reach(call.batch_sizes[axis], array.batch_strides[axis]);
  else
    reach(call.points, array.stride);
  std::int64_t first = 0, last = array.size - 1;
  if (array.component_offsets)
  {
    first = last = array.component_offsets[0];
    for (std::int64_t c = 1; c < array.size; ++c)
    {
      first = array.component_offsets[c] < first ? array.component_offsets[c] : first;
      last = array.component_offsets[c] > last ? array.component_offsets[c] : last;
    }
  }
  const auto base = reinterpret_cast<std::intptr_t>(array.data);
  return {base + (low + first) * scalar, base + (high + last + 1) * scalar};
}

/// Looks at a call before anything is read or written.
class Check
{
public:
  Check(neml2_native_call & call, const neml2_native_model & model) : _call(call), _model(model) {}

  bool operator()(bool jacobian, bool jvp)
  {
    const std::int64_t inputs = _model.n_inputs;
    return ranges() && batch() && solvers() &&
           arrays(_call.inputs, _call.n_inputs, inputs, "inputs",
                  [&](int k) { return _model.inputs[k].size; }) &&
           needed() &&
           arrays(
               _call.outputs, _call.n_outputs, _model.n_outputs, "outputs",
               [&](int k) { return _model.outputs[k].size; }, true) &&
           (!jvp || arrays(_call.tangents, _call.n_tangents, inputs, "tangents",
                           [&](int k) { return _model.inputs[k].size; })) &&
           (!jvp || arrays(
                        _call.derivatives, _call.n_derivatives, _model.n_outputs, "derivatives",
                        [&](int k) { return _model.outputs[k].size; }, true)) &&
           (!jacobian || arrays(
                             _call.derivatives, _call.n_derivatives, _model.n_pairs, "derivatives",
                             [&](int k)
                             {
                               const auto & pair = _model.pairs[k];
                               return _model.outputs[pair.output].size * _model.inputs[pair.input].size;
                             },
                             true)) &&
           apart(jacobian || jvp, jvp);
  }

private:
  template <class... Args>
  __attribute__((noinline, cold)) bool fail(const char * format, Args... args)
  {
    std::snprintf(_call.message, sizeof(_call.message), format, args...);
    return false;
  }

  bool ranges()
  {
    if (_call.points < 0 || _call.begin < 0 || _call.begin > _call.end || _call.end > _call.points)
      return fail("points [%lld, %lld) of %lld: expected 0 <= begin <= end <= points", (long long)_call.begin,
                  (long long)_call.end, (long long)_call.points);
    if (_call.points >= _model.wide_from && _call.begin % _model.lanes)
      return fail("begin is %lld: expected a multiple of %d lanes", (long long)_call.begin, _model.lanes);
    return true;
  }

  bool batch()
  {
    if (_call.batch_axes <= 1)
      return _call.batch_axes >= 0 || fail("batch_axes is %d", _call.batch_axes);
    if (_call.batch_axes > NEML2_NATIVE_MAX_BATCH_AXES)
      return fail("%d batch axes: at most %d are possible", _call.batch_axes, NEML2_NATIVE_MAX_BATCH_AXES);
    if (!_call.batch_sizes)
      return fail("batch_sizes is null with %d batch axes", _call.batch_axes);
    std::int64_t total = 1;
    for (int axis = 0; axis < _call.batch_axes; ++axis)
      if (_call.batch_sizes[axis] < 0 || __builtin_mul_overflow(total, _call.batch_sizes[axis], &total))
        return fail("batch_sizes[%d] is %lld", axis, (long long)_call.batch_sizes[axis]);
    return total == _call.points ||
           fail("batch_sizes multiply to %lld, points is %lld", (long long)total, (long long)_call.points);
  }

  bool solvers()
  {
    if (!_call.solvers)
      return true;
    if (_call.n_solvers != _model.n_solvers)
      return fail("%d solvers given, %s has %d", _call.n_solvers, _model.name, _model.n_solvers);
    for (int k = 0; k < _call.n_solvers; ++k)
    {
      const auto & s = _call.solvers[k];
      if (!(s.max_its >= 1) || !(s.abs_tol >= 0) || !(s.rel_tol >= 0) || s.line_search < 0 ||
          s.line_search > 2 || (s.line_search && !(s.cutback > 0)) || s.max_substepping < 0 ||
          s.max_substepping > 20)
        return fail("solvers[%d] has settings that cannot be", k);
    }
    return true;
  }

  template <class Size>
  bool arrays(const neml2_native_array * a, std::int64_t given, std::int64_t expected, const char * what,
              Size size, bool written = false)
  {
    if (given != expected)
      return fail("%lld %s given, %s has %lld", (long long)given, what, _model.name, (long long)expected);
    if (!a && expected > 0)
      return fail("%s is null", what);
    for (int k = 0; k < expected; ++k)
    {
      if (!a[k].data)
        continue;
      if (a[k].size != size(k))
        return fail("%s[%d] has %lld components, expected %lld", what, k, (long long)a[k].size,
                    (long long)size(k));
      if (reinterpret_cast<std::uintptr_t>(a[k].data) % static_cast<std::uintptr_t>(_model.scalar_bytes))
        return fail("%s[%d] is not aligned to %d bytes", what, k, _model.scalar_bytes);
      if (_call.batch_axes > 1 && !a[k].batch_strides)
        return fail("%s[%d] has no batch_strides with %d batch axes", what, k, _call.batch_axes);
      const bool spread = a[k].component_offsets || _call.batch_axes > 1;
      if (written && !spread && _call.points > 1 && a[k].stride < a[k].size && a[k].stride > -a[k].size)
        return fail("%s[%d] has stride %lld: its points overlap", what, k, (long long)a[k].stride);
    }
    return true;
  }

  bool needed()
  {
    for (int k = 0; k < _call.n_inputs && _call.points > 0; ++k)
      if (!_call.inputs[k].data && !_model.inputs[k].value)
        return fail("inputs[%d] ('%s') is null", k, _model.inputs[k].name);
    return true;
  }

  /// Whether no result overlaps an argument or another result.
  bool apart(bool derivatives, bool jvp)
  {
    if (_call.flags & NEML2_NATIVE_TRUSTED || _call.points == 0)
      return true;
    const auto overlap = [this](const neml2_native_array & a, const neml2_native_array & b)
    {
      if (!a.data || !b.data)
        return false;
      const Extent x = extent(_call, a, _model.scalar_bytes), y = extent(_call, b, _model.scalar_bytes);
      return x.low < y.high && y.low < x.high;
    };
    const neml2_native_array * written[] = {_call.outputs, derivatives ? _call.derivatives : nullptr};
    const int counts[] = {_call.n_outputs, derivatives ? _call.n_derivatives : 0};
    const char * const names[] = {"outputs", "derivatives"};
    for (int group = 0; group < 2; ++group)
      for (int k = 0; k < counts[group]; ++k)
      {
        const auto & result = written[group][k];
        for (int i = 0; i < _call.n_inputs; ++i)
          if (overlap(result, _call.inputs[i]))
            return fail("%s[%d] overlaps inputs[%d]", names[group], k, i);
        for (int i = 0; jvp && i < _call.n_tangents; ++i)
          if (overlap(result, _call.tangents[i]))
            return fail("%s[%d] overlaps tangents[%d]", names[group], k, i);
        for (int other = 0; other <= group; ++other)
          for (int i = 0; i < (other == group ? k : counts[other]); ++i)
            if (overlap(result, written[other][i]))
              return fail("%s[%d] overlaps %s[%d]", names[group], k, names[other], i);
      }
    return true;
  }

  neml2_native_call & _call;
  const neml2_native_model & _model;
};
} // namespace detail

enum class Kind
{
  forward,
  jacobian,
  jvp
};

/// Body::run<V>(group) for the points of a call, in groups of the lanes of V.
template <class V, class Body>
void run_groups(neml2_native_call & call, const neml2_native_model & model)
{
  for (std::int64_t p = call.begin; p < call.end; p += width<V>)
  {
    const std::int64_t left = call.end - p;
    Group<V> group(call, model, p, left < width<V> ? static_cast<int>(left) : width<V>);
    Body::template run<V>(group);
  }
}

/// From how many points on a kernel computes them side by side; measured, see benchmarks/native. The more
/// unknowns, the better use one point makes of vectors along the rows of its Jacobian.
template <class V>
constexpr int wide_from(int unknowns)
{
  return width<V> < 8 || unknowns <= 12 ? 2 : unknowns <= 32 ? 3 : 4;
}

/// One layout of a kernel's function.
using Layout = void (*)(neml2_native_call &, const neml2_native_model &);

/// Runs a call: one point at a time, or in wide lanes.
template <Kind kind>
int run_points(neml2_native_call * call, const neml2_native_model & model, Layout one_point, Layout wide)
{
  if (!call)
    return NEML2_NATIVE_BAD_CALL;
  if (call->bytes != sizeof(*call))
    return NEML2_NATIVE_BAD_CALL; // nothing behind `bytes` can be relied on, the message included
  call->failed = 0;
  call->iterated = 0;
  call->message[0] = 0;
  if (!detail::Check(*call, model)(kind == Kind::jacobian, kind == Kind::jvp))
    return NEML2_NATIVE_BAD_CALL;
  if (call->iterations || call->status || call->residual)
    for (std::int64_t p = call->begin; p < call->end; ++p)
    {
      if (call->iterations)
        call->iterations[p] = 0;
      if (call->status)
        call->status[p] = NEML2_NATIVE_CONVERGED;
      if (call->residual)
        call->residual[p] = 0;
    }
  (call->points < model.wide_from ? one_point : wide)(*call, model);
#if NEML2_NATIVE_BYTES
  if (call->flags & NEML2_NATIVE_PAST_CACHE)
    _mm_sfence();
#endif
  if (call->failed == 0)
    return NEML2_NATIVE_OK;
  std::snprintf(call->message, sizeof(call->message), "%lld of %lld points of %s did not converge",
                (long long)call->failed, (long long)(call->end - call->begin), model.name);
  return NEML2_NATIVE_NOT_CONVERGED;
}
} // namespace NEML2_NATIVE_ISA
} // namespace neml2::native
