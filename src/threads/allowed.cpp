// SPDX-License-Identifier: MIT
#include "neml2/threads/allowed.h"

#include <ATen/Parallel.h>
#include <algorithm>
#include <cstdlib>
#include <dlfcn.h>
#include <thread>
#include <utility>

namespace neml2::threads
{
namespace
{

/// How many ranks of its job run on this node, as launchers say; 0 where there is none.
int ranks_on_node()
{
  // Open MPI, MPICH (Hydra) and Intel MPI, MVAPICH, PMIx-less Slurm steps
  for (const char * name : {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_LOCAL_SIZE",
                            "SLURM_NTASKS_PER_NODE"})
    if (const char * value = std::getenv(name))
      if (const int ranks = std::atoi(value); ranks > 0)
        return ranks;
  return 0;
}

/// What a rank may use at most when nobody chose; 0: no limit.
int limit_of_rank()
{
  const int ranks = std::getenv("OMP_NUM_THREADS") ? 0 : ranks_on_node();
  return ranks > 1 ? share_of_rank(ranks, static_cast<int>(std::thread::hardware_concurrency())) : 0;
}

/// Whether this thread belongs to oneTBB's pool. What tells is looked for in the process, not linked: the
/// slot of a thread in its arena, 0 for a thread that TBB did not make, 65535 outside of any.
bool in_tbb_worker()
{
  using Slot = unsigned short (*)(const void *);
  static const auto slot = reinterpret_cast<Slot>(
      dlsym(RTLD_DEFAULT, "_ZN3tbb6detail2r114execution_slotEPKNS0_2d114execution_dataE"));
  if (!slot)
    return false;
  const auto number = slot(nullptr);
  return number != 0 && number != static_cast<unsigned short>(-1);
}

thread_local int granted = 0; // by Allowed; 0: nobody decided

} // namespace

Allowed::Allowed(int threads) : _before(std::exchange(granted, threads)) {}

Allowed::~Allowed()
{
  granted = _before;
}

int share_of_rank(int ranks, int cores)
{
  return std::max(1, cores / std::max(ranks, 1));
}

int allowed()
{
  if (granted > 0)
    return granted;
  if (at::in_parallel_region() || in_tbb_worker())
    return 1;
  static const int usual = at::get_num_threads();
  static const int limit = limit_of_rank();
  const int threads = at::get_num_threads();
  return limit > 0 && threads == usual ? std::min(threads, limit) : threads;
}

} // namespace neml2::threads
