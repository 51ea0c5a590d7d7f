// SPDX-License-Identifier: MIT
#pragma once

#include "dispatchers/Spread.h"
#include "engines/Engine.h"
#include "engines/FailureReport.h"

#include <c10/core/Device.h>
#include <functional>
#include <memory>
#include <vector>

namespace neml2::dispatchers
{

/// Runs jobs on the engines of several devices: the rows of a job are cut into parts, as a scheduler says,
/// and the engine of the part's device evaluates each. What is not in the memory of a device is copied there
/// and back.
///
/// Cut are rows of arrays, below the names and shapes of a model: all its operations are dispatched alike.
class Dispatcher
{
public:
  /// `first` runs a model on the scheduler's first device, and outlives this; `others` run it on the further
  /// ones. Throws FatalError where they differ.
  Dispatcher(const aoti::Engine & first, std::shared_ptr<Scheduler> scheduler,
             std::vector<std::unique_ptr<const aoti::Engine>> others);
  ~Dispatcher();

  /// Begins to spread a job whose tensors are at `home`.
  Spread spread(std::int64_t points, c10::Device home) const;

  /// Evaluates a job that was spread. Throws what went wrong: one failure as it is, ConvergenceError with
  /// points counted in the whole batch; several as an AggregateError. All parts are tried unless one fails
  /// for good.
  void run(const aoti::Job & job, Spread & spread, const aoti::Cause & cause) const;

  /// Of the way of a part, for tests: called as each begins, in the part's thread.
  enum class Stage
  {
    copy_in,
    evaluate,
    copy_out
  };
  std::function<void(Stage, const Part &)> observe;

private:
  struct Place;
  class Run;

  const aoti::Engine & _first;
  std::shared_ptr<Scheduler> _scheduler;
  std::vector<Place> _places; ///< by device
};

} // namespace neml2::dispatchers
