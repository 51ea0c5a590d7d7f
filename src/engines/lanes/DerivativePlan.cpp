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
  std::map<std::string, Range> inputs, outputs;
  for (const auto & input : m.inputs)
    inputs[input.name] = input.range;
  for (const auto & parameter : m.parameters)
    if (parameter.stored)
      inputs[parameter.variable.name] = parameter.variable.range;
  for (const auto & output : m.outputs)
    outputs[output.name] = output.range;
  for (const auto & pair : m.derivatives)
  {
    pair_outputs.push_back(outputs.at(pair.output));
    pair_inputs.push_back(inputs.at(pair.input));
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

std::unique_ptr<DerivativePlan> plan_jvp(const PlanSource & source, const Derivatives & wanted)
{
  const auto & use = wanted.use;
  const auto & outputs = wanted.outputs;
  auto plan = std::make_unique<DerivativePlan>();
  const auto uniform = plan_uniform(*plan, source, use);

  // Outputs that take tangents from the same inputs share a column.
  using Pairs = std::vector<std::size_t>;
  std::vector<Pairs> pairs_of(outputs.size());
  std::map<std::set<std::int64_t>, std::int64_t> column_of;
  std::vector<std::int64_t> column(outputs.size(), -1);
  for (std::size_t o = 0; o < outputs.size(); o++)
  {
    std::set<std::int64_t> seeds;
    for (std::size_t p = 0; p < use.size(); p++)
      if (use[p] != PairUse::unwanted &&
          source.metadata.derivatives[p].output == source.metadata.outputs[outputs[o]].name)
      {
        pairs_of[o].push_back(p);
        if (use[p] == PairUse::batched)
          seeds.insert(source.pair_inputs[p].offset);
      }
    if (!seeds.empty())
      column[o] = column_of.try_emplace(seeds, static_cast<std::int64_t>(column_of.size())).first->second;
  }

  ProgramBuilder builder(source.segments, source.metadata.state_size,
                         static_cast<std::int64_t>(column_of.size()));
  const auto tangent = [&](std::size_t pair, std::int64_t i)
  { return Entry::of({tangent_array, static_cast<std::int32_t>(wanted.places[pair] + i)}); };
  for (std::size_t o = 0; o < outputs.size(); o++)
    for (const auto p : pairs_of[o])
      if (use[p] == PairUse::batched)
        for (std::int64_t i = 0; i < source.pair_inputs[p].size; i++)
          builder.seed(source.pair_inputs[p].offset + i, column[o], tangent(p, i));
  if (!column_of.empty())
    builder.propagate();

  std::vector<Entry> results;
  plan->first.resize(source.metadata.outputs.size());
  for (std::size_t o = 0; o < outputs.size(); o++)
  {
    plan->first[outputs[o]] = results.size();
    const auto & range = source.metadata.outputs[outputs[o]].range;
    for (std::int64_t r = 0; r < range.size; r++)
    {
      std::vector<std::pair<Entry, Entry>> factors;
      if (column[o] >= 0)
        factors.emplace_back(builder.at(range.offset + r, column[o]), Entry::number(1));
      for (const auto p : pairs_of[o])
        if (use[p] == PairUse::uniform)
          for (std::int64_t i = 0; i < source.pair_inputs[p].size; i++)
            factors.emplace_back(uniform[p][static_cast<std::size_t>(r * source.pair_inputs[p].size + i)],
                                 tangent(p, i));
      results.push_back(builder.dot(factors));
    }
  }
  finish(*plan, builder, std::move(results), source);
  return plan;
}

} // namespace neml2::aoti
