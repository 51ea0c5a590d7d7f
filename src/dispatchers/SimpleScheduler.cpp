// SPDX-License-Identifier: MIT
#include "neml2/dispatchers/SimpleScheduler.h"

#include "dispatchers/sizes.h"

#include <algorithm>

namespace neml2
{
namespace
{

class InTurn : public Schedule
{
public:
  InTurn(std::int64_t points, std::int64_t batch_size) : _points(points), _batch_size(batch_size) {}

  std::optional<Part> next(std::span<const std::int64_t>) override
  {
    if (_begin == _points)
      return std::nullopt;
    const auto begin = _begin;
    _begin = std::min(_begin + _batch_size, _points);
    return Part{0, begin, _begin};
  }

private:
  std::int64_t _points, _batch_size, _begin = 0;
};

} // namespace

std::unique_ptr<Schedule> in_turn(std::int64_t points, std::int64_t batch_size)
{
  return std::make_unique<InTurn>(points, batch_size);
}

SimpleScheduler::SimpleScheduler(const std::string & device, std::int64_t batch_size)
    : Scheduler({device}), _batch_size(sizes_by_device({batch_size}, 1, "batch sizes")[0])
{
}

std::unique_ptr<Schedule> SimpleScheduler::schedule(std::int64_t points)
{
  return in_turn(points, _batch_size);
}

} // namespace neml2
