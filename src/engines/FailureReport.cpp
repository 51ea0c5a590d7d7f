// SPDX-License-Identifier: MIT
#include "engines/FailureReport.h"

#include <algorithm>
#include <sstream>

namespace neml2::aoti
{

void report_failed(std::vector<FailedPoint> failed, std::int64_t points, const Cause & cause)
{
  std::sort(failed.begin(), failed.end(), [](const auto & a, const auto & b) { return a.index < b.index; });
  constexpr std::size_t shown = 5; // the rest is in the exception
  std::ostringstream text;
  text << failed.size() << " of " << points << " material points did not converge: ";
  for (std::size_t i = 0; i < std::min(failed.size(), shown); i++)
  {
    const auto & point = failed[i];
    text << (i ? ", " : "") << "point " << point.index << " after " << point.iterations << " iterations (";
    if (point.reason != FailureReason::not_finite)
      text << "|r| = " << point.residual << ", ";
    text << to_text(point.reason);
    if (point.reason == FailureReason::not_finite && cause)
      if (const auto words = cause(point); !words.empty())
        text << ": " << words;
    text << ")";
  }
  if (failed.size() > shown)
    text << ", and " << failed.size() - shown << " more";
  throw ConvergenceError(text.str(), std::move(failed));
}

} // namespace neml2::aoti
