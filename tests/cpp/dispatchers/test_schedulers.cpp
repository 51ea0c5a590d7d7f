// SPDX-License-Identifier: MIT
// How schedulers cut a batch, without any model.
#include "aoti/packages.h"
#include "neml2/aoti/exceptions.h"
#include "neml2/dispatchers/AutoScheduler.h"
#include "neml2/dispatchers/MPISimpleScheduler.h"
#include "neml2/dispatchers/SimpleScheduler.h"
#include "neml2/dispatchers/StaticHybridScheduler.h"

#include <algorithm>
#include <cmath>

namespace neml2
{
namespace
{

using aoti::FatalError;
using aoti::test::expect_error;

/// All parts of a batch where every part is finished before the next one is asked for.
std::vector<Part> parts_of(Scheduler & scheduler, std::int64_t points)
{
  const std::vector<std::int64_t> idle(scheduler.devices().size(), 0);
  const auto schedule = scheduler.schedule(points);
  std::vector<Part> parts;
  for (std::int64_t given = 0; given < points; given = parts.back().end)
    parts.push_back(schedule->next(idle).value());
  return parts;
}

TEST(SimpleScheduler, CutsIntoPartsOfItsSize)
{
  SimpleScheduler scheduler("cpu", 40);
  const auto parts = parts_of(scheduler, 100);
  ASSERT_EQ(parts.size(), 3u);
  for (std::size_t i = 0; i < 3; i++)
  {
    EXPECT_EQ(parts[i].device, 0u);
    EXPECT_EQ(parts[i].begin, std::int64_t(i) * 40);
  }
  EXPECT_EQ(parts[2].end, 100);
}

TEST(StaticHybridScheduler, GivesTheNextPartToTheHighestPriorityThatHasRoom)
{
  StaticHybridScheduler scheduler({"cpu:0", "cpu:1"}, {10, 30}, {20, 30}, {1, 2});
  const auto schedule = scheduler.schedule(1000);
  std::vector<std::int64_t> load = {0, 0};
  std::vector<std::size_t> devices;
  while (const auto part = schedule->next(load))
  {
    devices.push_back(part->device);
    load[part->device] += part->size();
  }
  EXPECT_EQ(devices, (std::vector<std::size_t>{1, 0, 0}));
  load[0] -= 10;
  EXPECT_EQ(schedule->next(load)->device, 0u);
}

/// Devices whose parts take a known time; the times at which they end when the scheduler has learned.
std::vector<double> ends_after_learning(AutoScheduler & scheduler, const std::vector<double> & fixed,
                                        const std::vector<double> & each, std::int64_t points)
{
  std::vector<double> ends;
  for (int call = 0; call < 30; call++)
  {
    ends.assign(fixed.size(), 0);
    const auto schedule = scheduler.schedule(points - 10 * (call % 3));
    const std::vector<std::int64_t> idle(fixed.size(), 0);
    while (const auto part = schedule->next(idle))
    {
      ends[part->device] = fixed[part->device] + each[part->device] * double(part->size());
      schedule->finished(*part, ends[part->device]);
    }
  }
  return ends;
}

TEST(AutoScheduler, MakesAllDevicesFinishTogether)
{
  AutoScheduler scheduler({"cpu:0", "cpu:1"});
  for (const std::int64_t points : {50000, 5000000, 50000})
  {
    const auto ends = ends_after_learning(scheduler, {1e-4, 1e-3}, {4e-7, 1e-7}, points);
    EXPECT_NEAR(ends[0], ends[1], 0.05 * std::max(ends[0], ends[1])) << points;
  }
}

TEST(AutoScheduler, GivesNothingToADeviceThatDoesNotPay)
{
  AutoScheduler scheduler({"cpu:0", "cpu:1"});
  const auto ends = ends_after_learning(scheduler, {1e-6, 1}, {1e-7, 1e-7}, 1000);
  EXPECT_LT(ends[0], 1.5e-4);
  EXPECT_LE(scheduler.split(1000)[1], 1);
}

TEST(Schedulers, SayWhatIsWrong)
{
  expect_error<FatalError>([] { SimpleScheduler("cpu", 0); }, {"1 or more"});
  expect_error<FatalError>([] { SimpleScheduler("gpu", 1); }, {"'gpu'", "cuda:0"});
  expect_error<FatalError>([] { SimpleScheduler("meta", 1); }, {"'meta'", "cpu or cuda"});
  expect_error<FatalError>([] { AutoScheduler({}); }, {"at least one device"});
  expect_error<FatalError>([] { StaticHybridScheduler({"cpu", "cpu"}, {1}); }, {"'cpu'", "twice"});
  expect_error<FatalError>([] { StaticHybridScheduler({"cpu:0", "cpu:1"}, {1, 2, 3}); }, {"3", "2 devices"});
  expect_error<FatalError>([] { StaticHybridScheduler({"cpu"}, {10}, {5}); }, {"capacity", "5", "10"});
  expect_error<FatalError>([] { StaticHybridScheduler({"cpu"}, {10}, {}, {NAN}); }, {"finite"});
}

TEST(MPISimpleScheduler, SaysThatThereIsNoMpi)
{
  // the tests are linked from objects, so that no libneml2_mpi.so lies beside them
  EXPECT_FALSE(MPISimpleScheduler::available());
  expect_error<FatalError>([] { MPISimpleScheduler({"cpu"}, {1}); }, {"without MPI", "SimpleScheduler"});
}

} // namespace
} // namespace neml2
