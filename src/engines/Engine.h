// SPDX-License-Identifier: MIT
#pragma once

#include "call/Arguments.h"
#include "engines/DerivativePlan.h"
#include "engines/FailureReport.h"
#include "engines/lanes/Segment.h"
#include "engines/lanes/Workspace.h"

#include <atomic>
#include <c10/util/SmallVector.h>

namespace neml2::aoti
{

class DeviceEngine;
class NativeEngine;

/// Where some results of a call go: component i comes from sources[i].
struct Sink
{
  Argument rows;
  const Operand * sources = nullptr;
  std::int64_t count = 0;
};

/// One call, with all names resolved and all tensors checked.
struct Job
{
  std::int64_t points = 0;
  at::IntArrayRef batch;                            ///< axes of the points
  c10::SmallVector<Argument, 8> sources;            ///< inputs and stored parameters
  c10::SmallVector<Argument, 4> tangents;           ///< their ranges are places in the tangent array
  std::int64_t tangent_size = 0;                    ///< components of the tangent array
  c10::SmallVector<std::size_t, 4> tangent_sources; ///< whose tangents they are, as positions in `sources`
  c10::SmallVector<Sink, 8> sinks;                  ///< one row for each point
  c10::SmallVector<Sink, 4> uniform_sinks; ///< one row altogether, from uniform and constant arrays alone
  const DerivativePlan * plan = nullptr;
  std::atomic<std::uint64_t> * iterated =
      nullptr; ///< if not null, gets a bit for each segment that changed its guess
};

/// Evaluates jobs. On CPUs, cuts the batch into chunks that stay in a core's cache, and walks the segments
/// over each.
class Engine
{
public:
  explicit Engine(Metadata metadata);
  ~Engine();

  const Metadata & metadata() const { return _metadata; }
  const std::vector<std::unique_ptr<Segment>> & segments() const;

  /// Whether a native kernel does the work; there are no segments then.
  bool native() const { return _native != nullptr; }

  /// Throws ConvergenceError with all points that failed. Safe from several threads.
  void run(const Job & job) const;

private:
  template <typename T>
  class Run;

  std::int64_t grain() const;
  std::int64_t blocks_per_chunk(const Job & job, std::int64_t blocks, int threads) const;

  Metadata _metadata;
  std::vector<std::unique_ptr<Segment>> _segments;
  std::unique_ptr<const NativeEngine> _native;
  std::unique_ptr<const DeviceEngine> _device;
  bool _implicit = false;
  std::unique_ptr<WorkspacePool> _pool;
};

} // namespace neml2::aoti
