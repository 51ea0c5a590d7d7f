// SPDX-License-Identifier: MIT
#include "call/Call.h"

#include "neml2/aoti/exceptions.h"
#include "package/NearMatch.h"

#include <ATen/EmptyTensor.h>
#include <ATen/ExpandUtils.h>
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

/// Throws about the first name that is none of `slots`.
[[noreturn]] void fail_directions(const ValueMap & directions, const char * kinds,
                                  at::ArrayRef<const Slot *> slots, const char * owners)
{
  std::vector<std::string> known;
  for (const auto * slot : slots)
    known.push_back(slot->name);
  const auto unknown =
      std::find_if(directions.begin(), directions.end(), [&](const auto & given)
                   { return std::find(known.begin(), known.end(), given.first) == known.end(); });
  throw FatalError("unknown name '" + unknown->first + "' among the " + kinds +
                   did_you_mean(unknown->first, known) + " (the " + owners + " are: " + quoted_list(known) +
                   ")");
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
  auto known = signature.inputs.size();
  for (std::size_t i = 0; i < signature.parameters.size(); i++)
  {
    const auto & slot = signature.parameters[i];
    const auto * other = inputs.size() > signature.inputs.size() ? replaced(inputs, i) : nullptr;
    const auto & value = other ? *other : (*_parameters)[i];
    known += other != nullptr;
    check_tensor(value, {"parameter", slot.name}, slot.trailing, signature.dtype, _device);
    _given.push_back({&slot, &value, "parameter"});
  }
  if (inputs.size() != known)
    fail_names(inputs);
  for (const auto & given : _given)
    broadcast(given);
}

/// The value among the inputs that takes the place of a parameter, or null.
const at::Tensor * Call::replaced(const ValueMap & inputs, std::size_t parameter) const
{
  const auto found = inputs.find(_signature.parameters[parameter].name);
  return found != inputs.end() && _signature.promoted[parameter] ? &found->second : nullptr;
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
  const auto parameters = names_of(_signature.parameters);
  const auto replaces = [&](const std::string & name)
  {
    const auto found = std::find(parameters.begin(), parameters.end(), name);
    return found != parameters.end() &&
           _signature.promoted[static_cast<std::size_t>(found - parameters.begin())];
  };
  for (const auto & [name, tensor] : inputs)
    if (!replaces(name) && std::find(known.begin(), known.end(), name) == known.end())
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

void Call::add_directions(const ValueMap & directions, const char * kind, at::ArrayRef<const Slot *> slots)
{
  _tangent_places.assign(slots.size(), -1);
  for (std::size_t i = 0; i < slots.size(); i++)
  {
    const auto found = directions.find(slots[i]->name);
    if (found == directions.end())
      continue;
    check_tensor(found->second, {kind, slots[i]->name}, slots[i]->trailing, _signature.dtype, _device);
    _tangents.push_back({slots[i], &found->second, kind});
    _tangent_places[i] = job.tangent_size;
    job.tangent_sources.push_back(i);
    job.tangent_size += slots[i]->range.size;
    broadcast(_tangents.back());
  }
}

void Call::add_tangents(const ValueMap & tangents, const std::vector<char> & wanted)
{
  c10::SmallVector<const Slot *, 8> slots;
  for (std::size_t i = 0; i < _given.size(); i++)
  {
    slots.push_back(_given[i].slot);
    if (!wanted[i] && tangents.contains(slots[i]->name))
      throw FatalError("there is a tangent for '" + slots[i]->name +
                       "', but no derivative with respect to it was " +
                       "compiled; compile the model with -d :" + slots[i]->name);
  }
  add_directions(tangents, "tangent", slots);
  if (_tangents.size() != tangents.size())
    fail_directions(tangents, "tangents", slots, "inputs and parameters");
}

void Call::add_cotangents(const ValueMap & cotangents, const std::vector<char> & wanted)
{
  c10::SmallVector<const Slot *, 8> slots;
  for (std::size_t i = 0; i < _signature.outputs.size(); i++)
  {
    slots.push_back(&_signature.outputs[i]);
    if (!wanted[i] && cotangents.contains(slots[i]->name))
      throw FatalError("there is a cotangent for '" + slots[i]->name + "', but no derivative of it was " +
                       "compiled; compile the model with -d " + slots[i]->name + ":");
  }
  add_directions(cotangents, "cotangent", slots);
  if (_tangents.size() != cotangents.size())
    fail_directions(cotangents, "cotangents", slots, "outputs");
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
  const auto region = claim(tensor, what);
  return placed(tensor, region,
                batch.empty() && !needs_batch ? tensor.is_contiguous()
                                              : !rows(tensor, trailing.size(), 1).keep.defined());
}

/// Takes note that the run writes to a tensor of the caller.
Region Call::claim(const at::Tensor & tensor, const Label & what)
{
  if (may_overlap_itself(tensor))
    throw FatalError(what.text() + " has several elements at one place in memory (it is an expanded view, " +
                     "or its rows overlap)");
  const Region region(tensor);
  for (const auto & [other, name] : _written)
    if (may_overlap(region, other))
      throw FatalError(what.text() + " and " + name.text() +
                       " overlap in memory; each result needs a place of its own");
  _written.emplace_back(region, what);
  return region;
}

/// A claimed tensor, or a temporary in its place.
at::Tensor Call::placed(const at::Tensor & tensor, const Region & region, bool rows_fit)
{
  if (rows_fit && !tensor.is_neg() && !overlaps_source(region))
    return tensor;
  auto temporary = empty(tensor.sizes());
  _copies.emplace_back(temporary, tensor);
  return temporary;
}

at::Tensor Call::own_cotangent(const at::Tensor & tensor, const Label & what, std::size_t i)
{
  const auto & slot = *_given[i].slot;
  check_tensor(tensor, what, slot.trailing, _signature.dtype, _device);
  if (tensor.sizes() != _given[i].tensor->sizes())
    throw FatalError(what.text() + " has shape " + to_text(tensor.sizes()) + ", expected " +
                     to_text(_given[i].tensor->sizes()) + ", that of the " + _given[i].kind);
  const auto region = claim(tensor, what);
  const bool by_point = batch_of(i) == _batch;
  return placed(tensor, region,
                by_point ? !rows(tensor, slot.trailing.size(), 1).keep.defined() : tensor.is_contiguous());
}

void Call::add_cotangent_sink(const at::Tensor & tensor, std::size_t i)
{
  const auto & slot = *_given[i].slot;
  const Result result{Result::cotangent, i};
  const auto own = batch_of(i);
  if (own == _batch)
    return add_sink(tensor, slot.trailing.size(), true, result, slot.range.size);
  if (count_points(own) == 1)
  {
    job.sums.push_back({{tensor.mutable_data_ptr(), slot.range.size, {}, tensor}, result, slot.range.size});
    return;
  }
  _sums.emplace_back(make(slot.trailing, true), tensor);
  add_sink(_sums.back().first, slot.trailing.size(), true, result, slot.range.size);
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
  for (const auto & [by_point, destination] : _sums)
    destination.copy_(at::sum_to(by_point, destination.sizes()));
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
