// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/aoti/exceptions.h"

#include <functional>
#include <string>

namespace neml2::aoti
{

/// Why a point failed, in words that go on after "residual not finite"; "" where no more is known than that.
using Cause = std::function<std::string(const FailedPoint &)>;

/// Throws the ConvergenceError of a batch of `points`. Its text names the first few that failed; `cause` is
/// asked of those whose residual is not finite.
[[noreturn]] void report_failed(std::vector<FailedPoint> failed, std::int64_t points,
                                const Cause & cause = {});

} // namespace neml2::aoti
