// SPDX-License-Identifier: MIT
#include "call/Call.h"

#include "neml2/aoti/exceptions.h"
#include "package/NearMatch.h"

#include <ATen/EmptyTensor.h>
#include <ATen/Functions.h>
#include <algorithm>
#include <cstdint>
#include <sys/mman.h>

namespace neml2::aoti
{
namespace
{

std::vector<std::string> names_of(const std::vector<Slot> & slots)
{
  std::vector<std::string> names;
  for (const auto & slot : slots)
    names.push_back(slot.name);
  return names;
}

std::int64_t count_points(const Shape & batch)
{
  if (std::find(batch.begin(), batch.end(), 0) != batch.end())
    return 0;
  std::int64_t points = 1;
  for (const auto extent : batch)
    if (__builtin_mul_overflow(points, extent, &points))
      throw FatalError("the batch " + to_text(batch) + " has more points than can be counted");
  return points;
}

/// Asks for large pages under a large fresh tensor: most of the time that it costs otherwise goes into page
/// faults.
void prefer_large_pages(const at::Tensor & tensor)
{
  constexpr std::uintptr_t page = 2 << 20;
  if (!tensor.is_cpu() || tensor.nbytes() < 2 * page)
    return;
  const auto begin = reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr());
  const auto first = (begin + page - 1) / page * page, last = (begin + tensor.nbytes()) / page * page;
  ::madvise(reinterpret_cast<void *>(first), last - first, MADV_HUGEPAGE); // a wish: failing changes nothing
}

} // namespace

Call::Call(const Signature & signature, const ValueMap & inputs,
           std::shared_ptr<const ParameterValues> parameters)
    : _signature(signature), _parameters(std::move(parameters)), _device(signature.device)
{
  if (signature.anywhere)
    choose_device(inputs);
  for (const auto & slot : signature.inputs)
  {
    const auto given = inputs.find(slot.name);
    if (given == inputs.end())
      fail_names(inputs);
    check_tensor(given->second, {"input", slot.name}, slot.trailing, signature.dtype, _device);
    _given.push_back({&slot, &given->second, "input"});
  }
  if (inputs.size() != signature.inputs.size())
    fail_names(inputs);
  for (std::size_t i = 0; i < signature.parameters.size(); i++)
  {
    const auto & slot = signature.parameters[i];
    const auto & value = (*_parameters)[i];
    check_tensor(value, {"parameter", slot.name}, slot.trailing, signature.dtype, _device);
    _given.push_back({&slot, &value, "parameter"});
  }
  for (const auto & given : _given)
    broadcast(given);
}

/// That of the inputs; the parameters follow.
void Call::choose_device(const ValueMap & inputs)
{
  if (inputs.empty() || !inputs.begin()->second.defined() || inputs.begin()->second.device() == _device)
    return;
  _device = inputs.begin()->second.device();
  auto moved = *_parameters;
  for (auto & value : moved)
    value = value.to(_device);
  _parameters = std::make_shared<const ParameterValues>(std::move(moved));
}

at::Tensor Call::empty(at::IntArrayRef shape) const
{
  return _device.is_cpu() ? at::detail::empty_cpu(shape, _signature.dtype, false, std::nullopt)
                          : at::empty(shape, at::device(_device).dtype(_signature.dtype));
}

void Call::fail_names(const ValueMap & inputs) const
{
  const auto known = names_of(_signature.inputs);
  for (const auto & [name, tensor] : inputs)
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw FatalError("unknown input '" + name + "'" + did_you_mean(name, known) +
                       " (the inputs are: " + quoted_list(known) + ")");
  std::vector<std::string> missing;
  for (const auto & name : known)
    if (!inputs.contains(name))
      missing.push_back(name);
  throw FatalError("missing input" + std::string(missing.size() > 1 ? "s " : " ") + quoted_list(missing) +
                   " (the inputs are: " + quoted_list(known) + ")");
}

void Call::broadcast(const Given & given)
{
  if (!broadcast_into(_batch, batch_shape(*given.tensor, given.slot->trailing.size())))
    fail_to_broadcast();
}

void Call::fail_to_broadcast() const
{
  std::string text;
  const auto add = [&](const Given & given)
  {
    text += (text.empty() ? "" : ", ") + Label{given.kind, given.slot->name}.text() + " has " +
            to_text(batch_shape(*given.tensor, given.slot->trailing.size()));
  };
  std::for_each(_given.begin(), _given.end(), add);
  std::for_each(_tangents.begin(), _tangents.end(), add);
  throw FatalError("the batch shapes do not broadcast against one another: " + text);
}

