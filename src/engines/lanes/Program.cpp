// SPDX-License-Identifier: MIT
#include "engines/lanes/Program.h"

#include "neml2/aoti/exceptions.h"

#include <algorithm>
#include <set>
#include <utility>

namespace neml2::aoti
{

std::int64_t Program::footprint(const std::vector<std::unique_ptr<Segment>> & segments) const
{
  std::int64_t elements = scratch_size;
  for (const auto & step : steps)
    if (const auto * evaluate = std::get_if<Evaluate>(&step))
      elements += segments[evaluate->segment]->derivatives()->graph.size;
  return elements;
}

ProgramBuilder::ProgramBuilder(const std::vector<std::unique_ptr<Segment>> & segments,
                               std::int64_t state_size, std::int64_t columns)
    : _segments(segments), _columns(columns), _state(static_cast<std::size_t>(state_size))
{
}

void ProgramBuilder::seed(std::int64_t component, std::int64_t column, Entry entry)
{
  auto & row = _state[static_cast<std::size_t>(component)];
  row.resize(static_cast<std::size_t>(_columns));
  row[static_cast<std::size_t>(column)] = entry;
}

Entry ProgramBuilder::at(std::int64_t component, std::int64_t column) const
{
  const auto & row = _state[static_cast<std::size_t>(component)];
  return row.empty() ? Entry() : row[static_cast<std::size_t>(column)];
}

Entry ProgramBuilder::dot(const std::vector<std::pair<Entry, Entry>> & factors)
{
  double offset = 0;
  const std::size_t first = _program.terms.size();
  for (const auto & [a, b] : factors)
  {
    if (a.zero() || b.zero())
      continue;
    if (a.variable && b.variable)
      _program.terms.push_back({1, a.operand, b.operand, true});
    else if (a.variable || b.variable)
      _program.terms.push_back(
          {a.variable ? b.constant : a.constant, a.variable ? a.operand : b.operand, {}, false});
    else
      offset += a.constant * b.constant;
  }
  const std::size_t last = _program.terms.size();
  if (first == last)
    return Entry::number(offset);
  const auto & only = _program.terms[first];
  if (last - first == 1 && offset == 0 && !only.product && only.factor == 1)
  {
    const auto same = Entry::of(only.a);
    _program.terms.pop_back();
    return same;
  }
  const auto target = static_cast<std::int32_t>(_program.scratch_size++);
  _program.instructions.push_back({target, offset, first, last});
  return Entry::of({scratch_array, target});
}

namespace
{

Entry entry_of(const EntriesInfo & entries, std::int64_t position, ArrayId array)
{
  const auto index = entries.index[static_cast<std::size_t>(position)];
  if (index < 0)
    return Entry::number(entries.constants[static_cast<std::size_t>(-index - 1)]);
  return Entry::of({array, static_cast<std::int32_t>(index)});
}

} // namespace

/// The rows (sum over blocks of block times the derivative of its input), for the row ranges of a segment.
std::vector<ProgramBuilder::Row> ProgramBuilder::products(const Segment & segment,
                                                          const std::vector<Range> & rows)
{
  std::vector<Row> result;
  std::vector<std::pair<Entry, Entry>> factors;
  for (const auto & range : rows)
    for (std::int64_t r = range.offset; r < range.end(); r++)
    {
      Row row;
      for (std::int64_t column = 0; column < _columns; column++)
      {
        factors.clear();
        for (const auto & block : segment.derivatives()->blocks)
          if (block.output.offset <= r && r < block.output.end())
            for (std::int64_t j = 0; j < block.input.size; j++)
              factors.emplace_back(entry_of(block.entries, (r - block.output.offset) * block.input.size + j,
                                            segment.derivative_array()),
                                   at(block.input.offset + j, column));
        const auto entry = dot(factors);
        if (entry.zero())
          continue;
        row.resize(static_cast<std::size_t>(_columns));
        row[static_cast<std::size_t>(column)] = entry;
      }
      result.push_back(std::move(row));
    }
  return result;
}

void ProgramBuilder::store_rows(const Segment & segment, std::vector<Row> rows)
{
  std::size_t next = 0;
  for (const auto & range : segment.outputs())
    for (std::int64_t r = range.offset; r < range.end(); r++)
      _state[static_cast<std::size_t>(r)] = std::move(rows[next++]);
}

void ProgramBuilder::add_forward(std::size_t number)
{
  const auto & segment = *_segments[number];
  _program.steps.push_back(Program::Evaluate{number});
  store_rows(segment, products(segment, segment.outputs()));
  flush();
}

/// Columns in which some row is not zero.
std::vector<std::size_t> ProgramBuilder::used_columns(const std::vector<Row> & rows) const
{
  std::vector<std::size_t> used;
  for (std::size_t column = 0; column < static_cast<std::size_t>(_columns); column++)
    if (std::any_of(rows.begin(), rows.end(),
                    [&](const Row & row) { return !row.empty() && !row[column].zero(); }))
      used.push_back(column);
  return used;
}

/// Copies the columns in use of some rows into the scratch array, row by row; the rows are there then.
/// Returns where they begin.
std::int64_t ProgramBuilder::side_by_side(std::vector<Row> & rows, const std::vector<std::size_t> & used)
{
  const auto offset = _program.scratch_size;
  _program.scratch_size += std::ssize(rows) * std::ssize(used);
  auto target = static_cast<std::int32_t>(offset);
  for (auto & row : rows)
  {
    row.resize(static_cast<std::size_t>(_columns));
    for (const auto column : used)
    {
      const auto first = _program.terms.size();
      auto & entry = row[column];
      if (entry.variable)
        _program.terms.push_back({1, entry.operand, {}, false});
      _program.instructions.push_back(
          {target, entry.variable ? 0 : entry.constant, first, _program.terms.size()});
      entry = Entry::of({scratch_array, target++});
    }
  }
  return offset;
}

void ProgramBuilder::add_implicit(std::size_t number)
{
  const auto & segment = *_segments[number];
  std::int64_t size = 0;
  for (const auto & range : segment.outputs())
    size += range.size;
  auto rows = products(segment, {{0, size}});
  const auto used = used_columns(rows);
  if (used.empty())
  {
    store_rows(segment, std::vector<Row>(rows.size()));
    return;
  }
  const auto offset = side_by_side(rows, used);
  _program.steps.push_back(Program::Evaluate{number});
  flush();
  _program.steps.push_back(Program::Solve{number, offset, size, std::ssize(used)});
  store_rows(segment, std::move(rows));
}

/// The adjoints of a segment's outputs, which it overwrites: what was in their places has none.
std::vector<ProgramBuilder::Row> ProgramBuilder::take_rows(const Segment & segment)
{
  std::vector<Row> rows;
  for (const auto & range : segment.outputs())
    for (std::int64_t r = range.offset; r < range.end(); r++)
      rows.push_back(std::exchange(_state[static_cast<std::size_t>(r)], {}));
  return rows;
}

/// Adds what a segment hands back, the sum over blocks of block^T times the adjoints of its output. Rows are
/// in the order of the outputs; `by_equation`: output ranges of blocks count rows.
void ProgramBuilder::hand_back(const Segment & segment, const std::vector<Row> & rows, bool by_equation)
{
  std::map<std::int64_t, std::size_t> row_of; // by component of the state
  for (const auto & range : segment.outputs())
    for (std::int64_t r = range.offset; r < range.end(); r++)
      row_of.try_emplace(r, row_of.size());
  std::map<std::int64_t, std::vector<std::pair<const BlockInfo *, std::int64_t>>> blocks; // by component read
  for (const auto & block : segment.derivatives()->blocks)
    for (std::int64_t j = 0; j < block.input.size; j++)
      blocks[block.input.offset + j].emplace_back(&block, j);
  std::vector<std::pair<Entry, Entry>> factors;
  for (const auto & [component, parts] : blocks)
    for (const auto column : used_columns(rows))
    {
      factors.assign(1, {at(component, static_cast<std::int64_t>(column)), Entry::number(1)});
      for (const auto & [block, j] : parts)
        for (std::int64_t r = 0; r < block->output.size; r++)
        {
          const auto output = block->output.offset + r;
          const auto & row = rows[by_equation ? static_cast<std::size_t>(output) : row_of.at(output)];
          if (!row.empty())
            factors.emplace_back(
                entry_of(block->entries, r * block->input.size + j, segment.derivative_array()), row[column]);
        }
      if (const auto sum = dot(factors); !sum.zero())
        seed(component, static_cast<std::int64_t>(column), sum);
    }
}

void ProgramBuilder::propagate_back()
{
  for (auto number = _segments.size(); number-- > 0;)
  {
    const auto & segment = *_segments[number];
    auto rows = take_rows(segment);
    const auto used = used_columns(rows);
    if (used.empty() || !segment.derivatives())
      continue;
    _program.steps.push_back(Program::Evaluate{number});
    if (segment.implicit())
    {
      const auto offset = side_by_side(rows, used);
      flush();
      _program.steps.push_back(Program::Solve{number, offset, std::ssize(rows), std::ssize(used), true});
    }
    hand_back(segment, rows, segment.implicit());
    flush();
  }
}

/// Adds the step that runs the instructions written since the last one.
void ProgramBuilder::flush()
{
  if (_program.instructions.size() > _flushed)
    _program.steps.push_back(Program::Combine{_flushed, _program.instructions.size()});
  _flushed = _program.instructions.size();
}

void ProgramBuilder::propagate()
{
  for (std::size_t number = 0; number < _segments.size(); number++)
  {
    if (!_segments[number]->derivatives())
    {
      // a segment without derivatives is one that no requested pair goes through
      store_rows(*_segments[number], std::vector<Row>(
                                         [&]
                                         {
                                           std::int64_t size = 0;
                                           for (const auto & range : _segments[number]->outputs())
                                             size += range.size;
                                           return static_cast<std::size_t>(size);
                                         }()));
      continue;
    }
    if (_segments[number]->implicit())
      add_implicit(number);
    else
      add_forward(number);
  }
}

/// Leaves out the steps and instructions that no result needs.
void ProgramBuilder::prune()
{
  std::set<Operand> needed;
  const auto need = [&](const Operand & operand) { needed.insert(operand); };
  const auto array_needed = [&](ArrayId array)
  {
    const auto next = needed.lower_bound({array, 0});
    return next != needed.end() && next->array == array;
  };
  for (const auto & result : _program.results)
    if (result.variable)
      need(result.operand);

  std::vector<char> keep(_program.instructions.size(), 0);
  std::vector<Program::Step> kept;
  std::set<std::size_t> solved;
  for (auto step = _program.steps.rbegin(); step != _program.steps.rend(); ++step)
  {
    bool useful = false;
    if (const auto * combine = std::get_if<Program::Combine>(&*step))
    {
      for (std::size_t i = combine->last; i-- > combine->first;)
      {
        const auto & instruction = _program.instructions[i];
        if (!needed.contains({scratch_array, instruction.target}))
          continue;
        keep[i] = 1;
        useful = true;
        for (std::size_t t = instruction.first; t < instruction.last; t++)
        {
          need(_program.terms[t].a);
          if (_program.terms[t].product)
            need(_program.terms[t].b);
        }
      }
    }
    else if (const auto * solve = std::get_if<Program::Solve>(&*step))
    {
      const auto next = needed.lower_bound({scratch_array, static_cast<std::int32_t>(solve->offset)});
      useful = next != needed.end() && next->array == scratch_array &&
               next->component < solve->offset + solve->rows * solve->columns;
      if (useful)
      {
        solved.insert(solve->segment);
        for (std::int64_t i = 0; i < solve->rows * solve->columns; i++)
          need({scratch_array, static_cast<std::int32_t>(solve->offset + i)});
      }
    }
    else
    {
      const auto segment = std::get<Program::Evaluate>(*step).segment;
      useful = solved.contains(segment) || array_needed(_segments[segment]->derivative_array());
    }
    if (useful)
      kept.push_back(*step);
  }
  std::reverse(kept.begin(), kept.end());

  std::vector<Program::Instruction> instructions;
  std::vector<std::size_t> position(keep.size() + 1, 0);
  for (std::size_t i = 0; i < keep.size(); i++)
  {
    position[i] = instructions.size();
    if (keep[i])
      instructions.push_back(_program.instructions[i]);
  }
  position[keep.size()] = instructions.size();
  for (auto & step : kept)
    if (auto * combine = std::get_if<Program::Combine>(&step))
      *combine = {position[combine->first], position[combine->last]};
  _program.instructions = std::move(instructions);
  _program.steps = std::move(kept);
}

Program ProgramBuilder::finish(std::vector<Entry> results)
{
  flush();
  _program.results = std::move(results);
  prune();
  std::map<double, std::int32_t> known;
  for (auto & result : _program.results)
  {
    if (result.variable)
      continue;
    const auto [at, fresh] =
        known.try_emplace(result.constant, static_cast<std::int32_t>(_program.constants.size()));
    if (fresh)
      _program.constants.push_back(result.constant);
    result.operand = {constant_array, at->second};
  }
  return std::move(_program);
}

} // namespace neml2::aoti
