// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/export.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace neml2
{

/// Neighbouring points of a batch, [begin, end), that one device evaluates at once.
struct Part
{
  std::size_t device = 0; ///< position in Scheduler::devices()
  std::int64_t begin = 0, end = 0;

  std::int64_t size() const { return end - begin; }
};

/// How one batch is spread. Its functions are never called by two threads at a time, `next` only by the
/// thread that made the call. What they throw ends the call as the failure of a part would.
class NEML2_EXPORT Schedule
{
public:
  virtual ~Schedule();

  /// The next part, which begins where the last one ended. `load[d]` is the number of points that device d
  /// has been given and not finished. Empty where all that is left must wait until some device has finished a
  /// part; there is always a part for idle devices. Not called when no points are left.
  virtual std::optional<Part> next(std::span<const std::int64_t> load) = 0;

  /// A part has been evaluated; with copies to and from its device it took so many seconds.
  virtual void finished(const Part & part, double seconds);
};

/// Decides which device evaluates which part of a batch. May be shared by several models and threads.
class NEML2_EXPORT Scheduler
{
public:
  virtual ~Scheduler();

  /// The devices that a dispatched model loads its package for: "cpu", "cuda", "cuda:1". A number behind
  /// "cpu" makes of the processor several devices, which work at the same time and, as others do, on copies
  /// in a memory of their own: stand-ins for GPUs.
  const std::vector<std::string> & devices() const { return _devices; }

  /// A plan for a batch of so many points, at least 1.
  virtual std::unique_ptr<Schedule> schedule(std::int64_t points) = 0;

protected:
  /// Throws FatalError for an empty list, for what is no device, and for one that is named twice.
  explicit Scheduler(std::vector<std::string> devices);

private:
  std::vector<std::string> _devices;
};

} // namespace neml2
