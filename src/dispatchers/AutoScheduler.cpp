// SPDX-License-Identifier: MIT
#include "neml2/dispatchers/AutoScheduler.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <mutex>
#include <numeric>

namespace neml2
{
namespace
{

/// Seconds of a part: fixed + each * points.
struct Cost
{
  double fixed = 0, each = 0;
};

/// What was measured of one device lately.
class Record
{
public:
  void add(double points, double seconds)
  {
    if (_calls.size() == kept)
      _calls.pop_front();
    _calls.push_back({points, seconds});
  }

  bool empty() const { return _calls.empty(); }
  void clear() { _calls.clear(); }

  /// The line through the calls that is nearest in relative error; where they say nothing of a fixed cost,
  /// there is none.
  Cost cost() const
  {
    double w = 0, n = 0, t = 0, nn = 0, nt = 0;
    for (const auto & [points, seconds] : _calls)
    {
      const double weight = 1 / (points * points);
      w += weight;
      n += weight * points;
      t += weight * seconds;
      nn += weight * points * points;
      nt += weight * points * seconds;
    }
    const double spread = nn * w - n * n;
    if (spread > 1e-3 * nn * w)
      if (const double each = (nt * w - n * t) / spread, fixed = (t - each * n) / w; each > 0 && fixed > 0)
        return {fixed, each};
    return {0, nt / nn};
  }

private:
  static constexpr std::size_t kept = 16;

  std::deque<std::pair<double, double>> _calls;
};

} // namespace

/// What is known, by the order of magnitude of a batch.
class AutoScheduler::Learned
{
public:
  explicit Learned(std::size_t devices) : _devices(devices) {}

  std::vector<std::int64_t> split(std::int64_t points)
  {
    const std::lock_guard lock(_guard);
    auto & known = records(points);
    const auto count = static_cast<std::int64_t>(_devices);
    if (std::any_of(known.begin(), known.end(), [](const auto & record) { return record.empty(); }))
    { // even shares, so that something is known
      std::vector<std::int64_t> even(_devices, points / count);
      for (std::int64_t d = 0; d < points % count; d++)
        even[static_cast<std::size_t>(d)]++;
      return even;
    }
    return balanced(known, points);
  }

  void add(std::int64_t batch, const Part & part, double seconds)
  {
    const std::lock_guard lock(_guard);
    if (part.size() > 0)
      records(batch)[part.device].add(double(part.size()), seconds);
  }

  /// Forgets, from time to time, the device that gets nothing: it may have become faster.
  void reconsider(std::int64_t batch, const std::vector<std::int64_t> & split)
  {
    const std::lock_guard lock(_guard);
    if (++_calls % patience == 0)
      for (std::size_t d = 0; d < _devices; d++)
        if (split[d] == 0)
          records(batch)[d].clear();
  }

private:
  static constexpr std::uint64_t patience = 200;

  std::vector<Record> & records(std::int64_t points)
  {
    const int magnitude = int(std::log10(double(std::max<std::int64_t>(points, 1))));
    auto & known = _known[magnitude];
    known.resize(_devices);
    return known;
  }

  /// Shares that end at one time T: share = (T - fixed) / each, for the devices whose fixed cost is below T.
  static std::vector<std::int64_t> balanced(const std::vector<Record> & known, std::int64_t points)
  {
    std::vector<Cost> costs;
    for (const auto & record : known)
      costs.push_back(record.cost());
    std::vector<std::size_t> order(costs.size());
    std::iota(order.begin(), order.end(), std::size_t(0));
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return costs[a].fixed < costs[b].fixed; });
    double rate = 0, ahead = double(points), end = 0;
    std::size_t used = 0;
    for (; used < order.size(); used++)
    {
      const auto & cost = costs[order[used]];
      if (used > 0 && cost.fixed >= end)
        break;
      rate += 1 / cost.each;
      ahead += cost.fixed / cost.each;
      end = ahead / rate;
    }
    std::vector<std::int64_t> shares(costs.size(), 0);
    std::int64_t given = 0;
    for (std::size_t i = used; i-- > 1;)
    {
      const auto & cost = costs[order[i]];
      shares[order[i]] =
          std::min(std::int64_t(std::max((end - cost.fixed) / cost.each, 0.0)), points - given);
      given += shares[order[i]];
    }
    shares[order[0]] = points - given;
    return shares;
  }

  std::size_t _devices;
  std::mutex _guard;
  std::map<int, std::vector<Record>> _known;
  std::uint64_t _calls = 0;
};

/// One part for each device, or some for one that may copy the next while it computes.
class AutoScheduler::Split : public Schedule
{
public:
  Split(const AutoScheduler & scheduler, std::int64_t points)
      : _devices(scheduler.devices()), _learned(scheduler._learned), _points(points),
        _shares(_learned->split(points))
  {
    _learned->reconsider(points, _shares);
  }

  std::optional<Part> next(std::span<const std::int64_t>) override
  {
    while (_device < _shares.size() && _shares[_device] == 0)
      _device++;
    if (_device == _shares.size())
      return std::nullopt;
    const auto begin = _begin;
    const auto size = std::min(_shares[_device], piece());
    _begin += size;
    _shares[_device] -= size;
    return Part{_device, begin, _begin};
  }

  void finished(const Part & part, double seconds) override { _learned->add(_points, part, seconds); }

private:
  /// The largest part of the present device: all, of one that works in the memory of the host.
  std::int64_t piece() const
  {
    constexpr std::int64_t worth_copying_apart = 1 << 16;
    return _devices[_device].starts_with("cpu") ? _points : worth_copying_apart;
  }

  const std::vector<std::string> & _devices;
  std::shared_ptr<Learned> _learned;
  std::int64_t _points, _begin = 0;
  std::vector<std::int64_t> _shares; ///< what is left of them, by device
  std::size_t _device = 0;
};

AutoScheduler::AutoScheduler(std::vector<std::string> devices)
    : Scheduler(std::move(devices)), _learned(std::make_shared<Learned>(Scheduler::devices().size()))
{
}

AutoScheduler::~AutoScheduler() = default;

std::unique_ptr<Schedule> AutoScheduler::schedule(std::int64_t points)
{
  return std::make_unique<Split>(*this, points);
}

std::vector<std::int64_t> AutoScheduler::split(std::int64_t points) const
{
  return _learned->split(points);
}

} // namespace neml2
