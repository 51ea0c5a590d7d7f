// SPDX-License-Identifier: MIT
#include "aoti/NewtonReport.h"

#include <algorithm>
#include <limits>
#include <sstream>

namespace neml2::aoti
{

void keep_result(Chunk & chunk, const solvers::NewtonResult & result)
{
  for (const auto point : result.failed)
  {
    const auto p = static_cast<std::size_t>(point);
    chunk.failed.push_back({chunk.first + point, result.iterations[p], result.final_norm[p]});
  }
  const auto moved = [](int iterations) { return iterations > 0; };
  chunk.iterated = chunk.iterated || std::any_of(result.iterations.begin(), result.iterations.end(), moved);
}

void keep_singular(Chunk & chunk, std::int64_t point)
{
  chunk.failed.push_back({chunk.first + point, 0, std::numeric_limits<double>::quiet_NaN()});
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
