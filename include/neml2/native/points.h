// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/check.h"
#include "neml2/native/layout.h"
#include "neml2/native/newton.h"

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

  /// Stores them, or adds those of all points to one row that they share.
  template <int C>
  NEML2_NATIVE_INLINE void store_or_add(const neml2_native_array * arrays, int k, const V * from)
  {
    const neml2_native_array & array = arrays[k];
    if (call.points == 1 || !detail::shared(call, array))
      return store<C>(arrays, k, from);
    T * to = static_cast<T *>(array.data);
    for (int c = 0; to && c < C; ++c)
    {
      T & sum = to[array.component_offsets ? array.component_offsets[c] : c];
      for (int l = 0; l < count; ++l)
        sum += lane(from[c], l);
    }
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
      const auto updates = static_cast<std::int32_t>(lane(outcome.iterations, l));
      const bool fails = status != NEML2_NATIVE_CONVERGED;
      if (call.iterations && !before)
        call.iterations[p] = fails ? updates : call.iterations[p] + updates;
      if (call.residual && !before)
        call.residual[p] = static_cast<double>(lane(outcome.norm, l));
      if (fails && !before)
      {
        _failed |= 1u << l;
        ++call.failed;
      }
    }
  }

  std::uint32_t _failed = 0;
  std::int64_t _index[NEML2_NATIVE_MAX_BATCH_AXES][W];
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
  return width<V> < 8 || unknowns <= 12 ? 2 : unknowns <= 32 ? 3 : 5;
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
  if (!detail::Check(*call, model)(kind))
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
    instructions::fence();
#endif
  if (call->failed == 0)
    return NEML2_NATIVE_OK;
  std::snprintf(call->message, sizeof(call->message), "%lld of %lld points of %s did not converge",
                (long long)call->failed, (long long)(call->end - call->begin), model.name);
  return NEML2_NATIVE_NOT_CONVERGED;
}
} // namespace NEML2_NATIVE_ISA
} // namespace neml2::native
