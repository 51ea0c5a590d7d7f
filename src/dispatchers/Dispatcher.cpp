// SPDX-License-Identifier: MIT
#include "dispatchers/Dispatcher.h"

#include "call/guard.h"
#include "dispatchers/Failures.h"
#include "dispatchers/PartJob.h"
#include "dispatchers/Worker.h"
#include "neml2/aoti/exceptions.h"
#include "neml2/threads/allowed.h"

#include <ATen/ops/from_blob.h>
#include <algorithm>
#include <c10/core/DeviceGuard.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

namespace neml2::dispatchers
{
namespace
{

/// Waits for what this thread has given to a device.
void synchronize(c10::Device device)
{
  if (!device.is_cpu())
    c10::impl::VirtualGuardImpl(device.type()).getStream(device).synchronize();
}

using Names = std::vector<std::pair<std::string, std::vector<std::int64_t>>>;

/// Throws FatalError unless two packages have the same variables, parameters, derivatives and precision.
void check_same(const aoti::Metadata & ours, const aoti::Metadata & theirs)
{
  const auto variables = [](const std::vector<aoti::VariableInfo> & infos)
  {
    Names names;
    for (const auto & info : infos)
      names.emplace_back(info.name, info.trailing_shape());
    return names;
  };
  const auto parameters = [](const aoti::Metadata & metadata)
  {
    Names names;
    for (const auto & info : metadata.parameters)
      if (info.stored)
        names.emplace_back(info.variable.name, info.variable.trailing_shape());
    return names;
  };
  const auto same_pair = [](const aoti::PairInfo & a, const aoti::PairInfo & b)
  { return a.output == b.output && a.input == b.input; };
  if (variables(ours.inputs) != variables(theirs.inputs) ||
      variables(ours.outputs) != variables(theirs.outputs) || parameters(ours) != parameters(theirs) ||
      !std::ranges::equal(ours.derivatives, theirs.derivatives, same_pair) || ours.dtype != theirs.dtype)
    throw aoti::FatalError("the packages of '" + ours.name + "' for '" + ours.device + "' and '" +
                           theirs.device + "' differ in their variables, parameters, derivatives or " +
                           "precision; compile both with the same options");
}

using Clock = std::chrono::steady_clock;

} // namespace

/// A device, the engine there, and the threads that feed it.
struct Dispatcher::Place
{
  std::unique_ptr<const aoti::Engine> own; ///< null for the first device
  const aoti::Engine * engine;
  bool apart; ///< a numbered processor: whatever is elsewhere counts as not in its memory
  std::vector<c10::Stream> streams; ///< of a device that has some: one for each thread
  std::unique_ptr<Worker> worker;   ///< null where the caller alone is enough

  Place(std::unique_ptr<const aoti::Engine> other, const aoti::Engine & first, bool numbered, bool alone)
      : own(std::move(other)), engine(own ? own.get() : &first), apart(numbered)
  {
    const auto device = engine->device();
    // One thread copies while the device computes for the other.
    const std::size_t threads = apart || !device.is_cpu() ? 2 : 1;
    if (!device.is_cpu())
      for (std::size_t k = 0; k < threads; k++)
        streams.push_back(c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device));
    if (threads > 1 || !alone)
      worker = std::make_unique<Worker>(threads);
  }

  bool reaches(c10::Device home) const { return !apart && engine->device() == home; }
};

Dispatcher::Dispatcher(const aoti::Engine & first, std::shared_ptr<Scheduler> scheduler,
                       std::vector<std::unique_ptr<const aoti::Engine>> others)
    : _first(first), _scheduler(std::move(scheduler))
{
  for (const auto & other : others)
    check_same(first.metadata(), other->metadata());
  others.insert(others.begin(), nullptr);
  const auto & names = _scheduler->devices();
  for (std::size_t d = 0; d < names.size(); d++)
    _places.emplace_back(std::move(others[d]), first, names[d].starts_with("cpu:"), names.size() == 1);
}

Dispatcher::~Dispatcher() = default;

Spread Dispatcher::spread(std::int64_t points, c10::Device home) const
{
  Spread spread;
  spread.home = home;
  spread.load.resize(_places.size(), 0);
  if (points > 0)
  {
    spread.schedule = _scheduler->schedule(points);
    const auto first = spread.schedule->next(spread.load);
    if (!first)
      throw aoti::FatalError("the scheduler has no part for the first device of a batch");
    check_part(*first, 0, points, _places.size());
    spread.first = *first;
  }
  const auto & place = _places[spread.first.device];
  spread.whole = spread.first.size() == points && place.reaches(home);
  spread.strided_axes = spread.whole ? place.engine->strided_axes() : 0;
  return spread;
}

/// One job.
class Dispatcher::Run
{
public:
  Run(const Dispatcher & dispatcher, const aoti::Job & job, Spread & spread)
      : _dispatcher(dispatcher), _places(dispatcher._places), _job(job), _spread(spread),
        _free_since(_places.size())
  {
  }

