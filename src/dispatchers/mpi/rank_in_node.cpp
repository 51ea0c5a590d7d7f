// SPDX-License-Identifier: MIT
// libneml2_mpi.so: all that needs MPI, loaded when it is first asked for.
#include <mpi.h>

/// The position of this rank among those of its job on the same node; negative: why it is not known. `comm`
/// is a handle of MPI_Comm_c2f, null for MPI_COMM_WORLD.
extern "C" __attribute__((visibility("default"))) int neml2_mpi_rank_in_node(const int * comm)
{
  int initialized = 0;
  MPI_Initialized(&initialized);
  if (!initialized)
    return -1;
  MPI_Comm node = MPI_COMM_NULL;
  int rank = 0;
  if (MPI_Comm_split_type(comm ? MPI_Comm_f2c(*comm) : MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL,
                          &node) != MPI_SUCCESS)
    return -2;
  const bool known = MPI_Comm_rank(node, &rank) == MPI_SUCCESS;
  MPI_Comm_free(&node);
  return known ? rank : -2;
}
