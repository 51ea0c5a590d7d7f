// SPDX-License-Identifier: MIT
#pragma once

#include "engines/Engine.h"
#include "engines/device/DeviceProgram.h"
#include "engines/lanes/Plans.h"

#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace neml2::aoti
{

/// What is made once and kept, by key. Safe from several threads.
template <typename Key, typename Value>
class Kept
{
public:
  template <typename Make>
  const Value & get(const Key & key, Make && make)
  {
    const std::lock_guard lock(_guard);
    auto & value = _values[key];
    if (!value)
      value = std::make_unique<const Value>(make());
    return *value;
  }

private:
  std::mutex _guard;
  std::map<Key, std::unique_ptr<const Value>> _values;
};

/// Evaluates jobs where memory is a device's own and a kernel is worth its launch for thousands of points
/// only: graphs and ATen operations run on whole batches, or what of them fits the memory. Any device that
/// ATen knows will do.
class DeviceEngine : public Engine
{
public:
  /// Throws FatalError.
  explicit DeviceEngine(Metadata metadata);

  void run(const Job & job) const override;

  /// Memory that a call uses at most beside its arguments, roughly. Tests make it smaller.
  static inline std::int64_t chunk_bytes = std::int64_t(1) << 30;

private:
  class Run;

  std::int64_t points_per_chunk(const Job & job, const DerivativePlan * plan) const;

  std::vector<std::unique_ptr<Segment>> _segments;
  std::int64_t _newton_size = 0; ///< elements a point that the largest system of equations takes
  std::unique_ptr<WorkspacePool> _pool;
  Plans _plans;
  mutable Kept<const Program *, DeviceProgram> _programs;
  mutable Kept<std::pair<const Operand *, std::int64_t>, Gather> _gathers; ///< by the sources of a sink
};

} // namespace neml2::aoti
