// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/export.h"

#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

namespace neml2::aoti
{

/// Base of everything that leaves the public interface.
class NEML2_EXPORT Exception : public std::runtime_error
{
public:
  using std::runtime_error::runtime_error;
  ~Exception() override;

  /// Whether the caller can go on, for example with a smaller time step.
  virtual bool recoverable() const noexcept = 0;
};

/// A call or a package that cannot work as it is: a shape, a device, a missing file. Trying again does not
/// help.
class NEML2_EXPORT FatalError : public Exception
{
public:
  using Exception::Exception;
  ~FatalError() override;

  bool recoverable() const noexcept override { return false; }
};

/// Why an implicit update ended without a solution; the numbers are those of neml2/native/Kernel.h.
enum class FailureReason : std::uint8_t
{
  iterations_used = 1, ///< not converged after as many iterations as allowed
  not_finite = 2,      ///< what the update is given, or its residual, is NaN or infinite
  singular = 3         ///< a Jacobian that cannot be inverted
};

/// "all iterations used", "residual not finite" or "singular Jacobian".
NEML2_EXPORT const char * to_text(FailureReason reason) noexcept;

/// One material point at which an implicit update did not converge.
struct FailedPoint
{
  std::int64_t index;      ///< position in the flattened (row-major) common batch of the call
  std::int64_t iterations; ///< Newton iterations done
  double residual;         ///< norm of the residual at the last iterate
  FailureReason reason = FailureReason::iterations_used;
};

/// Some material points did not converge. The caller can cut the time step and try again.
class NEML2_EXPORT ConvergenceError : public Exception
{
public:
  ConvergenceError(const std::string & message, std::vector<FailedPoint> points);
  ~ConvergenceError() override;

  bool recoverable() const noexcept override { return true; }

  /// The points that failed, in ascending order of their index.
  const std::vector<FailedPoint> & points() const noexcept { return _points; }

private:
  std::vector<FailedPoint> _points;
};

/// Several parts of one dispatched call failed. Recoverable when each of them is.
class NEML2_EXPORT AggregateError : public Exception
{
public:
  AggregateError(const std::string & message, std::vector<std::exception_ptr> errors);
  ~AggregateError() override;

  bool recoverable() const noexcept override { return _recoverable; }

  const std::vector<std::exception_ptr> & errors() const noexcept { return _errors; }

private:
  std::vector<std::exception_ptr> _errors;
  bool _recoverable;
};

} // namespace neml2::aoti
