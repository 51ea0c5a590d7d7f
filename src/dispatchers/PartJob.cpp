// SPDX-License-Identifier: MIT
#include "dispatchers/PartJob.h"

#include "neml2/aoti/exceptions.h"

#include <ATen/Functions.h>

namespace neml2::dispatchers
{
namespace
{

/// Rows from a later one on.
void advance(aoti::Argument & rows, std::int64_t points, std::int64_t bytes)
{
  if (rows.data)
    rows.data = static_cast<char *>(rows.data) + points * rows.stride * bytes;
}

} // namespace

PartJob::PartJob(const aoti::Job & whole, const Part & part, const at::TensorOptions & home)
    : _job(whole), _home(home)
{
  const auto bytes = static_cast<std::int64_t>(home.dtype().itemsize());
  if (part.size() < _job.points)
  {
    _job.points = part.size();
    _job.batch = at::IntArrayRef(_job.points); // one axis
    for (auto & source : _job.sources)
      advance(source, part.begin, bytes);
    for (auto & tangent : _job.tangents)
      advance(tangent, part.begin, bytes);
    for (auto & sink : _job.sinks)
      advance(sink.rows, part.begin, bytes);
    if (part.begin > 0) // what all points share is stored once
      _job.uniform_sinks.clear();
  }
  own_sums();
}

/// Those of the call are added up from those of all parts.
void PartJob::own_sums()
{
  for (auto & sum : _job.sums)
  {
    _sums.push_back(at::empty({1, sum.count}, _home));
    sum.rows.data = _sums.back().mutable_data_ptr();
    sum.rows.stride = sum.count;
    sum.rows.keep = _sums.back();
  }
}

at::Tensor PartJob::view(const aoti::Argument & rows, std::int64_t points, std::int64_t components) const
{
  return at::for_blob(rows.data, {rows.stride == 0 ? 1 : points, components})
      .strides(at::IntArrayRef({rows.stride, 1}))
      .options(_home)
      .target_device(_home.device())
      .make_tensor();
}

void PartJob::move(aoti::Argument & rows, c10::Device device) const
{
  if (!rows.data || (_job.points == 0 && rows.stride != 0))
    return;
  const auto theirs = view(rows, _job.points, rows.range.size);
  rows.keep = at::empty(theirs.sizes(), _home.device(device));
  if (_staged)
    rows.keep.copy_(stage(theirs.sizes()).copy_(theirs), true);
  else
    rows.keep.copy_(theirs);
  rows.data = rows.keep.mutable_data_ptr();
  rows.stride = rows.stride == 0 ? 0 : rows.range.size;
}

void PartJob::move(aoti::Sink & sink, std::int64_t points, c10::Device device)
{
  if (sink.count == 0)
    return;
  const auto theirs = view(sink.rows, points, sink.count);
  const auto ours = at::empty(theirs.sizes(), _home.device(device));
  _results.emplace_back(ours, theirs);
  sink.rows.data = ours.mutable_data_ptr();
  sink.rows.stride = sink.count;
  sink.rows.keep = ours;
}

at::Tensor PartJob::stage(at::IntArrayRef sizes) const
{
  return at::empty(sizes, _home.pinned_memory(true));
}

void PartJob::move_to(c10::Device device, bool staged)
{
  _staged = staged;
  for (auto & source : _job.sources)
    move(source, device);
  for (auto & tangent : _job.tangents)
    move(tangent, device);
  for (auto & sink : _job.sinks)
    move(sink, _job.points, device);
  for (auto & sink : _job.uniform_sinks)
    move(sink, 1, device);
  for (auto & sum : _job.sums)
    move(sum, 1, device);
}

void PartJob::copy_results(const std::optional<c10::Stream> & stream) const
{
  if (!_staged)
  {
    for (const auto & [ours, theirs] : _results)
      theirs.copy_(ours);
    return;
  }
  std::vector<at::Tensor> arrived;
  for (const auto & [ours, theirs] : _results)
    arrived.push_back(stage(ours.sizes()).copy_(ours, true));
  if (stream)
    stream->synchronize();
  for (std::size_t k = 0; k < arrived.size(); k++)
    _results[k].second.copy_(arrived[k]);
}

void check_part(const Part & part, std::int64_t begin, std::int64_t points, std::size_t devices)
{
  if (part.begin != begin || part.end <= part.begin || part.end > points)
    throw aoti::FatalError("the scheduler gave the points [" + std::to_string(part.begin) + ", " +
                           std::to_string(part.end) + ") of " + std::to_string(points) +
                           ", expected some that begin at " + std::to_string(begin));
  if (part.device >= devices)
    throw aoti::FatalError("the scheduler gave points to device number " + std::to_string(part.device) +
                           ", and there are " + std::to_string(devices));
}

} // namespace neml2::dispatchers