void Call::add_tangents(const ValueMap & tangents, const std::vector<char> & wanted)
{
  std::size_t found = 0;
  _tangent_places.assign(_given.size(), -1);
  for (std::size_t i = 0; i < _given.size(); i++)
  {
    const auto & slot = *_given[i].slot;
    const auto tangent = tangents.find(slot.name);
    if (tangent == tangents.end())
      continue;
    found++;
    if (!wanted[i])
      throw FatalError("there is a tangent for '" + slot.name +
                       "', but no derivative with respect to it was " +
                       "compiled; compile the model with -d :" + slot.name);
    check_tensor(tangent->second, {"tangent", slot.name}, slot.trailing, _signature.dtype, _device);
    _tangents.push_back({&slot, &tangent->second, "tangent"});
    _tangent_places[i] = job.tangent_size;
    job.tangent_sources.push_back(i);
    job.tangent_size += slot.range.size;
    broadcast(_tangents.back());
  }
  if (found == tangents.size())
    return;
  std::vector<std::string> known;
  for (const auto & given : _given)
    known.push_back(given.slot->name);
  for (const auto & [name, tensor] : tangents)
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw FatalError("unknown name '" + name + "' among the tangents" + did_you_mean(name, known) +
                       " (the inputs and parameters are: " + quoted_list(known) + ")");
}

Argument Call::rows(const at::Tensor & tensor, std::size_t trailing, std::int64_t components) const
{
  return as_rows(tensor, trailing, components, _batch, _follows_strides);
}

std::int64_t Call::points() const
{
  return count_points(_batch);
}

void Call::bind(std::size_t strided_axes)
{
  _follows_strides = strided_axes > 0 && _batch.size() <= strided_axes;
  job.batch = _batch;
  job.points = job.whole = points();
  for (const auto & given : _given)
  {
    job.sources.push_back(rows(*given.tensor, given.slot->trailing.size(), given.slot->range.size));
    job.sources.back().range = given.slot->range;
  }
  std::int64_t place = 0;
  for (const auto & given : _tangents)
  {
    job.tangents.push_back(rows(*given.tensor, given.slot->trailing.size(), given.slot->range.size));
    job.tangents.back().range = {place, given.slot->range.size};
    place += given.slot->range.size;
  }
}

at::Tensor Call::make(at::IntArrayRef trailing, bool is_batched) const
{
  Shape shape;
  if (is_batched)
    shape = _batch;
  shape.append(trailing.begin(), trailing.end());
  at::Tensor tensor = empty(shape);
  prefer_large_pages(tensor);
  return tensor;
}

at::Tensor Call::own(const at::Tensor & tensor, const Label & what, at::IntArrayRef trailing,
                     bool needs_batch)
{
  check_tensor(tensor, what, trailing, _signature.dtype, _device);
  const auto batch = batch_shape(tensor, trailing.size());
  if (batch != at::IntArrayRef(_batch) && (needs_batch || !batch.empty()))
    throw FatalError(what.text() + " has the batch shape " + to_text(batch) + ", expected " +
                     to_text(_batch) + (needs_batch ? "" : " or ()"));
  if (may_overlap_itself(tensor))
    throw FatalError(what.text() + " has several elements at one place in memory (it is an expanded view, " +
                     "or its rows overlap)");
  const Region region(tensor);
  for (const auto & [other, name] : _written)
    if (may_overlap(region, other))
      throw FatalError(what.text() + " and " + name.text() +
                       " overlap in memory; each result needs a place of its own");
  _written.emplace_back(region, what);
  const bool rows_fit = batch.empty() && !needs_batch ? tensor.is_contiguous()
                                                      : !rows(tensor, trailing.size(), 1).keep.defined();
  if (rows_fit && !tensor.is_neg() && !overlaps_source(region))
    return tensor;
  auto temporary = empty(tensor.sizes());
  _copies.emplace_back(temporary, tensor);
  return temporary;
}

bool Call::overlaps_source(const Region & region)
{
  if (_read.empty())
  {
    for (const auto & given : _given)
      _read.emplace_back(*given.tensor);
    for (const auto & given : _tangents)
      _read.emplace_back(*given.tensor);
  }
  return std::any_of(_read.begin(), _read.end(),
                     [&](const Region & read) { return may_overlap(region, read); });
}

void Call::announce() const
{
  for (const auto & [region, what] : _written)
    if (!region.tensor->is_inference())
      region.tensor->unsafeGetTensorImpl()->bump_version();
}

void Call::finish() const
{
  for (const auto & [temporary, destination] : _copies)
    destination.copy_(temporary);
}

void Call::add_sink(const at::Tensor & tensor, std::size_t trailing_axes, bool is_batched, Result result,
                    std::int64_t count)
{
  void * data = tensor.mutable_data_ptr();
  if (!is_batched)
    job.uniform_sinks.push_back({{data, count, {}, tensor}, result, count});
  else if (job.points > 0 && count > 0)
  {
    auto sink = rows(tensor, trailing_axes, count);
    sink.data = data;
    sink.keep = tensor;
    job.sinks.push_back({std::move(sink), result, count});
  }
}

} // namespace neml2::aoti
