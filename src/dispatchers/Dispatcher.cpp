// SPDX-License-Identifier: MIT
#include "dispatchers/Dispatcher.h"

#include "aoti/ModelImplementation.h"
#include "aoti/guard.h"
#include "dispatchers/Failures.h"
#include "dispatchers/PartJob.h"
#include "dispatchers/Worker.h"
#include "neml2/aoti/exceptions.h"
#include "neml2/threads/allowed.h"

#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <chrono>

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

double seconds_since(std::chrono::steady_clock::time_point begin)
{
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

} // namespace

/// A device, the model there, and the thread that feeds it.
struct Dispatcher::Place
{
  std::unique_ptr<Implementation> own; ///< null for the first device
  const Implementation * model;
  bool apart;                     ///< a numbered processor: whatever is elsewhere counts as not in its memory
  std::unique_ptr<Worker> worker; ///< where there are several devices

  bool reaches(c10::Device home) const { return !apart && model->signature.device == home; }
};

Dispatcher::Dispatcher(const Implementation & first, std::shared_ptr<Scheduler> scheduler,
                       std::vector<std::unique_ptr<Implementation>> others)
    : _first(first), _scheduler(std::move(scheduler))
{
  others.insert(others.begin(), nullptr);
  const auto & names = _scheduler->devices();
  for (std::size_t d = 0; d < names.size(); d++)
  {
    const auto * model = others[d] ? others[d].get() : &first;
    _places.push_back({std::move(others[d]), model, names[d].starts_with("cpu:"),
                       names.size() > 1 ? std::make_unique<Worker>() : nullptr});
  }
}

Dispatcher::~Dispatcher() = default;

Spread Dispatcher::spread(std::int64_t points, c10::Device home) const
{
  Spread spread;
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
  spread.follows_strides = spread.whole && place.model->signature.follows_strides;
  return spread;
}

/// One call.
class Dispatcher::Run
{
public:
  Run(const Dispatcher & dispatcher, aoti::Call & call)
      : _dispatcher(dispatcher), _places(dispatcher._places), _call(call), _spread(*call.spread)
  {
  }

  void operator()(const aoti::Cause & cause)
  {
    if (_places.size() == 1 || _spread.whole)
      run_here();
    else
      run_on_workers();
    _failures.raise(_call.job.points, cause);
    if (_given < _call.job.points)
      throw aoti::FatalError("the scheduler left points of the batch to nobody");
  }

private:
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
    synchronize(_call.device()); // workers have streams of their own
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
          [this, part, threads]
          {
            const threads::Allowed as_many(threads);
            const aoti::PlainTensors plain;
            evaluate(part);
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
    if (_failures.fatal() || _given == _call.job.points)
      return std::nullopt;
    try
    {
      const auto part = _spread.schedule->next(_spread.load);
      if (part)
        check_part(*part, _given, _call.job.points, _places.size());
      return part;
    }
    catch (...)
    {
      _failures.keep({0, _given, _given});
      return std::nullopt;
    }
  }

  /// Evaluates a part and keeps what goes wrong.
  void evaluate(const Part & part)
  {
    const auto begin = std::chrono::steady_clock::now();
    try
    {
      evaluate_on(_places[part.device], part);
      const std::lock_guard lock(_guard);
      if (_spread.schedule)
        _spread.schedule->finished(part, seconds_since(begin));
    }
    catch (...)
    {
      const std::lock_guard lock(_guard);
      _failures.keep(part);
    }
  }

  void evaluate_on(const Place & place, const Part & part) const
  {
    const auto & model = *place.model;
    if (_spread.whole && &model == &_dispatcher._first)
    {
      enter(Stage::evaluate, part);
      return model.engine.run(_call.job);
    }
    const auto device = model.signature.device;
    c10::OptionalDeviceGuard present;
    if (!device.is_cpu())
      present.reset_device(device);
    PartJob job(_call, part, _dispatcher._first, model);
    enter(Stage::copy_in, part);
    if (!place.reaches(_call.device()))
      job.move_to(device);
    enter(Stage::evaluate, part);
    model.engine.run(job.job());
    enter(Stage::copy_out, part);
    job.copy_results();
    if (place.worker)
      synchronize(device);
  }

  void enter(Stage stage, const Part & part) const
  {
    if (_dispatcher.observe)
      _dispatcher.observe(stage, part);
  }

  const Dispatcher & _dispatcher;
  const std::vector<Place> & _places;
  aoti::Call & _call;
  Spread & _spread;
  std::int64_t _given = 0; ///< points before this one have been given to a device
  std::mutex _guard;       ///< of what follows, and of the spread
  std::condition_variable _changed;
  std::int64_t _working = 0;
  Failures _failures;
};

void Dispatcher::run(aoti::Call & call, const aoti::Cause & cause) const
{
  Run(*this, call)(cause);
}

} // namespace neml2::dispatchers
