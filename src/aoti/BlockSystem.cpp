// SPDX-License-Identifier: MIT
#include "aoti/BlockSystem.h"

#include <algorithm>
#include <numeric>

namespace neml2::aoti
{

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
void assemble(const Entries<T> & entries, const T * output, std::int64_t n, std::int64_t lda,
              std::int64_t lanes, T * matrix)
{
  const std::int32_t * index = entries.index.data();
  for (std::int64_t i = 0; i < n; i++)
  {
    T * to = matrix + i * lda * lanes;
    for (std::int64_t j = 0; j < n; j++, index++, to += lanes)
      if (*index >= 0)
        std::copy_n(output + *index * lanes, lanes, to);
      else
        std::fill_n(to, lanes, entries.constants[static_cast<std::size_t>(-*index - 1)]);
  }
}

template <typename T>
BlockSystem<T>::BlockSystem(const BlockLayout<T> & layout, Chunk & chunk)
    : _layout(layout), _chunk(chunk), _state(chunk.work.data<T>(state_array, layout.state_size)),
      _iterates(_state), _blocks(chunk.blocks), _slot(static_cast<std::size_t>(chunk.points)),
      _active(static_cast<std::size_t>(chunk.blocks))
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
  return data + (slot / _layout.lanes * components + component) * _layout.lanes + slot % _layout.lanes;
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
  const auto lanes = _layout.lanes, size = _layout.state_size;
  const auto blocks = (count + lanes - 1) / lanes;
  if (blocks >= _blocks)
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
  const auto lanes = _layout.lanes;
  for (std::size_t k = 0; k < points.size(); k++)
  {
    const auto slot = _slot[static_cast<std::size_t>(points[k])];
    const T * r = values + slot / lanes * components * lanes + slot % lanes;
    double sum = 0;
    for (std::int64_t i = 0; i < _layout.size(); i++)
      sum += double(r[i * lanes]) * double(r[i * lanes]);
    norm2[k] = sum;
  }
}

template <typename T>
void BlockSystem<T>::linearize(Points points, std::span<double> norm2)
{
  pack(points);
  run(_layout.newton, _layout.newton_array, _layout.newton_size);
  norms(_layout.newton_array, _layout.newton_size, points, norm2);
}

/// Solves the systems of a block; bit l of the result is set where lane l is singular.
template <typename T>
std::uint32_t BlockSystem<T>::solve_block(std::int64_t block, const T * newton, T * step)
{
  const auto n = _layout.size(), lanes = _layout.lanes;
  const auto lda = solvers::lu_row_stride<T>(static_cast<int>(n));
  T * matrix = array(_layout.matrix_array, n * lda, 1);
  const T * output = newton + block * _layout.newton_size * lanes;
  assemble(_layout.jacobian, output, n, lda, lanes, matrix);
  T * rhs = step + block * n * lanes;
  for (std::int64_t i = 0; i < n * lanes; i++)
    rhs[i] = -output[i]; // the residual comes first
  return lu_functions<T>().factor_solve(matrix, rhs, static_cast<int>(n), 1, static_cast<int>(lanes), lda);
}

template <typename T>
void BlockSystem<T>::step(Points points, std::span<double> slope, std::span<std::uint8_t> singular)
{
  const auto n = _layout.size(), lanes = _layout.lanes;
  const T * newton = array(_layout.newton_array, _layout.newton_size, _blocks);
  T * step = array(_layout.step_array, n, _blocks);
  std::fill_n(_active.begin(), _blocks, std::uint8_t(0));
  for (const auto point : points)
    _active[static_cast<std::size_t>(_slot[static_cast<std::size_t>(point)] / lanes)] = 1;
  std::size_t k = 0;
  for (std::int64_t block = 0; block < _blocks; block++)
  {
    if (!_active[static_cast<std::size_t>(block)])
      continue;
    const auto mask = solve_block(block, newton, step);
    for (; k < points.size() && _slot[static_cast<std::size_t>(points[k])] / lanes == block; k++)
      singular[k] = (mask >> (_slot[static_cast<std::size_t>(points[k])] % lanes)) & 1u;
  }
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
  const auto n = _layout.size(), lanes = _layout.lanes;
  T * step = array(_layout.step_array, n, _blocks);
  T * base = _search ? array(_layout.base_array, n, _blocks) : nullptr;
  for (std::size_t k = 0; k < points.size(); k++)
  {
    const auto point = points[k];
    const auto slot = _slot[static_cast<std::size_t>(point)];
    T * in_state = at(_state, _layout.state_size, point, 0);
    double du2 = 0, u2 = 0;
    for (std::int64_t i = 0; i < n; i++)
    {
      T * u = iterate(slot, static_cast<std::size_t>(i));
      const T du = T(alpha[k]) * *at(step, n, slot, i);
      *u = (base ? *at(base, n, slot, i) : *u) + du;
      in_state[_layout.unknowns[static_cast<std::size_t>(i)] * lanes] = *u;
      du2 += double(du) * double(du);
      u2 += double(*u) * double(*u);
    }
    if (_layout.track_updates)
    {
      _update2[static_cast<std::size_t>(point)] = du2;
      _iterate2[static_cast<std::size_t>(point)] = u2;
    }
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
// -----------------------------------------------------------------------------------------------------

template <typename T>
void BlockSystem<T>::save()
{
  const auto lanes = _layout.lanes, size = _layout.state_size * lanes;
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
    if (saved(point)[_layout.state_size * _layout.lanes] > 1)
      points.push_back(point);
  return points;
}

template <typename T>
void BlockSystem<T>::rewind(Points points)
{
  const auto lanes = _layout.lanes, size = _layout.state_size;
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
  const auto lanes = _layout.lanes, size = _layout.state_size;
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
  const auto lanes = _layout.lanes, size = _layout.state_size;
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
  const auto lanes = _layout.lanes, size = _layout.state_size;
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
template void assemble(const Entries<double> &, const double *, std::int64_t, std::int64_t, std::int64_t,
                       double *);
template void assemble(const Entries<float> &, const float *, std::int64_t, std::int64_t, std::int64_t,
                       float *);

} // namespace neml2::aoti
