// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/export.h"

namespace neml2::threads
{

/// How many threads a call made here and now may keep busy, itself included: as many as
/// at::get_num_threads() says; one inside a parallel region of the host (OpenMP, oneTBB). In a process that
/// an MPI launcher started, only its share of the node's cores, unless OMP_NUM_THREADS or at::set_num_threads
/// say otherwise.
NEML2_EXPORT int allowed();

/// While one lives, allowed() is `threads` in its thread: for those that work on behalf of another.
class NEML2_EXPORT Allowed
{
public:
  explicit Allowed(int threads);
  ~Allowed();
  Allowed(const Allowed &) = delete;
  Allowed & operator=(const Allowed &) = delete;

private:
  int _before;
};

/// The share of a node's cores that one of `ranks` processes gets: at least one.
NEML2_EXPORT int share_of_rank(int ranks, int cores);

} // namespace neml2::threads
