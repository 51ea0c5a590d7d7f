// SPDX-License-Identifier: MIT
#include "call/NaturalShapes.h"

#include <algorithm>

namespace neml2::aoti
{
namespace
{

/// Broadcast of two batch shapes known to fit.
Shape broadcast(const Shape & a, const Shape & b)
{
  const auto & longer = a.size() >= b.size() ? a : b;
  const auto & shorter = a.size() >= b.size() ? b : a;
  Shape both(longer.begin(), longer.end());
  for (std::size_t i = 0; i < shorter.size(); i++)
  {
    auto & size = both[longer.size() - 1 - i];
    size = size == 1 ? shorter[shorter.size() - 1 - i] : size;
  }
  return both;
}

} // namespace

NaturalShapes::NaturalShapes(const Metadata & metadata, const Call & call, std::uint64_t iterated)
{
  std::size_t number = 0;
  for (const auto & input : metadata.inputs)
    _shapes[input.range.offset] = call.batch_of(number++);
  for (const auto & parameter : metadata.parameters)
    if (parameter.stored)
      _shapes[parameter.variable.range.offset] = call.batch_of(number++);
  for (std::size_t k = 0; k < metadata.segments.size(); k++)
    if (const auto * forward = std::get_if<ForwardInfo>(&metadata.segments[k]))
      for (std::size_t i = 0; i < forward->outputs.size(); i++)
      {
        std::vector<Range> needs;
        for (const auto dependency : forward->dependencies[i])
          needs.push_back(forward->inputs[static_cast<std::size_t>(dependency)]);
        _shapes[forward->outputs[i].offset] = of(needs);
      }
    else
    {
      const auto & implicit = std::get<ImplicitInfo>(metadata.segments[k]);
      auto shape = of(implicit.unknowns);
      if ((iterated >> k) & 1u)
        shape = broadcast(of(implicit.givens), shape);
      for (const auto & unknown : implicit.unknowns)
        _shapes[unknown.offset] = shape;
    }
}

Shape NaturalShapes::of(const std::vector<Range> & ranges) const
{
  Shape shape;
  for (const auto & range : ranges)
    if (const auto found = _shapes.find(range.offset); found != _shapes.end())
      shape = broadcast(shape, found->second);
  return shape;
}

at::Tensor NaturalShapes::reduce(const at::Tensor & output, const Slot & slot, const Shape & batch) const
{
  const auto found = _shapes.find(slot.range.offset);
  if (found == _shapes.end() || std::find(batch.begin(), batch.end(), 0) != batch.end())
    return output;
  const auto & natural = found->second;
  auto reduced = output;
  const auto lead = static_cast<std::int64_t>(batch.size()) - static_cast<std::int64_t>(natural.size());
  for (std::int64_t i = 0; i < lead; i++)
    reduced = reduced.select(0, 0);
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(natural.size()); i++)
    if (natural[static_cast<std::size_t>(i)] == 1)
      reduced = reduced.narrow(i, 0, 1);
  return reduced.sizes() == output.sizes() ? output : reduced.contiguous();
}

} // namespace neml2::aoti
