// SPDX-License-Identifier: MIT
#include "aoti/ModelImplementation.h"

#include "engines/FailureReport.h"
#include "neml2/aoti/exceptions.h"
#include "package/NearMatch.h"

#include <ATen/Functions.h>
#include <algorithm>

namespace neml2::aoti
{
std::unique_ptr<const Engine> load_engine(const std::filesystem::path & path, const SolverOverrides & solvers)
{
  auto metadata = Metadata::read(path);
  override_solvers(metadata, solvers);
  return make_engine(std::move(metadata));
}

Model::Implementation::Implementation(std::unique_ptr<const Engine> owned) : engine(std::move(owned))
{
  signature.dtype = metadata().dtype;
  signature.device = engine->device();
  collect_variables();
  collect_history();
  collect_parameters();
  collect_pairs();
}

const Slot & Model::Implementation::slot(std::size_t number) const
{
  const auto inputs = signature.inputs.size();
  return number < inputs ? signature.inputs[number] : signature.parameters[number - inputs];
}

void Model::Implementation::collect_variables()
{
  for (const auto & info : metadata().inputs)
  {
    signature.inputs.emplace_back(info);
    input_names.push_back(info.name);
    input_shapes[info.name] = info.trailing_shape();
  }
  for (const auto & info : metadata().outputs)
  {
    signature.outputs.emplace_back(info);
    output_names.push_back(info.name);
    output_shapes[info.name] = info.trailing_shape();
  }
}

void Model::Implementation::collect_history()
{
  constexpr std::size_t most_digits = 3; // a history has an array for each step
  for (const auto & name : input_names)
  {
    const auto mark = name.rfind('~');
    if (mark == std::string::npos || mark == 0)
      continue;
    const auto digits = std::string_view(name).substr(mark + 1);
    if (digits.empty() || digits.size() > most_digits ||
        digits.find_first_not_of("0123456789") != std::string_view::npos)
      continue;
    const auto steps = std::stoll(std::string(digits));
    if (const auto current = name.substr(0, mark); steps > 0)
      history.push_back({name, current, steps, output_shapes.contains(current)});
  }
}

void Model::Implementation::collect_parameters()
{
  ParameterValues values;
  for (const auto & info : metadata().parameters)
  {
    if (!info.stored)
      continue;
    auto shape = info.batch_shape;
    const auto trailing = info.variable.trailing_shape();
    shape.insert(shape.end(), trailing.begin(), trailing.end());
    const auto value =
        at::tensor(info.value, at::kDouble).to(signature.dtype).to(signature.device).reshape(shape);
    signature.parameters.emplace_back(info.variable);
    signature.promoted.push_back(info.promoted);
    values.push_back(value);
    if (!info.promoted)
      continue;
    parameters[info.variable.name] = value;
    parameter_shapes[info.variable.name] = trailing;
  }
  _values = std::make_shared<const ParameterValues>(std::move(values));
}

void Model::Implementation::collect_pairs()
{
  std::map<std::string, std::size_t> number;
  for (std::size_t i = 0; i < signature.inputs.size() + signature.parameters.size(); i++)
    number[slot(i).name] = i;
  _differentiable.assign(number.size(), 0);
  for (const auto & pair : metadata().derivatives)
  {
    pairs.emplace_back(pair.output, pair.input);
    pair_names.push_back(pair.output + ":" + pair.input);
    _pair_inputs.push_back(number.at(pair.input));
    _pair_outputs.push_back(output_number(pair.output, "output"));
    _differentiable[_pair_inputs.back()] = 1;
    const auto add = [](std::vector<std::size_t> & numbers, std::size_t fresh)
    {
      if (std::find(numbers.begin(), numbers.end(), fresh) == numbers.end())
        numbers.push_back(fresh);
    };
    add(differentiated, _pair_outputs.back());
    add(wrt, _pair_inputs.back());
    auto & needs = _dependencies.emplace_back();
    for (const auto & name : pair.depends_on)
      needs.push_back(number.at(name));
  }
}

void Model::Implementation::need_derivatives(const char * operation) const
{
  if (pairs.empty())
    throw FatalError(std::string(operation) + " needs derivatives, and '" + metadata().name +
                     "' was compiled without any: compile it with -d OUTPUT:INPUT");
}

std::size_t Model::Implementation::output_number(const std::string & output, const char * what) const
{
  for (std::size_t i = 0; i < signature.outputs.size(); i++)
    if (signature.outputs[i].name == output)
      return i;
  throw FatalError(std::string("unknown ") + what + " '" + output + "'" + did_you_mean(output, output_names) +
                   " (the outputs are: " + quoted_list(output_names) + ")");
}

std::size_t Model::Implementation::pair_number(const std::string & output, const std::string & input) const
{
  const auto found = std::find(pairs.begin(), pairs.end(), std::pair(output, input));
  if (found != pairs.end())
    return static_cast<std::size_t>(found - pairs.begin());
  const auto name = output + ":" + input;
  throw FatalError("the derivative '" + name + "' was not compiled" + did_you_mean(name, pair_names) +
                   " (there are: " + quoted_list(pair_names) + ")");
}

std::size_t Model::Implementation::wrt_number(const std::string & input) const
{
  const auto found =
      std::find_if(wrt.begin(), wrt.end(), [&](std::size_t number) { return slot(number).name == input; });
  if (found != wrt.end())
    return *found;
  std::vector<std::string> known;
  for (const auto number : wrt)
    known.push_back(slot(number).name);
  throw FatalError("no derivative with respect to '" + input + "' was compiled" + did_you_mean(input, known) +
                   "; compile the model with -d :" + input +
                   " (there are those with respect to: " + quoted_list(known) + ")");
}

std::vector<std::int64_t> Model::Implementation::block_shape(std::size_t pair) const
{
  auto shape = signature.outputs[_pair_outputs[pair]].trailing;
  const auto & columns = slot(_pair_inputs[pair]).trailing;
  shape.insert(shape.end(), columns.begin(), columns.end());
  return shape;
}

std::int64_t Model::Implementation::block_size(std::size_t pair) const
{
  return signature.outputs[_pair_outputs[pair]].range.size * slot(_pair_inputs[pair]).range.size;
}

ValueMap Model::Implementation::make_outputs(Call & call) const
{
  ValueMap outputs;
  for (std::size_t i = 0; i < signature.outputs.size(); i++)
  {
    const auto & output = signature.outputs[i];
    const auto & tensor = outputs.emplace(output.name, call.make(output.trailing, true)).first->second;
    call.add_sink(tensor, output.trailing.size(), true, {Result::output, i}, output.range.size);
  }
  return outputs;
}

void Model::Implementation::own_outputs(Call & call, const ValueMap & outputs) const
{
  for (const auto & [name, tensor] : outputs)
  {
    const auto i = output_number(name, "output");
    const auto & [label, range, trailing] = signature.outputs[i];
    call.add_sink(call.own(tensor, {"output", name}, trailing, true), trailing.size(), true,
                  {Result::output, i}, range.size);
  }
}

std::vector<PairUse> Model::Implementation::uses(const Call & call, const std::vector<char> & wanted) const
{
  std::vector<PairUse> use(pairs.size(), PairUse::unwanted);
  for (std::size_t p = 0; p < pairs.size(); p++)
    if (wanted[p])
    {
      const auto & needs = _dependencies[p];
      const bool varies =
          std::any_of(needs.begin(), needs.end(), [&](std::size_t i) { return call.batched(i); });
      use[p] = varies ? PairUse::batched : PairUse::uniform;
    }
  return use;
}

std::vector<PairUse> Model::Implementation::want_blocks(Call & call, const std::vector<char> & wanted) const
{
  call.job.derivatives = {Mode::jacobian, uses(call, wanted), {}, {}};
  return call.job.derivatives->use;
}

void Model::Implementation::want_directions(Call & call, Mode mode,
                                            const std::vector<std::size_t> & results) const
{
  const auto & from = mode == Mode::jvp ? _pair_inputs : _pair_outputs;
  const auto & to = mode == Mode::jvp ? _pair_outputs : _pair_inputs;
  std::vector<char> wanted(pairs.size(), 0);
  std::vector<std::int64_t> places(pairs.size());
  for (std::size_t p = 0; p < pairs.size(); p++)
  {
    places[p] = call.tangent_place(from[p]);
    wanted[p] = places[p] >= 0 && std::find(results.begin(), results.end(), to[p]) != results.end();
  }
  call.job.derivatives = {mode, uses(call, wanted), results, std::move(places)};
}

void Model::Implementation::want_tangents(Call & call, const ValueMap & tangents,
                                          const std::vector<std::size_t> & outputs) const
{
  call.add_tangents(tangents, _differentiable);
  want_directions(call, Mode::jvp, outputs);
}

void Model::Implementation::want_cotangents(Call & call, const ValueMap & cotangents,
                                            const std::vector<std::size_t> & inputs) const
{
  std::vector<char> possible(signature.outputs.size(), 0);
  for (const auto output : differentiated)
    possible[output] = 1;
  call.add_cotangents(cotangents, possible);
  want_directions(call, Mode::vjp, inputs);
}

void Model::Implementation::bind(DispatchedCall & call) const
{
  if (dispatcher)
    call.spread.emplace(dispatcher->spread(call.points(), call.device()));
  call.bind(call.spread ? call.spread->strided_axes : engine->strided_axes());
}

void Model::Implementation::run(DispatchedCall & call) const
{
  call.announce();
  const auto cause = [&](const FailedPoint & point) { return cause_of(call, point); };
  if (dispatcher)
    dispatcher->run(call.job, *call.spread, cause);
  else
    try
    {
      engine->run(call.job);
    }
    catch (const ConvergenceError & error)
    {
      report_failed(error.points(), call.job.points, cause);
    }
  call.finish();
}

void Model::Implementation::dispatch(std::shared_ptr<Scheduler> scheduler,
                                     std::vector<std::unique_ptr<const Engine>> others)
{
  signature.anywhere = true;
  dispatcher = std::make_unique<dispatchers::Dispatcher>(*engine, std::move(scheduler), std::move(others));
}

void Model::Implementation::set_parameter(const std::string & name, const at::Tensor & value)
{
  const auto promoted = parameters.find(name);
  if (promoted == parameters.end())
  {
    std::vector<std::string> known;
    for (const auto & [other, tensor] : parameters)
      known.push_back(other);
    throw FatalError("unknown parameter '" + name + "'" + did_you_mean(name, known) +
                     " (the promoted parameters are: " + quoted_list(known) +
                     "; others are promoted with neml2-compile -p NAME)");
  }
  const auto & slots = signature.parameters;
  const auto slot = std::find_if(slots.begin(), slots.end(), [&](const Slot & s) { return s.name == name; });
  check_tensor(value, {"parameter", name}, slot->trailing, signature.dtype, signature.device, true);
  auto replaced = value; // destroyed after the lock: that may wait for Python
  const std::lock_guard lock(_setting);
  auto values = *present();
  values[static_cast<std::size_t>(slot - slots.begin())] = value;
  auto published = std::make_shared<const ParameterValues>(std::move(values));
  std::swap(promoted->second, replaced);
  const std::lock_guard brief(_publishing);
  _values.swap(published);
}

} // namespace neml2::aoti
