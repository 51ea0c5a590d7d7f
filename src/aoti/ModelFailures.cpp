// SPDX-License-Identifier: MIT
// What made a residual infinite or NaN. Asked after a call has failed only, so that it may take its time.
#include "aoti/ModelImplementation.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

namespace neml2::aoti
{
namespace
{

/// The value of an argument at one point of the batch, by its flattened index; without batch axes.
at::Tensor value_at(const Call::Given & given, const Shape & batch, std::int64_t index)
{
  auto shape = batch;
  shape.append(given.slot->trailing.begin(), given.slot->trailing.end());
  auto value = given.tensor->expand(shape);
  for (std::size_t axis = 0; axis < batch.size(); axis++)
  {
    std::int64_t behind = 1;
    for (std::size_t later = axis + 1; later < batch.size(); later++)
      behind *= batch[later];
    value = value.select(0, index / behind % batch[axis]);
  }
  return value;
}

/// The name of a variable one step earlier: "t" -> "t~1" -> "t~2".
std::string one_step_earlier(const std::string & name)
{
  const auto lag = name.find('~');
  if (lag == std::string::npos)
    return name + "~1";
  return name.substr(0, lag + 1) + std::to_string(std::stoi(name.substr(lag + 1)) + 1);
}

} // namespace

/// "input 'strain' is not finite", or what else can be said of a residual that is not.
std::string Model::Implementation::cause_of(const Call & call, const FailedPoint & point) const
{
  std::string words;
  ValueMap inputs;
  auto fixed = std::make_shared<ParameterValues>();
  for (const auto & given : call.given())
  {
    auto value = value_at(given, call.batch(), point.index).to(signature.device);
    if (!value.isfinite().all().item<bool>())
      words += (words.empty() ? "" : " and ") + Label{given.kind, given.slot->name}.text();
    if (inputs.size() < signature.inputs.size())
      inputs[given.slot->name] = std::move(value);
    else
      fixed->push_back(std::move(value));
  }
  if (!words.empty())
    return words + (words.find(" and ") == std::string::npos ? " is" : " are") + " not finite";
  return point.iterations == 0 ? equal_inputs(inputs, fixed) : "";
}

/// An input that equals its value of a step earlier, where a residual at one point is finite as soon as it
/// does not: a law that divides by the difference, such as a time step of zero.
std::string Model::Implementation::equal_inputs(const ValueMap & inputs,
                                                const std::shared_ptr<const ParameterValues> & fixed) const
{
  const auto is_finite = [&](const ValueMap & values)
  {
    try
    {
      Call call(signature, values, fixed);
      call.bind(engine->strided_axes());
      const auto outputs = make_outputs(call);
      engine->run(call.job);
    }
    catch (const ConvergenceError & error)
    {
      const auto & point = error.points().front();
      return point.reason != FailureReason::not_finite || point.iterations > 0;
    }
    return true;
  };
  for (const auto & [name, value] : inputs)
  {
    const auto earlier = inputs.find(one_step_earlier(name));
    if (earlier == inputs.end() || !at::equal(value, earlier->second))
      continue;
    auto moved = inputs;
    moved.at(name) = value + 1e-3 * (1 + value.abs());
    if (is_finite(moved))
      return "'" + name + "' and '" + earlier->first + "' are equal";
  }
  return "";
}

} // namespace neml2::aoti
