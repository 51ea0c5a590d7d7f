// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/dispatchers/Scheduler.h"

namespace neml2
{

/// Several devices at once. The next part goes to the device of the highest priority that has room for it:
/// one whose points in work, that part included, do not exceed its capacity.
class NEML2_EXPORT StaticHybridScheduler : public Scheduler
{
public:
  /// @param[in] devices      for example {"cpu", "cuda:0"}
  /// @param[in] batch_sizes  most points of a part, by device; one number stands for all devices
  /// @param[in] capacities   most points in work, by device; empty: two parts
  /// @param[in] priorities   by device, larger ones first; empty: in the order of the list
  /// Throws FatalError.
  StaticHybridScheduler(std::vector<std::string> devices, std::vector<std::int64_t> batch_sizes,
                        std::vector<std::int64_t> capacities = {}, std::vector<double> priorities = {});

  std::unique_ptr<Schedule> schedule(std::int64_t points) override;

private:
  class Greedy;

  std::vector<std::int64_t> _batch_sizes, _capacities;
  std::vector<std::size_t> _order; ///< devices, highest priority first
};

} // namespace neml2
