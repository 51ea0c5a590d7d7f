// SPDX-License-Identifier: MIT
#include "neml2/dispatchers/MPISimpleScheduler.h"

#include "dispatchers/sizes.h"
#include "neml2/aoti/exceptions.h"

#include <dlfcn.h>
#include <filesystem>

namespace neml2
{
namespace
{

using Function = int (*)(const int * comm);

/// The function of libneml2_mpi.so, which lies beside this library where MPI was found when it was built;
/// null without. So programs that use no MPI load none.
Function load()
{
  static const Function function = []() -> Function
  {
    Dl_info here{};
    if (!dladdr(reinterpret_cast<const void *>(&load), &here) || !here.dli_fname)
      return nullptr;
    const auto file = std::filesystem::path(here.dli_fname).parent_path() / "libneml2_mpi.so";
    void * library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    return library ? reinterpret_cast<Function>(dlsym(library, "neml2_mpi_rank_in_node")) : nullptr;
  }();
  return function;
}

std::size_t rank_in_node(std::optional<int> comm)
{
  const auto function = load();
  if (!function)
    throw aoti::FatalError("this neml2 was built without MPI; build it where CMake finds MPI, or give each "
                           "rank a SimpleScheduler");
  const int rank = function(comm ? &*comm : nullptr);
  if (rank == -1)
    throw aoti::FatalError("MPISimpleScheduler: MPI is not initialized; call MPI_Init first");
  if (rank < 0)
    throw aoti::FatalError("MPISimpleScheduler: MPI cannot tell which ranks share a node");
  return static_cast<std::size_t>(rank);
}

} // namespace

bool MPISimpleScheduler::available()
{
  return load() != nullptr;
}

MPISimpleScheduler::MPISimpleScheduler(const std::vector<std::string> & devices,
                                       const std::vector<std::int64_t> & batch_sizes, std::optional<int> comm)
    : MPISimpleScheduler(devices, batch_sizes, RankInNode{rank_in_node(comm)})
{
}

MPISimpleScheduler::MPISimpleScheduler(const std::vector<std::string> & devices,
                                       const std::vector<std::int64_t> & batch_sizes, RankInNode rank)
    : Scheduler(devices.empty() ? std::vector<std::string>{}
                                : std::vector{devices[rank.number % devices.size()]}),
      _batch_size(sizes_by_device(batch_sizes, devices.size(), "batch sizes")[rank.number % devices.size()])
{
}

std::unique_ptr<Schedule> MPISimpleScheduler::schedule(std::int64_t points)
{
  return in_turn(points, _batch_size);
}

} // namespace neml2
