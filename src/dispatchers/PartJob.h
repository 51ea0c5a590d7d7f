// SPDX-License-Identifier: MIT
#pragma once

#include "call/Job.h"
#include "neml2/dispatchers/Scheduler.h"

#include <c10/core/Stream.h>
#include <optional>
#include <utility>
#include <vector>

namespace neml2::dispatchers
{

/// The job of some neighbouring points of another job, for one device.
class PartJob
{
public:
  /// The tensors of `whole` have the options `home`.
  PartJob(const aoti::Job & whole, const Part & part, const at::TensorOptions & home);
  PartJob(const PartJob &) = delete;
  PartJob & operator=(const PartJob &) = delete;

  /// Copies what it reads to a device, and lets it write there. `staged`: by way of pages that stay where
  /// they are, so that the device copies while this thread, and its other streams, go on.
  void move_to(c10::Device device, bool staged);

  /// Copies results that are elsewhere to where the call wants them; if they are staged, waits for `stream`.
  void copy_results(const std::optional<c10::Stream> & stream) const;

  /// Sums over the points of this part, one for each of the job's, at home.
  const std::vector<at::Tensor> & sums() const { return _sums; }

  const aoti::Job & job() const { return _job; }

private:
  /// Rows of the caller's memory as a tensor (points, components); one row where all points share it.
  at::Tensor view(const aoti::Argument & rows, std::int64_t points, std::int64_t components) const;
  void move(aoti::Argument & rows, c10::Device device) const;
  void move(aoti::Sink & sink, std::int64_t points, c10::Device device);
  at::Tensor stage(at::IntArrayRef sizes) const;
  void own_sums();

  aoti::Job _job;
  at::TensorOptions _home; ///< device and dtype of the caller's tensors
  bool _staged = false;
  std::vector<std::pair<at::Tensor, at::Tensor>> _results; ///< (on the device, at home)
  std::vector<at::Tensor> _sums;
};

/// Throws FatalError unless a part begins where the last one ended, is not empty, and has a device.
void check_part(const Part & part, std::int64_t begin, std::int64_t points, std::size_t devices);

} // namespace neml2::dispatchers
