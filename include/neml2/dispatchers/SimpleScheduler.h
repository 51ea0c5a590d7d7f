// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/dispatchers/Scheduler.h"

namespace neml2
{

/// One device, which gets a batch in parts of a fixed size: so that what is too large for its memory fits.
class NEML2_EXPORT SimpleScheduler : public Scheduler
{
public:
  /// @param[in] device      for example "cuda:0"
  /// @param[in] batch_size  most points of a part, at least 1
  /// Throws FatalError.
  SimpleScheduler(const std::string & device, std::int64_t batch_size);

  std::unique_ptr<Schedule> schedule(std::int64_t points) override;

private:
  std::int64_t _batch_size;
};

} // namespace neml2
