// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/dispatchers/Scheduler.h"

#include <c10/core/Device.h>
#include <c10/util/SmallVector.h>

namespace neml2::dispatchers
{

/// How the points of one call are spread over devices: the plan, and its first part.
struct Spread
{
  std::unique_ptr<Schedule> schedule;
  c10::SmallVector<std::int64_t, 4> load; ///< by device: points given and not finished
  Part first;
  c10::Device home = c10::kCPU; ///< at home
  bool whole = false;           ///< whether the first part is all there is, at home
  std::size_t strided_axes = 0; ///< as that of an engine
};

} // namespace neml2::dispatchers
