// SPDX-License-Identifier: MIT
#include "dispatchers/Failures.h"

#include "call/guard.h"
#include "neml2/aoti/exceptions.h"

#include <algorithm>
#include <new>

namespace neml2::dispatchers
{
namespace
{

bool is_recoverable(const std::exception_ptr & error)
{
  try
  {
    std::rethrow_exception(error);
  }
  catch (const aoti::Exception & known)
  {
    return known.recoverable();
  }
  catch (...)
  {
    return false;
  }
}

/// Throws a failure of the points from `begin` on as one of the whole batch.
[[noreturn]] void raise_in_whole(const std::exception_ptr & error, std::int64_t begin, std::int64_t points,
                                 const aoti::Cause & cause)
{
  try
  {
    std::rethrow_exception(error);
  }
  catch (const aoti::ConvergenceError & failed)
  {
    auto moved = failed.points();
    for (auto & point : moved)
      point.index += begin;
    aoti::report_failed(std::move(moved), points, cause);
  }
  catch (...)
  {
    aoti::throw_as_exception();
  }
}

} // namespace

void Failures::keep(const Part & part) noexcept
{
  try
  {
    _failures.push_back({part.begin, std::current_exception()});
    _fatal = _fatal || !is_recoverable(_failures.back().error);
  }
  catch (const std::bad_alloc &)
  {
    _fatal = _lost = true;
  }
}

void Failures::raise(std::int64_t points, const aoti::Cause & cause)
{
  if (_lost)
    throw std::bad_alloc();
  if (_failures.empty())
    return;
  std::sort(_failures.begin(), _failures.end(),
            [](const auto & a, const auto & b) { return a.begin < b.begin; });
  if (_failures.size() == 1)
    raise_in_whole(_failures[0].error, _failures[0].begin, points, cause);
  constexpr std::size_t shown = 3; // the rest is in the exception
  std::vector<std::exception_ptr> errors;
  std::string text = std::to_string(_failures.size()) + " parts of the batch failed: ";
  for (const auto & [begin, error] : _failures)
    try
    {
      raise_in_whole(error, begin, points, cause);
    }
    catch (const std::exception & whole)
    {
      errors.push_back(std::current_exception());
      if (errors.size() <= shown)
        text += (errors.size() == 1 ? "" : "; ") + std::string(whole.what());
    }
  if (errors.size() > shown)
    text += "; and " + std::to_string(errors.size() - shown) + " more";
  throw aoti::AggregateError(text, std::move(errors));
}

} // namespace neml2::dispatchers
