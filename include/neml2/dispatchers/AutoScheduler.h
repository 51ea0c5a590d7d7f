// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/dispatchers/Scheduler.h"

namespace neml2
{

/// Several devices at once, without tuning. It learns what each device's calls cost, a fixed part and one for
/// each point, and splits a batch so that all finish together; a device whose fixed cost does not pay gets
/// nothing. What it knows holds for batches of one order of magnitude: for others it learns again.
class NEML2_EXPORT AutoScheduler : public Scheduler
{
public:
  /// Throws FatalError.
  explicit AutoScheduler(std::vector<std::string> devices);
  ~AutoScheduler() override;

  std::unique_ptr<Schedule> schedule(std::int64_t points) override;

  /// How many of so many points each device would get now.
  std::vector<std::int64_t> split(std::int64_t points) const;

private:
  class Learned;
  class Split;

  std::shared_ptr<Learned> _learned;
};

} // namespace neml2
