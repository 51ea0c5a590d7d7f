// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace neml2::threads
{

/// Neighbouring pieces of some work, [begin, end). An empty one says that nothing is left.
struct Piece
{
  std::int64_t begin = 0, end = 0;

  std::int64_t size() const { return end - begin; }
  explicit operator bool() const { return begin < end; }
};

namespace detail
{

/// Work that is shared out. Whoever claims a piece may touch `context` until it has said that it is done with
/// all it claimed; who claims nothing may not, and nobody waits for it.
struct Job
{
  std::int64_t count = 0, grain = 1;
  std::atomic<std::int64_t> next = 0; ///< what is not claimed yet begins here
  std::atomic<std::int64_t> done = 0; ///< how much of it is finished
  std::int64_t places = 0;            ///< how many helpers may still join; guarded by the team
  void (*work)(void * context, class Claims & claims) = nullptr;
  void * context = nullptr;
  std::atomic_flag failed{};
  std::exception_ptr error = nullptr; ///< what work threw first

  bool exhausted() const { return next.load(std::memory_order_relaxed) >= count; }
};

inline void relax()
{
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// One participant's way to more pieces.
class Claims
{
public:
  explicit Claims(Job & job) : _job(job) { _first = next(); }

  /// Claims a piece; empty when none is left.
  Piece claim() { return _first ? std::exchange(_first, {}) : next(); }

  /// Whether a piece is there that nobody else will do.
  bool any() const { return bool(_first); }

  /// All that was claimed is done, and what is left is dropped if the work ended early; whoever waits for the
  /// last of it is woken.
  void finish()
  {
    while (claim())
      continue;
    if (_job.done.fetch_add(_claimed, std::memory_order_acq_rel) + _claimed == _job.count)
      _job.done.notify_all();
  }

  std::int64_t pieces() const { return _pieces; }

private:
  Piece next()
  {
    if (_job.exhausted())
      return {};
    const auto begin = _job.next.fetch_add(_job.grain, std::memory_order_relaxed);
    if (begin >= _job.count)
      return {};
    const Piece piece{begin, std::min(begin + _job.grain, _job.count)};
    _claimed += piece.size();
    _pieces++;
    return piece;
  }

  Job & _job;
  Piece _first;
  std::int64_t _claimed = 0, _pieces = 0;
};

/// One participant's part of some work. What work throws is kept, and nobody claims more then.
inline void take_part(Job & job, Claims & claims) noexcept
{
  try
  {
    job.work(job.context, claims);
  }
  catch (...)
  {
    if (!job.failed.test_and_set())
      job.error = std::current_exception();
  }
  claims.finish();
}

} // namespace detail

using detail::Claims;

/// Threads that help callers with large batches, as long as that pays.
///
/// A caller works on its own pieces and never waits for a helper that has claimed nothing: where helpers get
/// no core, it does everything itself. It can only be kept waiting by a helper that lost its core in the
/// middle of a piece; after such a wait it works alone for twenty times as long, so that machines with other
/// work to do cost it five percent at most. Helpers watch for more work for a moment, then sleep.
///
/// Threads: several callers may share work at once; they share the helpers too. After fork() the child has a
/// team of its own.
class Team
{
public:
  /// The team of this process. Its threads are started when they are first needed, and end with the process.
  static Team & of_process();

  /// Calls work(Claims &) on this thread and on up to `helpers` others; each call claims pieces of [0,
  /// count), `grain` long, until there are none. Returns when all are done. Throws the first of what work
  /// throws; what is not claimed by then is left undone.
  template <typename Work>
  void share(std::int64_t count, std::int64_t grain, int helpers, Work && work);

  Team(const Team &) = delete;
  Team & operator=(const Team &) = delete;

private:
  using Clock = std::chrono::steady_clock;
  using Nanoseconds = std::int64_t;

  static constexpr Nanoseconds patience = 20'000;      // a wait this long is no sign of trouble
  static constexpr Nanoseconds watchfulness = 100'000; // a helper that finds no work for this long sleeps
  static constexpr Nanoseconds rest_per_wait = 20;

  struct Process;

  Team() = default;
  ~Team() = delete; // helpers refer to it for as long as the process lives

  static Nanoseconds now() { return Clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

  void post(const std::shared_ptr<detail::Job> & job, int helpers);
  void wait_for(detail::Job & job, Nanoseconds begin, std::int64_t pieces);
  void start_helpers(int helpers);
  void wake();
  void help();
  std::shared_ptr<detail::Job> next_job(std::uint64_t & seen);
  std::shared_ptr<detail::Job> find_job();

  std::mutex _guard;
  std::condition_variable _posted;
  std::vector<std::shared_ptr<detail::Job>> _jobs; ///< those done with are taken out by whoever comes by
  int _helpers = 0, _sleeping = 0;
  std::atomic<std::uint64_t> _generation = 0; ///< counts posts
  std::atomic<Nanoseconds> _alone_until = 0;
};

/// The team of a process, replaced in the child of a fork, which has none of its parent's threads.
struct Team::Process
{
  std::atomic<Team *> team = new Team;

  Process()
  {
    pthread_atfork(nullptr, nullptr, [] { of_this().team = new Team; });
  }

  static Process & of_this()
  {
    static Process process;
    return process;
  }
};

inline Team & Team::of_process()
{
  return *Process::of_this().team.load(std::memory_order_acquire);
}

template <typename Work>
void Team::share(std::int64_t count, std::int64_t grain, int helpers, Work && work)
{
  using Plain = std::remove_reference_t<Work>;
  if (count <= 0)
    return;
  detail::Job alone{.count = count, .grain = grain};
  const auto begin = helpers > 0 && count > grain ? now() : 0;
  if (begin == 0 || begin < _alone_until.load(std::memory_order_relaxed))
  {
    Claims claims(alone);
    return static_cast<void>(work(claims));
  }
  const auto job = std::make_shared<detail::Job>();
  job->count = count;
  job->grain = grain;
  job->places = std::min<std::int64_t>(helpers, (count - 1) / grain);
  job->work = [](void * context, Claims & claims) { (*static_cast<Plain *>(context))(claims); };
  job->context = const_cast<void *>(static_cast<const void *>(std::addressof(work)));
  Claims claims(*job); // before anybody else can
  post(job, helpers);
  detail::take_part(*job, claims);
  wait_for(*job, begin, claims.pieces());
  if (job->error)
    std::rethrow_exception(job->error);
}

/// Offers a job to the helpers, unless one of them has lost its core while it looks at the list.
inline void Team::post(const std::shared_ptr<detail::Job> & job, int helpers)
{
  std::unique_lock lock(_guard, std::defer_lock);
  for (int i = 0; !lock.try_lock(); i++)
    if (i == 100)
      return;
    else
      detail::relax();
  std::erase_if(_jobs, [](const auto & other) { return other->exhausted(); });
  _jobs.push_back(job);
  start_helpers(helpers);
  _generation.fetch_add(1, std::memory_order_release);
  wake();
}

/// Starts helpers until there are so many, or the system gives no more. Called with the lock held.
inline void Team::start_helpers(int helpers)
{
  try
  {
    for (; _helpers < helpers; _helpers++)
      std::thread(&Team::help, this).detach();
  }
  catch (const std::system_error &)
  {
    return; // those that there are will do
  }
}

/// Wakes two; these wake others. Called with the lock held.
inline void Team::wake()
{
  for (int i = 0; i < std::min(_sleeping, 2); i++)
    _posted.notify_one();
}

/// Waits for the pieces that helpers claimed.
inline void Team::wait_for(detail::Job & job, Nanoseconds begin, std::int64_t pieces)
{
  const auto all_done = [&] { return job.done.load(std::memory_order_acquire) == job.count; };
  if (all_done())
    return;
  const auto end = now();
  const auto usual = patience + 4 * (end - begin) / std::max<std::int64_t>(pieces, 1);
  while (!all_done() && now() - end < patience)
    detail::relax();
  for (auto done = job.done.load(std::memory_order_acquire); done != job.count;
       done = job.done.load(std::memory_order_acquire))
    job.done.wait(done, std::memory_order_acquire);
  const auto waited = now() - end;
  if (waited > usual)
    _alone_until.store(end + waited + rest_per_wait * waited, std::memory_order_relaxed);
}

/// What a helper does all its life.
inline void Team::help()
{
  for (std::uint64_t seen = 0;;)
  {
    const auto job = next_job(seen);
    Claims claims(*job);
    if (claims.any())
      detail::take_part(*job, claims);
  }
}

/// The next job to help with. `seen` is the generation in which there was none.
inline std::shared_ptr<detail::Job> Team::next_job(std::uint64_t & seen)
{
  for (const auto begin = now(); now() - begin < watchfulness; detail::relax())
    if (_generation.load(std::memory_order_acquire) != seen)
    {
      const std::lock_guard lock(_guard);
      if (auto job = find_job())
        return job;
      seen = _generation.load(std::memory_order_relaxed);
    }
  std::unique_lock lock(_guard);
  while (true)
  {
    if (auto job = find_job())
      return job;
    seen = _generation.load(std::memory_order_relaxed);
    _sleeping++;
    _posted.wait(lock);
    _sleeping--;
  }
}

/// A job with work and a place left, taken. Called with the lock held.
inline std::shared_ptr<detail::Job> Team::find_job()
{
  for (const auto & job : _jobs)
    if (!job->exhausted() && job->places > 0)
    {
      if (--job->places > 0)
        wake();
      return job;
    }
  return nullptr;
}

} // namespace neml2::threads
