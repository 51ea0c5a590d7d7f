// SPDX-License-Identifier: MIT
#include "engines/lanes/DerivativePlan.h"

#include <ATen/Functions.h>
#include <map>
#include <set>

namespace neml2::aoti
{

at::Tensor DerivativePlan::fixed() const
{
  if (!uniform_is_fixed)
    return {};
  const std::lock_guard lock(_guard);
  return _fixed;
}

void DerivativePlan::keep_fixed(const at::Tensor & values) const
{
  if (!uniform_is_fixed)
    return;
  const std::lock_guard lock(_guard);
  _fixed = values;
}

PlanSource::PlanSource(const Metadata & m, const std::vector<std::unique_ptr<Segment>> & s)
    : metadata(m), segments(s)
{
  for (const auto & input : m.inputs)
    inputs.emplace_back(input.name, input.range);
  for (const auto & parameter : m.parameters)
    if (parameter.stored)
      inputs.emplace_back(parameter.variable.name, parameter.variable.range);
  const std::map<std::string, Range> given(inputs.begin(), inputs.end());
  std::map<std::string, Range> outputs;
  for (const auto & output : m.outputs)
    outputs[output.name] = output.range;
  for (const auto & pair : m.derivatives)
  {
    pair_outputs.push_back(outputs.at(pair.output));
    pair_inputs.push_back(given.at(pair.input));
  }
}

namespace
{

/// Columns for the components of some ranges, each range once.
struct Columns
{
  std::map<std::int64_t, std::int64_t> first; // by offset of the range
  std::int64_t count = 0;

