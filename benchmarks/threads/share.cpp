// SPDX-License-Identifier: MIT
// What sharing out work costs and brings: Team beside oneTBB and OpenMP, on one function of a chunk.
// Arguments: threads, seconds for each figure. Prints a line for each amount of work and way:
// microseconds of work, way, and of a call the mean, the median and the 99th percentile in microseconds.
#include "neml2/threads/Team.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <string>
#ifdef HAS_TBB
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#endif

namespace
{

using Clock = std::chrono::steady_clock;
using Index = std::int64_t;

constexpr Index grain = 15; // of a microsecond each, as the native engine cuts

double microseconds_since(Clock::time_point begin)
{
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

/// Arithmetic, each step of which waits for the last one.
double spin(Index steps, double x)
{
  for (Index i = 0; i < steps; i++)
    x = x * 0.999 + 0.5;
  return x;
}

/// Steps that take a microsecond, of the quickest of many attempts.
Index steps_of_a_microsecond()
{
  constexpr Index steps = 100000;
  double least = 1e9;
  volatile double keep = 0;
  for (int i = 0; i < 50; i++)
  {
    const auto begin = Clock::now();
    keep = spin(steps, keep);
    least = std::min(least, microseconds_since(begin));
  }
  return std::max<Index>(static_cast<Index>(steps / least), 1);
}

/// Where results of a chunk go, a cache line each, so that no work can be left out and none is in the way.
struct alignas(64) Slot
{
  double value = 0;
};

void measure(Index work, const char * way, double seconds, const std::function<void(Index)> & call)
{
  std::vector<double> times;
  for (int i = 0; i < 3; i++)
    call(work);
  for (double spent = 0; spent < seconds * 1e6 || times.size() < 20; spent += times.back())
  {
    const auto begin = Clock::now();
    call(work);
    times.push_back(microseconds_since(begin));
  }
  std::sort(times.begin(), times.end());
  const auto at = [&](double part)
  { return times[static_cast<std::size_t>(part * double(times.size() - 1))]; };
  const double mean = std::accumulate(times.begin(), times.end(), 0.0) / double(times.size());
  std::printf("%lld %s %.2f %.2f %.2f\n", static_cast<long long>(work), way, mean, at(0.5), at(0.99));
  std::fflush(stdout);
}

} // namespace

int main(int argc, char ** argv)
{
  if (argc != 3)
    return std::fputs("usage: bench_share THREADS SECONDS\n", stderr), 2;
  const int threads = std::atoi(argv[1]);
  const double seconds = std::atof(argv[2]);
  const auto steps = steps_of_a_microsecond();
  std::vector<Slot> slots(1000);
  const auto chunk = [&](Index begin, Index end)
  {
    auto & slot = slots[static_cast<std::size_t>(begin / grain) % slots.size()];
    for (auto i = begin; i < end; i++)
      slot.value = spin(steps, slot.value);
  };
  const auto team = [&](Index work)
  {
    neml2::threads::Team::of_process().share(work, grain, threads - 1,
                                             [&](neml2::threads::Claims & claims)
                                             {
                                               while (const auto piece = claims.claim())
                                                 chunk(piece.begin, piece.end);
                                             });
  };
#ifdef HAS_TBB
  tbb::task_arena arena(threads);
  const auto tbb = [&](Index work)
  {
    arena.execute(
        [&]
        {
          tbb::parallel_for(tbb::blocked_range<Index>(0, work, grain),
                            [&](const auto & range) { chunk(range.begin(), range.end()); });
        });
  };
#endif
#ifdef _OPENMP
  const auto openmp = [&](Index work)
  {
    const Index pieces = (work + grain - 1) / grain;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (Index p = 0; p < pieces; p++)
      chunk(p * grain, std::min((p + 1) * grain, work));
  };
#endif
  for (const Index work : {60, 250, 1000, 4000, 16000})
  {
    measure(work, "serial", seconds, [&](Index all) { chunk(0, all); });
    measure(work, "Team", seconds, team);
#ifdef HAS_TBB
    measure(work, "oneTBB", seconds, tbb);
#endif
#ifdef _OPENMP
    measure(work, "OpenMP", seconds, openmp);
#endif
  }
}
