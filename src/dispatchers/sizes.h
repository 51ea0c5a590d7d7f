// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/dispatchers/Scheduler.h"

namespace neml2
{

/// One size for each device; a single one stands for all. Throws FatalError, which calls them `what`.
std::vector<std::int64_t> sizes_by_device(std::vector<std::int64_t> sizes, std::size_t devices,
                                          const std::string & what);

/// Parts of a fixed size for the only device.
std::unique_ptr<Schedule> in_turn(std::int64_t points, std::int64_t batch_size);

} // namespace neml2
