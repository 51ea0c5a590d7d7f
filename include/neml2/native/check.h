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

/// Bytes, as [low, high).
struct Extent
{
  std::intptr_t low = 0, high = 0;

  std::intptr_t size() const { return high - low; }
};

/// Where an array of a call lies. Its axes are those of the batch, and the components if they are evenly
/// spaced.
class Footprint
{
public:
  Footprint(const neml2_native_call & call, const neml2_native_array & array, std::int64_t scalar)
      : base(reinterpret_cast<std::intptr_t>(array.data)), row{0, array.size * scalar}, _unit(row)
  {
    if (call.batch_axes > 1)
      for (int axis = 0; axis < call.batch_axes; ++axis)
        add(call.batch_sizes[axis], array.batch_strides[axis] * scalar);
    else
      add(call.points, array.stride * scalar);
    point_axes = axes;
    if (array.component_offsets && array.size > 0)
      spread(array.component_offsets, array.size, scalar);
  }

  /// All bytes; or those that are left when steps by whole periods count for nothing.
  Extent extent(std::intptr_t period = 0) const
  {
    Extent found = {base + _unit.low, base + _unit.high};
    for (int axis = 0; axis < axes; ++axis)
      if (period == 0 || strides[axis] % period != 0)
        (strides[axis] < 0 ? found.low : found.high) += (sizes[axis] - 1) * strides[axis];
    return found;
  }

  std::intptr_t base, strides[NEML2_NATIVE_MAX_BATCH_AXES + 1];
  std::int64_t sizes[NEML2_NATIVE_MAX_BATCH_AXES + 1];
  int axes = 0, point_axes = 0;
  Extent row; ///< of point 0, relative to `base`

private:
  void add(std::int64_t size, std::intptr_t stride)
  {
    if (size < 2 || stride == 0)
      return;
    sizes[axes] = size;
    strides[axes++] = stride;
  }

  void spread(const std::int64_t * offsets, std::int64_t size, std::int64_t scalar)
  {
    std::int64_t first = offsets[0], last = offsets[0];
    bool even = true;
    for (std::int64_t c = 1; c < size; ++c)
    {
      first = offsets[c] < first ? offsets[c] : first;
      last = offsets[c] > last ? offsets[c] : last;
      even = even && offsets[c] - offsets[c - 1] == offsets[1] - offsets[0];
    }
    row = {first * scalar, (last + 1) * scalar};
    _unit = even ? Extent{offsets[0] * scalar, (offsets[0] + 1) * scalar} : row;
    if (even && size > 1)
      add(size, (offsets[1] - offsets[0]) * scalar);
  }

  Extent _unit; ///< what there is at the origin of all axes
};

/// Whether two arrays keep apart modulo `period`, as two fields of records do that are so many bytes long.
inline bool apart_modulo(const Footprint & a, const Footprint & b, std::intptr_t period)
{
  const Extent x = a.extent(period), y = b.extent(period);
  const std::intptr_t from_a_to_b = ((y.low - x.low) % period + period) % period;
  return from_a_to_b >= x.size() && period - from_a_to_b >= y.size();
}

/// Whether they may have a byte in common.
inline bool may_overlap(const Footprint & a, const Footprint & b)
{
  const Extent x = a.extent(), y = b.extent();
  if (x.low >= y.high || y.low >= x.high)
    return false;
  for (const Footprint * of : {&a, &b})
    for (int axis = 0; axis < of->axes; ++axis)
      if (apart_modulo(a, b, of->strides[axis] < 0 ? -of->strides[axis] : of->strides[axis]))
        return false;
  return true;
}

