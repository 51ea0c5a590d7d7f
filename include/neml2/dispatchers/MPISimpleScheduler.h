// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/dispatchers/Scheduler.h"

namespace neml2
{

/// One device for each rank of an MPI job: the position of the rank in its node picks it from the list, in
/// turn. The rest is as with SimpleScheduler. MPI must be initialized; all ranks of `comm` make theirs
/// together, and talk to one another then only: what one of them throws, then or later, keeps no other
/// waiting.
class NEML2_EXPORT MPISimpleScheduler : public Scheduler
{
public:
  /// @param[in] devices      of a node, for example {"cuda:0", "cuda:1"}
  /// @param[in] batch_sizes  most points of a part, by device; one number stands for all devices
  /// @param[in] comm         the ranks of the job, as MPI_Comm_c2f gives them; none: MPI_COMM_WORLD
  /// Throws FatalError, also where the library was built without MPI.
  MPISimpleScheduler(const std::vector<std::string> & devices, const std::vector<std::int64_t> & batch_sizes,
                     std::optional<int> comm = std::nullopt);

  /// Whether the library was built with MPI.
  static bool available();

  std::unique_ptr<Schedule> schedule(std::int64_t points) override;

private:
  struct RankInNode // no number, which could be meant for a communicator
  {
    std::size_t number;
  };

  MPISimpleScheduler(const std::vector<std::string> & devices, const std::vector<std::int64_t> & batch_sizes,
                     RankInNode rank);

  std::int64_t _batch_size;
};

} // namespace neml2
