// SPDX-License-Identifier: MIT
#include "neml2/dispatchers/StaticHybridScheduler.h"

#include "dispatchers/sizes.h"
#include "neml2/aoti/exceptions.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace neml2
{

class StaticHybridScheduler::Greedy : public Schedule
{
public:
  Greedy(const StaticHybridScheduler & scheduler, std::int64_t points)
      : _scheduler(scheduler), _points(points)
  {
  }

  std::optional<Part> next(std::span<const std::int64_t> load) override
  {
    if (_begin == _points)
      return std::nullopt;
    for (const auto device : _scheduler._order)
    {
      const auto size = std::min(_scheduler._batch_sizes[device], _points - _begin);
      if (load[device] + size > _scheduler._capacities[device])
        continue;
      const auto begin = _begin;
      _begin += size;
      return Part{device, begin, _begin};
    }
    return std::nullopt;
  }

private:
  const StaticHybridScheduler & _scheduler;
  std::int64_t _points, _begin = 0;
};

StaticHybridScheduler::StaticHybridScheduler(std::vector<std::string> names,
                                             std::vector<std::int64_t> batch_sizes,
                                             std::vector<std::int64_t> capacities,
                                             std::vector<double> priorities)
    : Scheduler(std::move(names)), _order(devices().size())
{
  const auto count = devices().size();
  _batch_sizes = sizes_by_device(std::move(batch_sizes), count, "batch sizes");
  if (capacities.empty())
    for (const auto size : _batch_sizes)
      capacities.push_back(2 * size);
  _capacities = sizes_by_device(std::move(capacities), count, "capacities");
  for (std::size_t d = 0; d < count; d++)
    if (_capacities[d] < _batch_sizes[d])
      throw aoti::FatalError("the capacity of '" + devices()[d] + "', " + std::to_string(_capacities[d]) +
                             ", is smaller than its batch size, " + std::to_string(_batch_sizes[d]));
  if (priorities.empty())
    for (std::size_t d = 0; d < count; d++)
      priorities.push_back(-double(d));
  if (priorities.size() != count)
    throw aoti::FatalError(std::to_string(priorities.size()) + " priorities for " + std::to_string(count) +
                           " devices");
  if (std::any_of(priorities.begin(), priorities.end(), [](double p) { return !std::isfinite(p); }))
    throw aoti::FatalError("a priority is not finite");
  std::iota(_order.begin(), _order.end(), std::size_t(0));
  std::stable_sort(_order.begin(), _order.end(),
                   [&](auto a, auto b) { return priorities[a] > priorities[b]; });
}

std::unique_ptr<Schedule> StaticHybridScheduler::schedule(std::int64_t points)
{
  return std::make_unique<Greedy>(*this, points);
}

} // namespace neml2