/// Whether an element of an array may have two places in it.
inline bool may_overlap_itself(const neml2_native_call & call, const neml2_native_array & array,
                               std::int64_t scalar)
{
  if (call.batch_axes <= 1 && call.points > 1 && array.stride == 0)
    return true;
  for (int axis = 0; axis < call.batch_axes && call.batch_axes > 1; ++axis)
    if (call.batch_sizes[axis] > 1 && array.batch_strides[axis] == 0)
      return true;
  Footprint a(call, array, scalar);
  std::intptr_t reach = a.extent(1).size(); // of the elements along the axes with smaller strides
  for (int done = 0; done < a.axes; ++done)
  {
    int next = done;
    for (int axis = done; axis < a.axes; ++axis)
    {
      a.strides[axis] = a.strides[axis] < 0 ? -a.strides[axis] : a.strides[axis];
      next = a.strides[axis] < a.strides[next] ? axis : next;
    }
    if (a.strides[next] < reach)
      return true;
    reach += a.strides[next] * (a.sizes[next] - 1);
    a.strides[next] = a.strides[done];
    a.sizes[next] = a.sizes[done];
  }
  return false;
}

/// Whether what they have in common, if anything, belongs to the same point of both: all of a point is read
/// before anything of it is written.
inline bool meet_in_points(const neml2_native_call & call, const neml2_native_array & a,
                           const neml2_native_array & b, std::int64_t scalar)
{
  if (call.points == 1)
    return true;
  const Footprint x(call, a, scalar), y(call, b, scalar);
  if (x.point_axes != y.point_axes)
    return false;
  for (int axis = 0; axis < x.point_axes; ++axis)
    if (x.strides[axis] != y.strides[axis])
      return false;
  if (a.data == b.data && a.size == b.size && a.component_offsets == b.component_offsets)
    return true; // one array
  const auto low = x.base + x.row.low < y.base + y.row.low ? x.base + x.row.low : y.base + y.row.low;
  const auto high = x.base + x.row.high > y.base + y.row.high ? x.base + x.row.high : y.base + y.row.high;
  return x.point_axes == 1 && high - low <= (x.strides[0] < 0 ? -x.strides[0] : x.strides[0]);
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
           apart(kind != Kind::forward, jvp || vjp, vjp);
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

  /// Whether no result overlaps another one, or an argument at another point; `sums`: derivatives that all
  /// points share are sums, which grow while arguments are read.
  bool apart(bool derivatives, bool tangents, bool sums)
  {
    if (_call.flags & NEML2_NATIVE_TRUSTED || _call.points == 0)
      return true;
    const auto overlap = [this](const neml2_native_array & a, const neml2_native_array & b)
    {
      return a.data && b.data &&
             may_overlap(Footprint(_call, a, _model.scalar_bytes), Footprint(_call, b, _model.scalar_bytes));
    };
    const auto spoils = [&](const neml2_native_array & result, const neml2_native_array & argument)
    { return overlap(result, argument) && !meet_in_points(_call, result, argument, _model.scalar_bytes); };
    const neml2_native_array * written[] = {_call.outputs, derivatives ? _call.derivatives : nullptr};
    const int counts[] = {_call.n_outputs, derivatives ? _call.n_derivatives : 0};
    const char * const names[] = {"outputs", "derivatives"};
    for (int group = 0; group < 2; ++group)
      for (int k = 0; k < counts[group]; ++k)
      {
        const auto & result = written[group][k];
        const bool sum = sums && group == 1 && result.data && shared(_call, result);
        if (result.data && !sum && may_overlap_itself(_call, result, _model.scalar_bytes))
          return fail("%s[%d] overlaps itself", names[group], k);
        const auto spoilt = [&](const neml2_native_array & argument)
        { return sum ? overlap(result, argument) : spoils(result, argument); };
        for (int i = 0; i < _call.n_inputs; ++i)
          if (spoilt(_call.inputs[i]))
            return fail("%s[%d] overlaps inputs[%d] of another point", names[group], k, i);
        for (int i = 0; tangents && i < _call.n_tangents; ++i)
          if (spoilt(_call.tangents[i]))
            return fail("%s[%d] overlaps tangents[%d] of another point", names[group], k, i);
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
