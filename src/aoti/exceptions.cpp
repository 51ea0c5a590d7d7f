// SPDX-License-Identifier: MIT
#include "neml2/aoti/exceptions.h"

#include <algorithm>

namespace neml2::aoti
{

const char * to_text(FailureReason reason) noexcept
{
  switch (reason)
  {
  case FailureReason::iterations_used:
    return "all iterations used";
  case FailureReason::not_finite:
    return "residual not finite";
  case FailureReason::singular:
    return "singular Jacobian";
  }
  return "";
}

// Destructors live here so that each class has one type description, in libneml2.so.
Exception::~Exception() = default;
FatalError::~FatalError() = default;
ConvergenceError::~ConvergenceError() = default;
AggregateError::~AggregateError() = default;

ConvergenceError::ConvergenceError(const std::string & message, std::vector<FailedPoint> points)
    : Exception(message), _points(std::move(points))
{
}

namespace
{
bool is_recoverable(const std::exception_ptr & error)
{
  try
  {
    std::rethrow_exception(error);
  }
  catch (const Exception & e)
  {
    return e.recoverable();
  }
  catch (...)
  {
    return false;
  }
}
} // namespace

AggregateError::AggregateError(const std::string & message, std::vector<std::exception_ptr> errors)
    : Exception(message), _errors(std::move(errors)),
      _recoverable(!_errors.empty() && std::all_of(_errors.begin(), _errors.end(), is_recoverable))
{
}

} // namespace neml2::aoti
