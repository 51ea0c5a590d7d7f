// SPDX-License-Identifier: MIT
#include "engines/lanes/CutTangent.h"

#include "engines/lanes/NewtonReport.h"

#include <algorithm>
#include <functional>
#include <map>

namespace neml2::aoti
{
namespace
{

constexpr std::int64_t lanes = solvers::lu_lanes;

} // namespace

template <typename T>
CutTangent<T>::CutTangent(const ImplicitInfo & info, std::size_t graph, WorkspaceLayout & layout)
    : _unknowns(info.residual_size), _jacobian(info.derivative->jacobian), _graph(graph),
      _graph_size(info.derivative->graph.size)
{
  std::map<std::int64_t, std::int64_t> column_of, unknown_of; // by component of the state
  std::int64_t number = 0;
  for (const auto & range : info.unknowns)
    for (auto c = range.offset; c < range.end(); c++)
      unknown_of[c] = number++;
  for (const auto & block : info.derivative->blocks)
  {
    for (std::int64_t j = 0; j < block.input.size; j++)
    {
      column_of[block.input.offset + j] = static_cast<std::int64_t>(_columns.size());
      _columns.push_back({_entries.size(), j});
    }
    _widths.push_back(block.input.size);
    _entries.emplace_back(block.entries);
  }
  for (const auto & item : info.incremental)
    for (std::int64_t c = 0; c < item.current.size; c++)
    {
      auto & old = _columns[static_cast<std::size_t>(column_of.at(item.old.offset + c))];
      if (item.is_state)
      {
        old.unknown = unknown_of.at(item.current.offset + c);
        continue;
      }
      old.partner = column_of.at(item.current.offset + c);
      old.old_force = true;
      _columns[static_cast<std::size_t>(old.partner)].partner = column_of.at(item.old.offset + c);
    }

  // what others see: every entry is a component of the array
  const auto width = static_cast<std::int64_t>(_columns.size());
  _dense.graph.size = _unknowns * width;
  std::int64_t first = 0;
  for (const auto & block : info.derivative->blocks)
  {
    BlockInfo dense{{0, _unknowns}, block.input, {}};
    for (std::int64_t i = 0; i < _unknowns; i++)
      for (std::int64_t j = 0; j < block.input.size; j++)
        dense.entries.index.push_back(i * width + first + j);
    first += block.input.size;
    _dense.blocks.push_back(std::move(dense));
  }
  for (auto * id : {&_values_array, &_tangent_array, &_right_array, &_matrix_array})
    *id = static_cast<ArrayId>(layout.arrays++);
}

/// The equations of points whose steps are cut once more, for the tangents at the end of each part.
template <typename T>
class CutTangent<T>::Walk : public BlockSystem<T>
{
public:
  using Points = solvers::Points;

  Walk(const CutTangent & tangent, const BlockLayout<T> & blocks, Chunk & chunk)
      : BlockSystem<T>(blocks, chunk), _tangent(tangent), _blocks(blocks), _chunk(chunk),
        _started(static_cast<std::size_t>(chunk.points))
  {
  }

  void begin(Points points, double from, double to)
  {
    BlockSystem<T>::begin(points, from, to);
    _part = {from, to, false};
  }

