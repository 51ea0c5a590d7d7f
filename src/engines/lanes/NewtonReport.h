// SPDX-License-Identifier: MIT
#pragma once

#include "engines/Log.h"
#include "engines/lanes/Workspace.h"
#include "neml2/solvers/Newton.h"

#include <string>

namespace neml2::aoti
{

/// Takes note of the points of a chunk that did not converge, and of whether any left its guess.
void keep_result(Chunk & chunk, const solvers::NewtonResult & result);

/// Takes note of the points that were not solved for, because something that they are given is NaN or
/// infinite.
void keep_unsolved(Chunk & chunk, solvers::Points solved);

/// Takes note of a point whose derivatives do not exist.
void keep_singular(Chunk & chunk, std::int64_t point);

/// Logs how far the segment `name` is with a chunk; at LogLevel::info only its end.
void log_progress(const std::string & name, const Chunk & chunk, LogLevel level,
                  const solvers::NewtonProgress & progress);

} // namespace neml2::aoti
