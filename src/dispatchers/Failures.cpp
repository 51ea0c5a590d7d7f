// SPDX-License-Identifier: MIT
#include "dispatchers/Failures.h"

#include "aoti/FailureReport.h"
#include "dispatchers/Cut.h"
#include "neml2/aoti/exceptions.h"

#include <algorithm>

namespace neml2::dispatchers
{

void Failures::keep(const Cut & cut, std::int64_t begin, std::int64_t rows)
{
  try
  {
    throw;
  }
  catch (const aoti::ConvergenceError & error)
  {
    auto points = error.points();
    for (auto & point : points)
      point.index = cut.point_in_whole(point.index, begin, rows);
    std::sort(points.begin(), points.end(), [](const auto & a, const auto & b) { return a.index < b.index; });
    const auto text = aoti::failure_text(points, cut.points());
    _failures.push_back({begin, std::make_exception_ptr(aoti::ConvergenceError(text, std::move(points)))});
  }
  catch (...)
  {
    _fatal = true;
    _failures.push_back({begin, std::current_exception()});
  }
}

void Failures::raise()
{
  if (_failures.empty())
    return;
  std::sort(_failures.begin(), _failures.end(), [](const auto & a, const auto & b) { return a.begin < b.begin; });
  if (_failures.size() == 1)
    std::rethrow_exception(_failures[0].error);
  std::vector<std::exception_ptr> errors;
  std::string text = std::to_string(_failures.size()) + " parts of the batch failed";
  for (const auto & failure : _failures)
  {
    errors.push_back(failure.error);
    try
    {
      std::rethrow_exception(failure.error);
    }
    catch (const std::exception & error)
    {
      if (errors.size() <= 3)
        text += (errors.size() == 1 ? ": " : "; ") + std::string(error.what());
    }
    catch (...)
    {
    }
  }
  throw aoti::AggregateError(text, std::move(errors));
}

} // namespace neml2::dispatchers