  void commit(Points points)
  {
    BlockSystem<T>::commit(points);
    _tangent.differentiate(_chunk, _blocks.state_size);
    for (std::size_t k = 0; k < points.size();)
    {
      // all points of a block at once, unless some are at their first part and some are not
      const auto block = points[k] / lanes;
      const bool first = !_started[static_cast<std::size_t>(points[k])];
      std::uint32_t mask = 0;
      for (; k < points.size() && points[k] / lanes == block; k++)
      {
        auto & started = _started[static_cast<std::size_t>(points[k])];
        if (first != !started)
          break;
        started = 1;
        mask |= 1u << (points[k] % lanes);
      }
      auto part = _part;
      part.first = first;
      _tangent.update(_chunk, block, mask, part);
    }
  }

private:
  const CutTangent & _tangent;
  const BlockLayout<T> & _blocks;
  Chunk & _chunk;
  std::vector<std::uint8_t> _started; ///< whether a point has taken a part of its step
  Part _part;
};

template <typename T>
void CutTangent<T>::differentiate(Chunk & chunk, std::int64_t state_size) const
{
  auto & work = chunk.work;
  work.resize(chunk.blocks);
  if (_graph_size > 0)
    work.graph(_graph)({&work.array(state_array, state_size), &work.array(_values_array, _graph_size)});
}

template <typename T>
void CutTangent<T>::evaluate(Chunk & chunk, const BlockLayout<T> & blocks,
                             const solvers::NewtonOptions & options) const
{
  differentiate(chunk, blocks.state_size);
  const auto all = static_cast<std::uint32_t>((std::uint64_t(1) << lanes) - 1);
  for (std::int64_t block = 0; block < chunk.blocks; block++)
    update(chunk, block, all, {});

  Walk walk(*this, blocks, chunk);
  const auto cut = walk.cut_points();
  if (cut.empty())
    return;
  walk.rewind(cut);
  solvers::Substepping(options, blocks.max_level).solve(walk, solvers::Points(cut));
  walk.restore();
}

/// to += factor * entry, lane by lane.
template <typename T>
void CutTangent<T>::add_entry(const Entries<T> & entries, std::size_t position, const T * values, T factor,
                              T * to) const
{
  const auto index = entries.index[position];
  const T constant = index < 0 ? entries.constants[static_cast<std::size_t>(-index - 1)] : T(0);
  if ((index < 0 && constant == 0) || factor == 0)
    return;
  for (std::int64_t l = 0; l < lanes; l++)
    to[l] += factor * (index < 0 ? constant : values[index * lanes + l]);
}

template <typename T>
void CutTangent<T>::fill_right_side(const T * values, Part part, T * right) const
{
  const auto width = static_cast<std::int64_t>(_columns.size());
  const auto add = [&](std::int64_t i, const Column & column, double factor, T * to)
  {
    const auto position = static_cast<std::size_t>(i * _widths[column.block] + column.within);
    add_entry(_entries[column.block], position, values, T(factor), to);
  };
  std::fill_n(right, _unknowns * width * lanes, T(0));
  for (std::int64_t i = 0; i < _unknowns; i++)
    for (const auto & column : _columns)
    {
      if (column.partner < 0 && (column.unknown < 0 || part.first))
        add(i, column, -1, right);
      else if (column.partner >= 0)
      {
        const auto & partner = _columns[static_cast<std::size_t>(column.partner)];
        const auto & now = column.old_force ? partner : column;
        const auto & old = column.old_force ? column : partner;
        add(i, now, column.old_force ? part.to - 1 : -part.to, right);
        add(i, old, column.old_force ? part.from - 1 : -part.from, right);
      }
      right += lanes;
    }
}

/// Old states are what the part before has left: their columns act on its tangent.
template <typename T>
void CutTangent<T>::add_old_states(const T * values, const T * before, T * right) const
{
  const auto width = static_cast<std::int64_t>(_columns.size());
  for (std::int64_t i = 0; i < _unknowns; i++)
    for (const auto & column : _columns)
    {
      if (column.unknown < 0)
        continue;
      const auto & entries = _entries[column.block];
      const auto index = entries.index[static_cast<std::size_t>(i * _widths[column.block] + column.within)];
      const T constant = index < 0 ? entries.constants[static_cast<std::size_t>(-index - 1)] : T(0);
      if (index < 0 && constant == 0)
        continue;
      const T * row = before + column.unknown * width * lanes;
      T * to = right + i * width * lanes;
      for (std::int64_t c = 0; c < width; c++, row += lanes, to += lanes)
        for (std::int64_t l = 0; l < lanes; l++)
          to[l] -= (index < 0 ? constant : values[index * lanes + l]) * row[l];
    }
}

template <typename T>
void CutTangent<T>::update(Chunk & chunk, std::int64_t block, std::uint32_t mask, Part part) const
{
  auto & work = chunk.work;
  const auto width = static_cast<std::int64_t>(_columns.size());
  const auto lda = solvers::lu_row_stride<T>(static_cast<int>(_unknowns));
  const auto size = _unknowns * width * lanes;
  work.resize(chunk.blocks);
  const T * values =
      work.data<T>(_values_array, std::max<std::int64_t>(_graph_size, 1)) + block * _graph_size * lanes;
  T * tangent = work.data<T>(_tangent_array, _unknowns * width) + block * size;
  work.resize(1);
  T * right = work.data<T>(_right_array, _unknowns * width);
  T * matrix = work.data<T>(_matrix_array, _unknowns * lda);
  work.resize(chunk.blocks);

  fill_right_side(values, part, right);
  if (!part.first)
    add_old_states(values, tangent, right);
  assemble(_jacobian, values, _unknowns, lda, matrix);
  const auto singular = lu_functions<T>().factor_solve(matrix, right, static_cast<int>(_unknowns),
                                                       static_cast<int>(width), static_cast<int>(lanes), lda);
  report(chunk, block, singular & mask);
  for (std::int64_t lane = 0; lane < lanes; lane++)
    if ((mask >> lane) & 1u)
      for (std::int64_t k = lane; k < size; k += lanes)
        tangent[k] = right[k];
}

template <typename T>
void CutTangent<T>::report(Chunk & chunk, std::int64_t block, std::uint32_t mask) const
{
  for (std::int64_t lane = 0; mask != 0 && lane < lanes; lane++)
    if (const auto point = block * lanes + lane; ((mask >> lane) & 1u) && point < chunk.points)
      keep_singular(chunk, point);
}

template class CutTangent<double>;
template class CutTangent<float>;

} // namespace neml2::aoti
