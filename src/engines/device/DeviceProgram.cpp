// SPDX-License-Identifier: MIT
#include "engines/device/DeviceProgram.h"

#include "engines/device/points.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace neml2::aoti
{

Gather::Gather(std::span<const Operand> sources, c10::Device device)
    : _count(std::ssize(sources)), _first(sources.front())
{
  struct Lists
  {
    std::vector<std::int64_t> components, positions;
  };
  std::map<ArrayId, Lists> by_array;
  for (std::int64_t i = 0; i < _count; i++)
  {
    const auto & source = sources[static_cast<std::size_t>(i)];
    _contiguous = _contiguous && source.array == _first.array && source.component == _first.component + i;
    by_array[source.array].components.push_back(source.component);
    by_array[source.array].positions.push_back(i);
  }
  if (_contiguous)
    return;
  for (const auto & [array, lists] : by_array)
    _parts.push_back({array, to_device(lists.components, at::kLong, device),
                      to_device(lists.positions, at::kLong, device)});
}

at::Tensor Gather::operator()(const DeviceArrays & arrays, std::int64_t blocks) const
{
  const auto lanes = arrays[state_array].size(2);
  const auto whole = [&](const at::Tensor & array) { return array.expand({blocks, -1, lanes}); };
  const auto & first = arrays[static_cast<std::size_t>(_first.array)];
  if (_contiguous)
    return whole(first.narrow(1, _first.component, _count));
  const auto gathered = at::empty({blocks, _count, lanes}, first.options());
  for (const auto & part : _parts)
    gathered.index_copy_(
        1, part.positions,
        whole(arrays[static_cast<std::size_t>(part.array)].index_select(1, part.components)));
  return gathered;
}

Combination::Combination(const Program & program, std::span<const std::size_t> instructions,
                         c10::ScalarType dtype, c10::Device device)
{
  struct Lists
  {
    std::vector<std::int64_t> rows, a, b;
    std::vector<double> factors;
  };
  std::map<std::tuple<std::size_t, ArrayId, ArrayId>, Lists>
      rounds; // by how many terms come before, and arrays
  std::vector<std::int64_t> targets;
  std::vector<double> offsets;
  for (const auto i : instructions)
  {
    const auto & instruction = program.instructions[i];
    std::map<std::pair<ArrayId, ArrayId>, std::size_t> before;
    for (auto t = instruction.first; t < instruction.last; t++)
    {
      const auto & term = program.terms[t];
      const std::pair arrays(term.a.array, term.product ? term.b.array : ArrayId(-1));
      auto & round = rounds[{before[arrays]++, arrays.first, arrays.second}];
      round.rows.push_back(std::ssize(targets));
      round.a.push_back(term.a.component);
      round.b.push_back(term.b.component);
      round.factors.push_back(term.factor);
    }
    targets.push_back(instruction.target);
    offsets.push_back(instruction.offset);
  }
  _targets = to_device(targets, at::kLong, device);
  _offsets = to_device(offsets, dtype, device).view({1, -1, 1});
  for (const auto & [key, lists] : rounds)
  {
    Round round{std::get<1>(key),
                std::get<2>(key),
                to_device(lists.rows, at::kLong, device),
                to_device(lists.a, at::kLong, device),
                to_device(lists.b, at::kLong, device),
                {}};
    const bool scaled =
        std::any_of(lists.factors.begin(), lists.factors.end(), [](double f) { return f != 1; });
    if (scaled)
      round.factors = to_device(lists.factors, dtype, device).view({1, -1, 1});
    _rounds.push_back(std::move(round));
  }
}

void Combination::add(const Round & round, const DeviceArrays & arrays, const at::Tensor & sums) const
{
  auto terms = arrays[static_cast<std::size_t>(round.a)].index_select(1, round.a_components);
  if (round.b >= 0)
    terms = terms * arrays[static_cast<std::size_t>(round.b)].index_select(1, round.b_components);
  if (round.factors.defined())
    terms = terms * round.factors;
  sums.index_add_(1, round.rows, terms.expand({sums.size(0), -1, sums.size(2)}));
}

void Combination::operator()(const DeviceArrays & arrays) const
{
  const auto & scratch = arrays[scratch_array];
  const auto sums =
      _offsets.expand({scratch.size(0), -1, scratch.size(2)}).clone(at::MemoryFormat::Contiguous);
  for (const auto & round : _rounds)
    add(round, arrays, sums);
  scratch.index_copy_(1, _targets, sums);
}

namespace
{

/// The instructions of a step, those first that need no others, then those that need these, and so on.
std::vector<std::vector<std::size_t>> by_depth(const Program & program, const Program::Combine & step)
{
  std::map<std::int32_t, std::size_t> depth_of; // by component of the scratch array
  std::vector<std::vector<std::size_t>> levels;
  for (auto i = step.first; i < step.last; i++)
  {
    const auto & instruction = program.instructions[i];
    std::size_t depth = 0;
    const auto need = [&](const Operand & operand)
    {
      if (operand.array != scratch_array)
        return;
      if (const auto found = depth_of.find(operand.component); found != depth_of.end())
        depth = std::max(depth, found->second + 1);
    };
    for (auto t = instruction.first; t < instruction.last; t++)
    {
      need(program.terms[t].a);
      if (program.terms[t].product)
        need(program.terms[t].b);
    }
    depth_of[instruction.target] = depth;
    levels.resize(std::max(levels.size(), depth + 1));
    levels[depth].push_back(i);
  }
  return levels;
}

} // namespace

DeviceProgram::DeviceProgram(const Program & program, c10::ScalarType dtype, c10::Device device)
    : constants(to_device(program.constants, dtype, device).view({1, -1, 1}))
{
  for (const auto & step : program.steps)
    if (const auto * combine = std::get_if<Program::Combine>(&step))
    {
      auto & levels = combinations.emplace_back();
      for (const auto & instructions : by_depth(program, *combine))
        levels.emplace_back(program, instructions, dtype, device);
    }
}

} // namespace neml2::aoti
