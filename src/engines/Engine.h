// SPDX-License-Identifier: MIT
#pragma once

#include "call/Job.h"
#include "package/Metadata.h"

#include <c10/core/Device.h>
#include <memory>

namespace neml2::aoti
{

/// Evaluates the jobs of one package on one device.
class Engine
{
public:
  virtual ~Engine() = default;
  Engine(const Engine &) = delete;
  Engine & operator=(const Engine &) = delete;

  const Metadata & metadata() const { return _metadata; }

  /// Where the arrays of its jobs are.
  c10::Device device() const { return _device; }

  /// It reads and writes arrays of any strides in place where a batch has no more axes than this; others must
  /// be evenly spaced rows. 0: all must.
  virtual std::size_t strided_axes() const { return 0; }

  /// Throws ConvergenceError with all points that failed. Safe from several threads.
  virtual void run(const Job & job) const = 0;

protected:
  explicit Engine(Metadata metadata) : _metadata(std::move(metadata)), _device(_metadata.device) {}

  const Metadata _metadata;
  const c10::Device _device;
};

/// The engine for a package. Throws FatalError where this process cannot run it.
std::unique_ptr<const Engine> make_engine(Metadata metadata);

} // namespace neml2::aoti
