// SPDX-License-Identifier: MIT
#include "engines/lanes/Plans.h"

namespace neml2::aoti
{
namespace
{

/// Calls with one key share a plan: where tangents are follows from which there are.
std::string key_of(const Derivatives & wanted)
{
  std::string key(1, static_cast<char>(wanted.mode));
  for (const auto use : wanted.use)
    key += static_cast<char>(use);
  for (const auto place : wanted.places)
    key += place >= 0 ? 't' : '0';
  for (const auto result : wanted.results)
    key += "," + std::to_string(result);
  return key;
}

} // namespace

Plans::Plans(const Metadata & metadata, const std::vector<std::unique_ptr<Segment>> & segments)
    : _source(metadata, segments)
{
  for (const auto & output : metadata.outputs)
  {
    auto & places = _outputs.emplace_back();
    for (auto i = output.range.offset; i < output.range.end(); i++)
      places.push_back({state_array, static_cast<std::int32_t>(i)});
  }
}

const Plans::Node * Plans::made(const std::string & key) const
{
  const Node * node = _newest.load(std::memory_order_acquire);
  while (node && node->key != key)
    node = node->next;
  return node;
}

const DerivativePlan * Plans::find(const Job & job) const
{
  if (!job.derivatives)
    return nullptr;
  const auto & wanted = *job.derivatives;
  const auto key = key_of(wanted);
  if (const auto * node = made(key))
    return node->plan.get();
  const std::lock_guard lock(_guard);
  if (const auto * node = made(key))
    return node->plan.get();
  auto plan = wanted.mode == Mode::jacobian ? plan_jacobian(_source, wanted) : plan_products(_source, wanted);
  _nodes.push_back(
      std::make_unique<Node>(Node{key, std::move(plan), _newest.load(std::memory_order_relaxed)}));
  _newest.store(_nodes.back().get(), std::memory_order_release);
  return _nodes.back()->plan.get();
}

const Operand * Plans::sources(const Sink & sink, const DerivativePlan * plan) const
{
  const auto & [kind, number] = sink.result;
  return kind == Result::output ? _outputs[number].data() : plan->results.data() + plan->first[number];
}

} // namespace neml2::aoti