  void add(const Range & range)
  {
    if (first.try_emplace(range.offset, count).second)
      count += range.size;
  }
};

/// Entries of the blocks of all pairs of one use, by pair, row major.
using Blocks = std::vector<std::vector<Entry>>;

Columns columns_of(const PlanSource & source, const std::vector<PairUse> & use, PairUse wanted)
{
  Columns columns;
  for (std::size_t p = 0; p < use.size(); p++)
    if (use[p] == wanted)
      columns.add(source.pair_inputs[p]);
  return columns;
}

void seed_identity(ProgramBuilder & builder, const PlanSource & source, const std::vector<PairUse> & use,
                   PairUse wanted, const Columns & columns)
{
  for (std::size_t p = 0; p < use.size(); p++)
    if (use[p] == wanted)
      for (std::int64_t i = 0; i < source.pair_inputs[p].size; i++)
        builder.seed(source.pair_inputs[p].offset + i, columns.first.at(source.pair_inputs[p].offset) + i,
                     Entry::number(1));
}

Blocks blocks_of(const ProgramBuilder & builder, const PlanSource & source, const std::vector<PairUse> & use,
                 PairUse wanted, const Columns & columns)
{
  Blocks blocks(use.size());
  for (std::size_t p = 0; p < use.size(); p++)
    if (use[p] == wanted)
      for (std::int64_t r = 0; r < source.pair_outputs[p].size; r++)
        for (std::int64_t c = 0; c < source.pair_inputs[p].size; c++)
          blocks[p].push_back(builder.at(source.pair_outputs[p].offset + r,
                                         columns.first.at(source.pair_inputs[p].offset) + c));
  return blocks;
}

/// Whether the uniform blocks in use depend on nothing at all.
bool depends_on_nothing(const PlanSource & source, const std::vector<PairUse> & use)
{
  for (std::size_t p = 0; p < use.size(); p++)
    if (use[p] == PairUse::uniform && !source.metadata.derivatives[p].depends_on.empty())
      return false;
  return true;
}

/// Writes the program for the uniform blocks and returns their entries as the main program sees them:
/// numbers, or components of the uniform array.
Blocks plan_uniform(DerivativePlan & plan, const PlanSource & source, const std::vector<PairUse> & use)
{
  const auto columns = columns_of(source, use, PairUse::uniform);
  if (columns.count == 0)
    return Blocks(use.size());
  ProgramBuilder builder(source.segments, source.metadata.state_size, columns.count);
  seed_identity(builder, source, use, PairUse::uniform, columns);
  builder.propagate();
  auto blocks = blocks_of(builder, source, use, PairUse::uniform, columns);

  std::map<Operand, std::int32_t> position;
  std::vector<Entry> exported;
  for (auto & block : blocks)
    for (auto & entry : block)
      if (entry.variable)
      {
        const auto [at, fresh] =
            position.try_emplace(entry.operand, static_cast<std::int32_t>(exported.size()));
        if (fresh)
          exported.push_back(entry);
        entry = Entry::of({uniform_array, at->second});
      }
  plan.uniform = builder.finish(std::move(exported));
  plan.uniform_is_fixed = depends_on_nothing(source, use);
  return blocks;
}

void finish(DerivativePlan & plan, ProgramBuilder & builder, std::vector<Entry> results,
            const PlanSource & source)
{
  plan.program = builder.finish(std::move(results));
  for (const auto & result : plan.program.results)
    plan.results.push_back(result.operand);
  const auto options = at::TensorOptions().dtype(source.metadata.dtype);
  plan.constants = at::tensor(plan.program.constants, options)
                       .reshape({1, -1, 1})
                       .expand({1, -1, source.metadata.lanes})
                       .contiguous();
}

} // namespace

std::unique_ptr<DerivativePlan> plan_jacobian(const PlanSource & source, const Derivatives & wanted)
{
  const auto & use = wanted.use;
  auto plan = std::make_unique<DerivativePlan>();
  const auto uniform = plan_uniform(*plan, source, use);

  const auto columns = columns_of(source, use, PairUse::batched);
  ProgramBuilder builder(source.segments, source.metadata.state_size, columns.count);
  Blocks batched(use.size());
  if (columns.count > 0)
  {
    seed_identity(builder, source, use, PairUse::batched, columns);
    builder.propagate();
    batched = blocks_of(builder, source, use, PairUse::batched, columns);
  }
  std::vector<Entry> results;
  for (std::size_t p = 0; p < use.size(); p++)
  {
    const auto & block = use[p] == PairUse::uniform ? uniform[p] : batched[p];
    plan->first.push_back(results.size());
    results.insert(results.end(), block.begin(), block.end());
  }
  finish(*plan, builder, std::move(results), source);
  return plan;
}

std::unique_ptr<DerivativePlan> plan_products(const PlanSource & source, const Derivatives & wanted)
{
  const auto & use = wanted.use;
  const auto & m = source.metadata;
  const bool back = wanted.mode == Mode::vjp;
  const auto & ends = back ? source.pair_outputs : source.pair_inputs; // what callers give is there
  const auto belongs = [&](std::size_t p, std::size_t result)
  {
    const auto & pair = m.derivatives[p];
    return back ? pair.input == source.inputs[result].first : pair.output == m.outputs[result].name;
  };
  const auto given = [&](std::size_t p, std::int64_t i)
  { return Entry::of({tangent_array, static_cast<std::int32_t>(wanted.places[p] + i)}); };
  auto plan = std::make_unique<DerivativePlan>();
  const auto uniform = plan_uniform(*plan, source, use);

  // Results whose pairs lead to the same variables share a column.
  std::vector<std::vector<std::size_t>> pairs_of;
  std::map<std::set<std::int64_t>, std::int64_t> column_of;
  std::vector<std::int64_t> column;
  for (const auto result : wanted.results)
  {
    std::set<std::int64_t> seeds;
    auto & pairs = pairs_of.emplace_back();
    for (std::size_t p = 0; p < use.size(); p++)
      if (use[p] != PairUse::unwanted && belongs(p, result))
      {
        pairs.push_back(p);
        if (use[p] == PairUse::batched)
          seeds.insert(ends[p].offset);
      }
    const auto fresh = static_cast<std::int64_t>(column_of.size());
    column.push_back(seeds.empty() ? -1 : column_of.try_emplace(seeds, fresh).first->second);
  }

  ProgramBuilder builder(source.segments, m.state_size, static_cast<std::int64_t>(column_of.size()));
  for (std::size_t k = 0; k < pairs_of.size(); k++)
    for (const auto p : pairs_of[k])
      if (use[p] == PairUse::batched)
        for (std::int64_t i = 0; i < ends[p].size; i++)
          builder.seed(ends[p].offset + i, column[k], given(p, i));
  if (!column_of.empty())
    back ? builder.propagate_back() : builder.propagate();

  std::vector<Entry> results;
  plan->first.resize(back ? source.inputs.size() : m.outputs.size());
  for (std::size_t k = 0; k < wanted.results.size(); k++)
  {
    plan->first[wanted.results[k]] = results.size();
    const auto & range = back ? source.inputs[wanted.results[k]].second : m.outputs[wanted.results[k]].range;
    for (std::int64_t c = 0; c < range.size; c++)
    {
      std::vector<std::pair<Entry, Entry>> factors;
      if (column[k] >= 0)
        factors.emplace_back(builder.at(range.offset + c, column[k]), Entry::number(1));
      for (const auto p : pairs_of[k])
        if (use[p] == PairUse::uniform)
          for (std::int64_t i = 0; i < ends[p].size; i++)
          {
            const auto entry = back ? i * range.size + c : c * ends[p].size + i;
            factors.emplace_back(uniform[p][static_cast<std::size_t>(entry)], given(p, i));
          }
      results.push_back(builder.dot(factors));
    }
  }
  finish(*plan, builder, std::move(results), source);
  return plan;
}

} // namespace neml2::aoti