  void operator()(const aoti::Cause & cause)
  {
    const bool alone = _places.size() == 1 && _places[0].reaches(_spread.home);
    if (alone || _spread.first.size() == _job.points)
      run_here();
    else
      run_on_workers();
    _failures.raise(_job.points, cause);
    if (_given < _job.points)
      throw aoti::FatalError("the scheduler left points of the batch to nobody");
    add_sums();
  }

private:
  /// Sums over the points, from those of the parts in the order of their points.
  void add_sums() const
  {
    if (_sums.empty())
      return;
    const auto options = at::device(_spread.home).dtype(_dispatcher._first.metadata().dtype);
    for (std::size_t k = 0; k < _job.sums.size(); k++)
    {
      const auto & sum = _job.sums[k];
      const auto to = at::for_blob(sum.rows.data, {1, sum.count})
                          .options(options)
                          .target_device(_spread.home)
                          .make_tensor();
      to.zero_();
      for (const auto & [begin, parts] : _sums)
        to.add_(parts[k]);
    }
  }

  void run_here()
  {
    for (std::optional<Part> part = _spread.first; part; part = next())
    {
      _given = part->end;
      evaluate(*part);
    }
  }

  void run_on_workers()
  {
    synchronize(_spread.home); // workers have streams of their own
    const int threads = threads::allowed();
    std::unique_lock lock(_guard);
    for (std::optional<Part> part = _spread.first; part || _working > 0; part = next())
      if (part)
        post(*part, threads);
      else
        _changed.wait(lock);
  }

  /// Gives a part to its device.
  void post(const Part & part, int threads)
  {
    _given = part.end;
    try
    {
      _places[part.device].worker->post(
          [this, part, threads](std::size_t thread)
          {
            const threads::Allowed as_many(threads);
            const aoti::PlainTensors plain;
            const auto & streams = _places[part.device].streams;
            evaluate(part, streams.empty() ? std::nullopt : std::optional(streams[thread]));
            const std::lock_guard lock(_guard);
            _spread.load[part.device] -= part.size();
            _working--;
            _changed.notify_one();
          });
      _spread.load[part.device] += part.size();
      _working++;
    }
    catch (...)
    {
      _failures.keep(part);
    }
  }

  /// What is to be done next. Empty where nothing is, for now or at all.
  std::optional<Part> next()
  {
    if (_failures.fatal() || _given == _job.points)
      return std::nullopt;
    try
    {
      const auto part = _spread.schedule->next(_spread.load);
      if (part)
        check_part(*part, _given, _job.points, _places.size());
      return part;
    }
    catch (...)
    {
      _failures.keep({0, _given, _given});
      return std::nullopt;
    }
  }

  /// Evaluates a part and keeps what goes wrong.
  void evaluate(const Part & part, const std::optional<c10::Stream> & stream = {})
  {
    const auto begin = Clock::now();
    try
    {
      evaluate_on(_places[part.device], part, stream);
      const std::lock_guard lock(_guard);
      const auto end = Clock::now(); // a device counts as busy with one part after the other
      const auto since = std::max(begin, std::exchange(_free_since[part.device], end));
      if (_spread.schedule)
        _spread.schedule->finished(part, std::chrono::duration<double>(end - since).count());
    }
    catch (...)
    {
      const std::lock_guard lock(_guard);
      _failures.keep(part);
    }
  }

  void evaluate_on(const Place & place, const Part & part, const std::optional<c10::Stream> & stream)
  {
    const auto & engine = *place.engine;
    if (_spread.whole && &engine == &_dispatcher._first)
    {
      enter(Stage::evaluate, part);
      return engine.run(_job);
    }
    const auto device = engine.device();
    c10::OptionalDeviceGuard present;
    c10::OptionalStreamGuard current;
    if (!device.is_cpu())
      present.reset_device(device);
    if (stream)
      current.reset_stream(*stream);
    PartJob job(_job, part, at::device(_spread.home).dtype(engine.metadata().dtype));
    enter(Stage::copy_in, part);
    if (!place.reaches(_spread.home))
      job.move_to(device, stream && _spread.home.is_cpu());
    enter(Stage::evaluate, part);
    engine.run(job.job());
    enter(Stage::copy_out, part);
    job.copy_results(stream);
    if (stream)
      stream->synchronize();
    else if (_places.size() > 1)
      synchronize(device);
    if (job.sums().empty())
      return;
    const std::lock_guard lock(_guard);
    _sums.emplace(part.begin, job.sums());
  }

  void enter(Stage stage, const Part & part) const
  {
    if (_dispatcher.observe)
      _dispatcher.observe(stage, part);
  }

  const Dispatcher & _dispatcher;
  const std::vector<Place> & _places;
  const aoti::Job & _job;
  Spread & _spread;
  std::int64_t _given = 0; ///< points before this one have been given to a device
  std::mutex _guard;       ///< of what follows, and of the spread
  std::condition_variable _changed;
  std::int64_t _working = 0;
  std::vector<Clock::time_point> _free_since;            ///< by device
  std::map<std::int64_t, std::vector<at::Tensor>> _sums; ///< over the points of parts, by where these begin
  Failures _failures;
};

void Dispatcher::run(const aoti::Job & job, Spread & spread, const aoti::Cause & cause) const
{
  Run(*this, job, spread)(cause);
}

} // namespace neml2::dispatchers
