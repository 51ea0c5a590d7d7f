// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/dispatchers/Scheduler.h"

#include <c10/util/SmallVector.h>

namespace neml2::dispatchers
{

class Dispatcher;

/// How the points of one call are spread over devices: the plan, and its first part.
struct Spread
{
  std::unique_ptr<Schedule> schedule;
  c10::SmallVector<std::int64_t, 4> load; ///< by device: points given and not finished
  Part first;
  bool whole = false;           ///< whether the first part is all there is, where the caller's tensors are
  bool follows_strides = false; ///< whether the caller's arrays may have any strides
};

} // namespace neml2::dispatchers
