// SPDX-License-Identifier: MIT
#pragma once

#include "engines/FailureReport.h"
#include "neml2/dispatchers/Scheduler.h"

#include <exception>
#include <vector>

namespace neml2::dispatchers
{

/// What went wrong in the parts of a call.
class Failures
{
public:
  /// In a handler: keeps the exception at hand, of a part.
  void keep(const Part & part) noexcept;

  /// Whether to go on makes no sense: something failed that a smaller step will not mend.
  bool fatal() const { return _fatal; }

  /// Throws the only failure as it is, or several as an AggregateError, in the order of their parts. Points
  /// of a ConvergenceError are counted in the whole batch, of `points`; `cause` is asked of them.
  void raise(std::int64_t points, const aoti::Cause & cause);

private:
  struct Failure
  {
    std::int64_t begin;
    std::exception_ptr error;
  };

  std::vector<Failure> _failures;
  bool _fatal = false, _lost = false;
};

} // namespace neml2::dispatchers
