// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/Kernel.h"
#include "neml2/native/lanes.h"

#include <cstdio>
#include <limits>

/**
 * What a kernel asks of a call before anything is read or written.
 */
namespace neml2::native
{
inline namespace NEML2_NATIVE_ISA
{
/// The functions of a model.
enum class Kind
{
  forward,
  jacobian,
  jvp,
  vjp
};

namespace detail
{
/// What is done to an array; a sum may be that of all points.
enum class Access
{
  read,
  write,
  sum
};

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

/// Whether all points have one place in an array; `some`: whether several have.
inline bool shared(const neml2_native_call & call, const neml2_native_array & array, bool some = false)
{
  if (call.batch_axes <= 1)
    return array.stride == 0;
  bool all = true, any = false;
  for (int axis = 0; axis < call.batch_axes; ++axis)
    if (call.batch_sizes[axis] > 1)
      (array.batch_strides[axis] == 0 ? any : all) = array.batch_strides[axis] == 0;
  return some ? any : all;
}

/// Looks at a call before anything is read or written.
class Check
{
public:
  Check(neml2_native_call & call, const neml2_native_model & model) : _call(call), _model(model) {}

  bool operator()(Kind kind)
  {
    const auto input = [&](int k) { return _model.inputs[k].size; };
    const auto output = [&](int k) { return _model.outputs[k].size; };
    const auto block = [&](int k) { return output(_model.pairs[k].output) * input(_model.pairs[k].input); };
    const auto tangents = [&](std::int64_t count, const auto & size)
    { return arrays(_call.tangents, _call.n_tangents, count, "tangents", size); };
    const auto derivatives = [&](std::int64_t count, const auto & size, Access access = Access::write)
    { return arrays(_call.derivatives, _call.n_derivatives, count, "derivatives", size, access); };
    const std::int64_t inputs = _model.n_inputs, outputs = _model.n_outputs;
    const bool jvp = kind == Kind::jvp, vjp = kind == Kind::vjp;
    return ranges() && batch() && solvers() &&
           arrays(_call.inputs, _call.n_inputs, inputs, "inputs", input) && needed() &&
           arrays(_call.outputs, _call.n_outputs, outputs, "outputs", output, Access::write) &&
           (!jvp || (tangents(inputs, input) && derivatives(outputs, output))) &&
           (!vjp || (tangents(outputs, output) && derivatives(inputs, input, Access::sum))) &&
           (kind != Kind::jacobian || derivatives(_model.n_pairs, block)) &&
           apart(kind != Kind::forward, jvp || vjp);
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
      const auto tolerance = [](double x) { return x >= 0 && x <= std::numeric_limits<double>::max(); };
      const bool numbers = tolerance(s.abs_tol) && tolerance(s.rel_tol) && tolerance(s.update_tol) &&
                           tolerance(s.criterion) && tolerance(s.cutback);
      if (!numbers || s.max_its < 1 || s.line_search < 0 || s.line_search > 2 ||
          (s.line_search && !(s.cutback > 1)) || s.max_line_search < 0 || s.max_substepping < 0 ||
          s.max_substepping > 20)
        return fail("solvers[%d] has settings that cannot be", k);
    }
    return true;
  }

  template <class Size>
  bool arrays(const neml2_native_array * a, std::int64_t given, std::int64_t expected, const char * what,
              Size size, Access access = Access::read)
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
      const bool sum = access == Access::sum && shared(_call, a[k]);
      if (access == Access::sum && !sum && _call.points > 1 && shared(_call, a[k], true))
        return fail("%s[%d] is shared along some batch axes: expected all or none", what, k);
      if (access != Access::read && !sum && !spread && _call.points > 1 && a[k].stride < a[k].size &&
          a[k].stride > -a[k].size)
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
  bool apart(bool derivatives, bool tangents)
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
        for (int i = 0; tangents && i < _call.n_tangents; ++i)
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
} // namespace NEML2_NATIVE_ISA
} // namespace neml2::native
