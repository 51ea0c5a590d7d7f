// SPDX-License-Identifier: MIT
// Ranks of an MPI job: each gets its device and its part of the points, and one that throws keeps nobody
// waiting. Run with mpirun; argument: the stub of elasticity. Returns 0 where all is as expected.
#include "neml2/aoti/exceptions.h"
#include "neml2/aoti/load_model.h"
#include "neml2/dispatchers/MPISimpleScheduler.h"

#include <ATen/ATen.h>
#include <cstdio>
#include <mpi.h>

namespace
{

int failures = 0;

void expect(bool condition, int rank, const char * what)
{
  if (!condition)
    std::fprintf(stderr, "rank %d: %s\n", rank, what), failures++;
}

/// The message of what a function throws; "" where it throws nothing.
template <typename Function>
std::string thrown(Function && function)
{
  try
  {
    function();
  }
  catch (const neml2::aoti::Exception & error)
  {
    return error.what();
  }
  return "";
}

} // namespace

int main(int argc, char ** argv)
{
  using neml2::MPISimpleScheduler;
  const auto early = thrown([] { MPISimpleScheduler({"cpu"}, {1}); });
  MPI_Init(&argc, &argv);
  int rank = 0, ranks = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  expect(early.find("MPI_Init") != std::string::npos, rank, "an early scheduler is not refused");
  expect(MPISimpleScheduler::available(), rank, "no MPI in the library");

  // its device: in turn, also within a communicator of its own
  const std::vector<std::string> devices = {"cpu:0", "cpu:1", "cpu:2"};
  const auto scheduler = std::make_shared<MPISimpleScheduler>(devices, std::vector<std::int64_t>{5, 6, 7});
  const auto mine = static_cast<std::size_t>(rank % 3);
  expect(scheduler->devices() == std::vector{devices[mine]}, rank, "not its device");
  expect(scheduler->schedule(100)->next(std::vector<std::int64_t>{0})->size() == 5 + std::int64_t(mine), rank,
         "not its batch size");
  MPI_Comm halves = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, rank / 2, rank, &halves);
  const MPISimpleScheduler in_half(devices, {5}, MPI_Comm_c2f(halves));
  expect(in_half.devices() == std::vector{devices[static_cast<std::size_t>(rank % 2)]}, rank,
         "not its device of a communicator");

  // its part: the sum over the ranks is that of the whole batch
  const auto model = neml2::aoti::load_model(argv[1], "elasticity", scheduler);
  const auto strain = at::arange(ranks * 40 * 6, at::kDouble).reshape({ranks * 40, 6}) * 1e-6;
  const auto stress = model.forward({{"strain", strain.narrow(0, rank * 40, 40)}}).at("stress");
  double sum = stress.abs().sum().item<double>(), total = 0;
  MPI_Allreduce(&sum, &total, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  const auto whole =
      neml2::aoti::load_model(argv[1], "elasticity").forward({{"strain", strain}}).at("stress");
  const auto expected = whole.abs().sum().item<double>();
  expect(std::abs(total - expected) <= 1e-12 * expected, rank, "the parts do not make the whole");
  expect(at::equal(stress, whole.narrow(0, rank * 40, 40)), rank, "not the stress of its points");

  // one that throws, in a call and while it makes a scheduler, meets the others at the barrier
  const auto error = thrown(
      [&] { (void)model.forward({{rank == 2 ? "stain" : "strain", strain.narrow(0, rank * 40, 40)}}); });
  expect(error.empty() == (rank != 2), rank, "the wrong rank throws");
  const auto refused = thrown([&] { MPISimpleScheduler({"cpu"}, {rank == 1 ? 0 : 1}); });
  expect(refused.empty() == (rank != 1), rank, "the wrong rank is refused");
  MPI_Barrier(MPI_COMM_WORLD);
  int all = 0;
  MPI_Allreduce(&failures, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  MPI_Finalize();
  return all;
}
