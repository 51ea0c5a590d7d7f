// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <exception>
#include <vector>

namespace neml2::dispatchers
{

class Cut;

/// What went wrong in the parts of a call.
class Failures
{
public:
  /// In a handler: keeps the exception at hand, of the part that begins at row `begin` and has `rows` rows of
  /// the batch. Points of a ConvergenceError are counted in the whole batch from now on.
  void keep(const Cut & cut, std::int64_t begin, std::int64_t rows);

  /// Whether to go on makes no sense: something failed that a smaller step will not mend.
  bool fatal() const { return _fatal; }

  /// Throws the only failure as it is, or several as an AggregateError, in the order of their parts.
  void raise();

private:
  struct Failure
  {
    std::int64_t begin;
    std::exception_ptr error;
  };

  std::vector<Failure> _failures;
  bool _fatal = false;
};

} // namespace neml2::dispatchers
