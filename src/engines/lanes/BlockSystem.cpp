// SPDX-License-Identifier: MIT
#include "engines/lanes/BlockSystem.h"

#include <ATen/Parallel.h>
#include <algorithm>
#include <array>
#include <numeric>

namespace neml2::aoti
{
namespace
{

constexpr std::int64_t lanes = solvers::lu_lanes;

} // namespace

template <>
const solvers::LUFunctions<double> & lu_functions<double>()
{
  return solvers::lu_kernels().f64;
}

template <>
const solvers::LUFunctions<float> & lu_functions<float>()
{
  return solvers::lu_kernels().f32;
}

template <typename T>
void assemble(const Entries<T> & entries, const T * output, std::int64_t n, std::int64_t lda, T * matrix)
{
  const std::int32_t * index = entries.index.data();
  for (std::int64_t i = 0; i < n; i++)
  {
    T * to = matrix + i * lda * lanes;
    for (std::int64_t j = 0; j < n; j++, index++, to += lanes)
      if (*index >= 0)
      {
        const T * from = output + *index * lanes;
        for (std::int64_t l = 0; l < lanes; l++)
          to[l] = from[l];
      }
      else
      {
        const T constant = entries.constants[static_cast<std::size_t>(-*index - 1)];
        for (std::int64_t l = 0; l < lanes; l++)
          to[l] = constant;
      }
  }
}

template <typename T>
BlockSystem<T>::BlockSystem(const BlockLayout<T> & layout, Chunk & chunk)
    : _layout(layout), _chunk(chunk), _state(chunk.work.data<T>(state_array, layout.state_size)),
      _iterates(_state), _blocks(chunk.blocks), _slot(static_cast<std::size_t>(chunk.points))
{
  std::iota(_slot.begin(), _slot.end(), Index(0));
  if (layout.track_updates)
  {
    _update2.resize(_slot.size());
    _iterate2.resize(_slot.size());
  }
}

template <typename T>
T * BlockSystem<T>::array(ArrayId id, std::int64_t components, std::int64_t blocks)
{
  _chunk.work.resize(blocks);
  return _chunk.work.template data<T>(id, components);
}

template <typename T>
T * BlockSystem<T>::at(T * data, std::int64_t components, std::int64_t slot, std::int64_t component) const
{
  return data + (slot / lanes * components + component) * lanes + slot % lanes;
}

template <typename T>
T * BlockSystem<T>::iterate(std::int64_t slot, std::size_t unknown) const
{
  return at(_iterates, _layout.state_size, slot, _layout.unknowns[unknown]);
}

/// Moves the points together when that saves a block. They come from the state, which always has the
/// iterates.
template <typename T>
void BlockSystem<T>::pack(Points points)
{
  const auto count = static_cast<std::int64_t>(points.size());
  const auto size = _layout.state_size;
  const auto blocks = at::divup(count, lanes);
  if (4 * blocks > 3 * _blocks)
    return;
  _iterates = array(_layout.packed_array, size, blocks);
  for (std::int64_t slot = 0; slot < blocks * lanes; slot++)
  {
    const auto point = points[static_cast<std::size_t>(std::min(slot, count - 1))]; // the last one fills up
    const T * from = at(_state, size, point, 0);
    T * to = at(_iterates, size, slot, 0);
    for (const auto component : _layout.read)
      to[component * lanes] = from[component * lanes];
    if (slot < count)
      _slot[static_cast<std::size_t>(point)] = slot;
  }
  _blocks = blocks;
  _packed = true;
}

template <typename T>
void BlockSystem<T>::run(std::size_t graph, ArrayId output, std::int64_t size)
{
  auto & work = _chunk.work;
  work.resize(_blocks);
  const auto & out = work.array(output, size);
  work.graph(graph)({&work.array(_packed ? _layout.packed_array : state_array, _layout.state_size), &out});
}

template <typename T>
void BlockSystem<T>::norms(ArrayId id, std::int64_t components, Points points, std::span<double> norm2)
{
  const T * values = array(id, components, _blocks);
  for_each_block(points,
                 [&](std::int64_t block, std::size_t first, std::size_t last)
                 {
                   const T * r = values + block * components * lanes;
                   std::array<double, lanes> sum{};
                   for (std::int64_t i = 0; i < _layout.size(); i++, r += lanes)
                     for (std::size_t l = 0; l < lanes; l++)
                       sum[l] += double(r[l]) * double(r[l]);
                   for (auto k = first; k < last; k++)
                     norm2[k] = sum[lane_of(points[k])];
                 });
}

template <typename T>
void BlockSystem<T>::linearize(Points points, std::span<double> norm2)
{
  pack(points);
  run(_layout.newton, _layout.newton_array, _layout.newton_size);
  norms(_layout.newton_array, _layout.newton_size, points, norm2);
}

template <typename T>
std::vector<solvers::Index> BlockSystem<T>::finite_points() const
{
  std::vector<Index> points;
  points.reserve(_slot.size());
  for (Index block = 0; block < _chunk.blocks; block++)
  {
    const T * state = _state + block * _layout.state_size * lanes;
    std::array<T, lanes> sum{}; // a residual may drop a NaN, as a flow rate does below yield
    for (const auto component : _layout.read)
      for (std::size_t l = 0; l < lanes; l++)
        sum[l] += state[component * lanes + static_cast<std::int64_t>(l)];
    const auto used = std::min(lanes, _chunk.points - block * lanes);
    for (std::int64_t l = 0; l < used; l++)
      if (std::isfinite(sum[static_cast<std::size_t>(l)]))
        points.push_back(block * lanes + l);
  }
  return points;
}

/// Solves the first systems of a block; bit l of the result is set where lane l is singular.
template <typename T>
std::uint32_t BlockSystem<T>::solve_block(std::int64_t block, std::size_t systems, const T * newton, T * step)
{
  const auto n = _layout.size();
  const auto lda = solvers::lu_row_stride<T>(static_cast<int>(n));
  T * matrix = array(_layout.matrix_array, n * lda, 1);
  const T * output = newton + block * _layout.newton_size * lanes;
  assemble(_layout.jacobian, output, n, lda, matrix);
  T * rhs = step + block * n * lanes;
  for (std::int64_t i = 0; i < n * lanes; i++)
    rhs[i] = -output[i]; // the residual comes first
  return lu_functions<T>().factor_solve(matrix, rhs, static_cast<int>(n), 1, static_cast<int>(systems), lda);
}

template <typename T>
void BlockSystem<T>::step(Points points, std::span<double> slope, std::span<std::uint8_t> singular)
{
  const auto n = _layout.size();
  const T * newton = array(_layout.newton_array, _layout.newton_size, _blocks);
  T * step = array(_layout.step_array, n, _blocks);
  for_each_block(points,
                 [&](std::int64_t block, std::size_t first, std::size_t last)
                 {
                   const auto mask = solve_block(block, lane_of(points[last - 1]) + 1, newton, step);
                   for (auto k = first; k < last; k++)
                     singular[k] = (mask >> lane_of(points[k])) & 1u;
                 });
  _search = !slope.empty();
  if (!_search)
    return;
  T * base = array(_layout.base_array, n, _blocks);
  for (std::size_t p = 0; p < points.size(); p++)
  {
    const auto slot = _slot[static_cast<std::size_t>(points[p])];
    double dot = 0;
    for (std::int64_t i = 0; i < n; i++)
    {
      dot -=
          double(*at(const_cast<T *>(newton), _layout.newton_size, slot, i)) * double(*at(step, n, slot, i));
      *at(base, n, slot, i) = *iterate(slot, static_cast<std::size_t>(i));
    }
    slope[p] = dot;
  }
}

template <typename T>
void BlockSystem<T>::trial(Points points, std::span<const double> alpha, std::span<double> norm2)
{
  const auto n = _layout.size();
  T * step = array(_layout.step_array, n, _blocks);
  T * base = array(_layout.base_array, n, _blocks);
  for (std::size_t k = 0; k < points.size(); k++)
  {
    const auto slot = _slot[static_cast<std::size_t>(points[k])];
    for (std::int64_t i = 0; i < n; i++)
      *iterate(slot, static_cast<std::size_t>(i)) =
          *at(base, n, slot, i) + T(alpha[k]) * *at(step, n, slot, i);
  }
  run(_layout.residual, _layout.residual_array, n);
  norms(_layout.residual_array, n, points, norm2);
}

template <typename T>
void BlockSystem<T>::advance(Points points, std::span<const double> alpha)
{
  const auto n = _layout.size();
  const T * step = array(_layout.step_array, n, _blocks);
  const T * base = _search ? array(_layout.base_array, n, _blocks) : nullptr;
  for_each_block(points,
                 [&](std::int64_t block, std::size_t first, std::size_t last)
                 {
                   std::array<T, lanes> length{};
                   std::array<bool, lanes> moves{};
                   for (auto k = first; k < last; k++)
                   {
                     length[lane_of(points[k])] = T(alpha[k]);
                     moves[lane_of(points[k])] = true;
                   }
                   std::array<double, lanes> du2{}, u2{};
                   for (std::int64_t i = 0; i < n; i++)
                   {
                     const T * du = step + (block * n + i) * lanes;
                     T * u =
                         _iterates +
                         (block * _layout.state_size + _layout.unknowns[static_cast<std::size_t>(i)]) * lanes;
                     const T * from = base ? base + (block * n + i) * lanes : u;
                     for (std::size_t l = 0; l < lanes; l++)
                     {
                       const T change = length[l] * du[l], moved = from[l] + change;
                       u[l] = moves[l] ? moved : u[l]; // lanes at rest may hold anything
                       du2[l] += double(change) * double(change);
                       u2[l] += double(moved) * double(moved);
                     }
                   }
                   for (auto k = first; k < last; k++)
                   {
                     if (_packed)
                       copy_back(points[k]);
                     if (!_layout.track_updates)
                       continue;
                     _update2[static_cast<std::size_t>(points[k])] = du2[lane_of(points[k])];
                     _iterate2[static_cast<std::size_t>(points[k])] = u2[lane_of(points[k])];
                   }
                 });
}

/// From the packed iterate of a point to that in the state.
template <typename T>
void BlockSystem<T>::copy_back(Index point)
{
  const T * from = at(_iterates, _layout.state_size, _slot[static_cast<std::size_t>(point)], 0);
  T * to = at(_state, _layout.state_size, point, 0);
  for (const auto unknown : _layout.unknowns)
    to[unknown * lanes] = from[unknown * lanes];
}

template <typename T>
void BlockSystem<T>::fill_lanes()
{
  const auto used = _chunk.points % lanes;
  if (used == 0)
    return;
  for (const auto unknown : _layout.unknowns)
  {
    T * values = at(_state, _layout.state_size, _chunk.points - 1, unknown);
    std::fill(values + 1, values + (lanes - used) + 1, *values);
  }
}

template <typename T>
void BlockSystem<T>::update_norms(Points points, std::span<double> du, std::span<double> u) const
{
  for (std::size_t k = 0; k < points.size(); k++)
  {
    const auto point = static_cast<std::size_t>(points[k]);
    du[k] = std::sqrt(_update2[point]);
    u[k] = std::sqrt(_iterate2[point]);
  }
}

// ---- substepping

template <typename T>
void BlockSystem<T>::save()
{
  const auto size = _layout.state_size * lanes;
  T * committed = array(_layout.committed_array, _layout.state_size, _chunk.blocks);
  T * saved = array(_layout.saved_array, saved_size(), _chunk.blocks);
  std::copy_n(_state, size * _chunk.blocks, committed);
  for (std::int64_t block = 0; block < _chunk.blocks; block++, saved += saved_size() * lanes)
  {
    std::copy_n(_state + block * size, size, saved);
    std::fill_n(saved + size, lanes, T(0));
  }
}

template <typename T>
std::vector<solvers::Index> BlockSystem<T>::cut_points()
{
  std::vector<Index> points;
  for (Index point = 0; point < _chunk.points; point++)
    if (saved(point)[_layout.state_size * lanes] > 1)
      points.push_back(point);
  return points;
}

template <typename T>
void BlockSystem<T>::rewind(Points points)
{
  const auto size = _layout.state_size;
  T * committed = array(_layout.committed_array, size, _chunk.blocks);
  for (const auto point : points)
  {
    T * last = at(committed, size, point, 0);
    const T * given = saved(point);
    for (std::int64_t c = 0; c < size; c++)
      last[c * lanes] = given[c * lanes];
  }
}

template <typename T>
void BlockSystem<T>::begin(Points points, double from, double to)
{
  const auto size = _layout.state_size;
  T * committed = array(_layout.committed_array, size, _chunk.blocks);
  for (const auto point : points)
  {
    T * now = at(_state, size, point, 0);
    const T * given = saved(point);
    const T * last = at(committed, size, point, 0);
    for (const auto & increment : _layout.increments)
    {
      const T old = given[increment.old * lanes], now_given = given[increment.current * lanes];
      if (increment.is_state)
        now[increment.old * lanes] = last[increment.old * lanes];
      else if (from != 0 || to != 1)
      {
        now[increment.old * lanes] = old + T(from) * (now_given - old);
        now[increment.current * lanes] = to == 1 ? now_given : old + T(to) * (now_given - old);
      }
    }
    for (const auto unknown : _layout.unknowns)
      now[unknown * lanes] = last[unknown * lanes]; // the initial guess, then the last solution
  }
  // The graphs read changed components: start from the state again.
  _iterates = _state;
  _blocks = _chunk.blocks;
  _packed = false;
  std::iota(_slot.begin(), _slot.end(), Index(0));
}

template <typename T>
void BlockSystem<T>::commit(Points points)
{
  const auto size = _layout.state_size;
  T * committed = array(_layout.committed_array, size, _chunk.blocks);
  for (const auto point : points)
  {
    T * last = at(committed, size, point, 0);
    const T * now = at(_state, size, point, 0);
    for (const auto & increment : _layout.increments)
      if (increment.is_state)
        last[increment.old * lanes] = now[increment.current * lanes];
    for (const auto unknown : _layout.unknowns)
      last[unknown * lanes] = now[unknown * lanes];
    saved(point)[size * lanes] += T(1);
  }
}

template <typename T>
void BlockSystem<T>::restore()
{
  const auto size = _layout.state_size;
  for (Index point = 0; point < _chunk.points; point++)
  {
    T * now = at(_state, size, point, 0);
    const T * given = saved(point);
    for (const auto & increment : _layout.increments)
    {
      now[increment.old * lanes] = given[increment.old * lanes];
      if (!increment.is_state)
        now[increment.current * lanes] = given[increment.current * lanes];
    }
  }
}

template class BlockSystem<double>;
template class BlockSystem<float>;
template void assemble(const Entries<double> &, const double *, std::int64_t, std::int64_t, double *);
template void assemble(const Entries<float> &, const float *, std::int64_t, std::int64_t, float *);

} // namespace neml2::aoti
