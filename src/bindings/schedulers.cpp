// SPDX-License-Identifier: MIT
#include "bindings.h"

#include "neml2/dispatchers/AutoScheduler.h"
#include "neml2/dispatchers/MPISimpleScheduler.h"
#include "neml2/dispatchers/SimpleScheduler.h"
#include "neml2/dispatchers/StaticHybridScheduler.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace nb::literals;

namespace neml2::bindings
{

void bind_schedulers(nb::module_ & m)
{
  using Names = std::vector<std::string>;
  using Sizes = std::vector<std::int64_t>;

  nb::class_<Scheduler>(m, "Scheduler", "Decides which device evaluates which part of a batch.")
      .def_prop_ro("devices", &Scheduler::devices);

  nb::class_<SimpleScheduler, Scheduler>(
      m, "SimpleScheduler",
      "One device, which gets a batch in parts of at most `batch_size` points: so that what is too large for "
      "its memory fits.")
      .def(nb::init<const std::string &, std::int64_t>(), "device"_a, "batch_size"_a);

  nb::class_<StaticHybridScheduler, Scheduler>(
      m, "StaticHybridScheduler",
      "Several devices at once. The next part goes to the device of the highest priority whose points in "
      "work, "
      "that part included, do not exceed its capacity. One batch size or capacity stands for all devices; "
      "capacities are two parts unless given, priorities those of the list's order.")
      .def(nb::init<Names, Sizes, Sizes, std::vector<double>>(), "devices"_a, "batch_sizes"_a,
           "capacities"_a = Sizes(), "priorities"_a = std::vector<double>());

  nb::class_<AutoScheduler, Scheduler>(
      m, "AutoScheduler",
      "Several devices at once, without tuning: learns what each device's calls cost, and splits a batch so "
      "that all finish together.")
      .def(nb::init<Names>(), "devices"_a)
      .def("split", &AutoScheduler::split, "points"_a,
           "How many of so many points each device would get now.");

  nb::class_<MPISimpleScheduler, Scheduler>(m, "MPISimpleScheduler",
                                            "One device for each rank of an MPI job: the position of the "
                                            "rank in its node picks it from the list, in "
                                            "turn. All ranks of the communicator make one together. `comm` "
                                            "is a handle as mpi4py's comm.py2f() gives "
                                            "it; None: MPI_COMM_WORLD. MPI must be initialized.")
      .def(nb::init<const Names &, const Sizes &, std::optional<int>>(), "devices"_a, "batch_sizes"_a,
           "comm"_a = nb::none())
      .def_static("available", &MPISimpleScheduler::available, "Whether neml2 was built with MPI.");
}

} // namespace neml2::bindings
