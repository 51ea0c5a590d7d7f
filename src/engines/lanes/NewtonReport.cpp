// SPDX-License-Identifier: MIT
#include "engines/lanes/NewtonReport.h"

#include <algorithm>
#include <limits>
#include <sstream>

namespace neml2::aoti
{
namespace
{

constexpr double no_residual = std::numeric_limits<double>::quiet_NaN();

FailureReason reason_of(solvers::PointStatus status)
{
  using solvers::PointStatus;
  static_assert(int(FailureReason::iterations_used) == int(PointStatus::max_iterations) &&
                int(FailureReason::not_finite) == int(PointStatus::not_finite) &&
                int(FailureReason::singular) == int(PointStatus::singular));
  return static_cast<FailureReason>(status);
}

} // namespace

void keep_unsolved(Chunk & chunk, solvers::Points solved)
{
  if (std::ssize(solved) == chunk.points)
    return;
  for (solvers::Index point = 0; point < chunk.points; point++)
    if (!std::binary_search(solved.begin(), solved.end(), point))
      chunk.failed.push_back({chunk.first + point, 0, no_residual, FailureReason::not_finite});
}

void keep_result(Chunk & chunk, const solvers::NewtonResult & result)
{
  for (const auto point : result.failed)
  {
    const auto p = static_cast<std::size_t>(point);
    chunk.failed.push_back(
        {chunk.first + point, result.iterations[p], result.final_norm[p], reason_of(result.status[p])});
  }
  const auto moved = [](int iterations) { return iterations > 0; };
  chunk.iterated = chunk.iterated || std::any_of(result.iterations.begin(), result.iterations.end(), moved);
}

void keep_singular(Chunk & chunk, std::int64_t point)
{
  chunk.failed.push_back({chunk.first + point, 0, no_residual, FailureReason::singular});
}

void log_progress(const std::string & name, const Chunk & chunk, LogLevel level,
                  const solvers::NewtonProgress & progress)
{
  if (level == LogLevel::info && progress.active > 0)
    return;
  std::ostringstream text;
  text << name << ": points " << chunk.first << ".." << chunk.first + chunk.points - 1 << ", iteration "
       << progress.iteration << ": " << progress.active << " active, " << progress.converged << " converged, "
       << progress.failed << " failed, largest residual " << progress.worst_norm << " at point "
       << chunk.first + progress.worst_point;
  write_log("newton", text.str());
}

} // namespace neml2::aoti
