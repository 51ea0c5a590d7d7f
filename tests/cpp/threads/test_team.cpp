// SPDX-License-Identifier: MIT
#include "neml2/threads/Team.h"
#include "neml2/threads/allowed.h"

#include <ATen/Parallel.h>
#include <functional>
#include <gtest/gtest.h>
#include <set>
#include <sys/wait.h>
#include <unistd.h>

namespace neml2::threads
{
namespace
{

using Counts = std::vector<std::atomic<int>>;

void count(Counts & counts, Piece piece)
{
  for (auto i = piece.begin; i < piece.end; i++)
    counts[static_cast<std::size_t>(i)]++;
}

void share_once(std::int64_t size, std::int64_t grain, int helpers)
{
  Counts counts(static_cast<std::size_t>(size));
  Team::of_process().share(size, grain, helpers,
                           [&](Claims & claims)
                           {
                             while (const auto piece = claims.claim())
                             {
                               EXPECT_LE(piece.size(), grain);
                               count(counts, piece);
                             }
                           });
  for (const auto & times : counts)
    ASSERT_EQ(times, 1);
}

/// Work of `threads` pieces, each of which waits for release().
class Blocker
{
public:
  /// Begins, and returns once every piece has a thread. After a wait the team leaves its callers alone for a
  /// while: then it begins again.
  explicit Blocker(int threads) : _threads(threads)
  {
    for (bool all = false; !all;)
    {
      _inside = 0;
      _released = false;
      _caller = std::thread([this] { Team::of_process().share(_threads, 1, _threads - 1, std::ref(*this)); });
      for (int i = 0; i < 200 && !(all = _inside == _threads); i++)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (!all)
        release();
    }
  }

  void release()
  {
    _released = true;
    _caller.join();
  }

  void operator()(Claims & claims)
  {
    while (claims.claim())
    {
      _inside++;
      while (!_released)
        std::this_thread::yield();
    }
  }

private:
  const int _threads;
  std::atomic<int> _inside = 0;
  std::atomic<bool> _released = false;
  std::thread _caller;
};

TEST(Team, DoesEachPieceOnce)
{
  for (const std::int64_t size : {0, 1, 2, 7, 100, 10000})
    for (const std::int64_t grain : {1, 3, 1000})
      for (const int helpers : {0, 1, 3})
        for (int again = 0; again < 20; again++)
          share_once(size, grain, helpers);
}

TEST(Team, HelpersTakePart)
{
  Blocker(3).release();
}

TEST(Team, ACallerDoesNotWaitForAHelperThatIsBusyElsewhere)
{
  Blocker blocker(8);
  share_once(1000, 1, 7); // all helpers there are sit in the other work
  blocker.release();
}

TEST(Team, WorkThatEndsEarlyDropsTheRest)
{
  for (int again = 0; again < 200; again++)
  {
    std::atomic<int> pieces = 0;
    Team::of_process().share(1000, 1, 2,
                             [&](Claims & claims)
                             {
                               claims.claim();
                               pieces++;
                             });
    EXPECT_GE(pieces, 1);
    EXPECT_LE(pieces, 3);
  }
}

TEST(Team, ThrowsWhatWorkThrows)
{
  for (const int helpers : {0, 1, 3})
    for (int again = 0; again < 200; again++)
    {
      Counts counts(100);
      const auto work = [&](Claims & claims)
      {
        while (const auto piece = claims.claim())
        {
          count(counts, piece);
          if (piece.begin == again % 100)
            throw std::runtime_error("piece " + std::to_string(piece.begin));
        }
      };
      try
      {
        Team::of_process().share(100, 1, helpers, work);
        FAIL() << "no exception";
      }
      catch (const std::runtime_error & error)
      {
        EXPECT_EQ(error.what(), "piece " + std::to_string(again % 100));
      }
      for (const auto & times : counts)
        ASSERT_LE(times, 1);
    }
}

TEST(Team, WorksAloneWhereNoThreadCanBeStarted)
{
  const auto child = fork(); // which has no helpers yet
  if (child == 0)
  {
    pthread_attr_t endless;
    pthread_attr_init(&endless);
    pthread_attr_setstacksize(&endless, std::size_t(1) << 50);
    const bool refused = pthread_setattr_default_np(&endless) == 0;
    share_once(1000, 1, 3);
    _exit(refused && !testing::Test::HasFailure() ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Team, SeveralCallersAtOnce)
{
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; i++)
    callers.emplace_back(
        []
        {
          for (int again = 0; again < 200; again++)
            share_once(257, 2, 3);
        });
  for (auto & caller : callers)
    caller.join();
}

TEST(Team, AChildOfAForkHasATeamOfItsOwn)
{
  share_once(1000, 1, 3);
  const auto child = fork();
  if (child == 0)
  {
    share_once(1000, 1, 3);
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Allowed, FollowsTorch)
{
  const int before = at::get_num_threads();
  at::set_num_threads(3);
  EXPECT_EQ(allowed(), 3);
  at::set_num_threads(before);
}

TEST(Allowed, OneInsideOfAParallelRegion)
{
  std::mutex guard;
  std::set<int> inside;
  at::parallel_for(0, 2, 1,
                   [&](auto, auto)
                   {
                     const std::lock_guard lock(guard);
                     if (at::in_parallel_region())
                       inside.insert(allowed());
                   });
  for (const int threads : inside)
    EXPECT_EQ(threads, 1);
}

TEST(Allowed, RanksShareTheCores)
{
  EXPECT_EQ(share_of_rank(4, 2), 1);
  EXPECT_EQ(share_of_rank(4, 16), 4);
  EXPECT_EQ(share_of_rank(3, 16), 5);
  EXPECT_EQ(share_of_rank(0, 2), 2);
}

} // namespace
} // namespace neml2::threads
