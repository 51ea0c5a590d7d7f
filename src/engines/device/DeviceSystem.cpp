// SPDX-License-Identifier: MIT
#include "engines/device/DeviceSystem.h"

#include <ATen/Parallel.h>
#include <ATen/TensorIndexing.h>
#include <algorithm>
#include <numeric>
#include <utility>

namespace neml2::aoti
{

DeviceSystem::DeviceSystem(const DeviceEquations & equations, Chunk & chunk)
    : _equations(equations), _chunk(chunk), _state(chunk.work.array(state_array, equations.state_size)),
      _work(_state), _used(chunk.points), _slot(static_cast<std::size_t>(chunk.points))
{
  std::iota(_slot.begin(), _slot.end(), Index(0));
}

void DeviceSystem::pack(Points points)
{
  const auto lanes = _state.size(2), count = static_cast<std::int64_t>(points.size());
  const auto blocks = at::divup(count, lanes);
  if (4 * blocks > 3 * _work.size(0))
    return;
  put_back();
  auto owners = at::empty({blocks * lanes}, at::kLong);
  auto * owner = owners.mutable_data_ptr<std::int64_t>();
  std::fill(std::copy(points.begin(), points.end(), owner), owner + blocks * lanes, points.back());
  owners = owners.to(_state.device(), /*non_blocking=*/true); // the driver has read it when this returns
  _block = owners.div(lanes, "floor");
  _lane = owners.remainder(lanes);
  _work = by_block(_state.transpose(1, 2).index({_block, _lane}), lanes).contiguous();
  _used = count;
  for (std::size_t k = 0; k < points.size(); k++)
    _slot[static_cast<std::size_t>(points[k])] = static_cast<Index>(k);
}

/// From the packed iterates to those in the state.
void DeviceSystem::put_back()
{
  if (!_block.defined())
    return;
  const auto column = [this](const at::Tensor & of_slot) { return of_slot.narrow(0, 0, _used).unsqueeze(1); };
  const auto rows = by_point(_work.index_select(1, _equations.unknowns)).narrow(0, 0, _used);
  _state.index_put_({column(_block), _equations.unknowns.unsqueeze(0), column(_lane)}, rows);
}

void DeviceSystem::finish()
{
  put_back();
  repeat_last_point(_state, _chunk.points);
}

at::Tensor DeviceSystem::run(std::size_t graph, std::int64_t size)
{
  const auto output = at::empty({_work.size(0), size, _work.size(2)}, _work.options());
  _chunk.work.graph(graph)({&_work, &output});
  return output;
}

void DeviceSystem::read(const at::Tensor & by_slot, Points points, std::span<double> values) const
{
  const auto * value = by_slot.const_data_ptr<double>();
  for (std::size_t k = 0; k < points.size(); k++)
    values[k] = value[slot(points[k])];
}

void DeviceSystem::linearize(Points points, std::span<double> norm2)
{
  pack(points);
  const auto output = run(_equations.newton, _equations.newton_size);
  const auto residual = by_point(output.narrow(1, 0, _equations.size)); // it comes first
  const auto [solution, info] = at::linalg_solve_ex(_equations.jacobian.of(output), residual.unsqueeze(-1));
  const auto step = solution.squeeze(-1).neg();
  _step = by_block(step.contiguous(), _work.size(2));
  const auto r = residual.to(at::kDouble), du = step.to(at::kDouble);
  const auto singular = info.ne(0).logical_or(du.isfinite().all(1).logical_not());
  auto norms = r.square().sum(1);
  if (!std::exchange(_checked, true)) // a residual may drop a NaN that it is given: 0 times that is NaN again
    norms += by_point(_work.index_select(1, _equations.read)).sum(1).mul(0);
  _report = at::stack({norms, r.mul(du).sum(1).neg(), singular.to(at::kDouble)}).to(at::kCPU);
  read(_report[0], points, norm2);
}

void DeviceSystem::step(Points points, std::span<double> slope, std::span<std::uint8_t> singular)
{
  const auto * flag = _report[2].const_data_ptr<double>();
  for (std::size_t k = 0; k < points.size(); k++)
    singular[k] = flag[slot(points[k])] != 0;
  _base.reset();
  if (slope.empty())
    return;
  read(_report[1], points, slope);
  _base = _work.index_select(1, _equations.unknowns);
}

/// (blocks, 1, lanes): how far each slot moves; undefined where all make a full step.
at::Tensor DeviceSystem::step_lengths(Points points, std::span<const double> alpha) const
{
  const auto full = [](double a) { return a == 1; };
  if (std::ssize(points) == _used && std::all_of(alpha.begin(), alpha.end(), full))
    return {};
  const auto lanes = _work.size(2), slots = _work.size(0) * lanes;
  const auto lengths = at::zeros({slots}, at::kDouble);
  auto * length = lengths.mutable_data_ptr<double>();
  for (std::size_t k = 0; k < points.size(); k++)
    length[slot(points[k])] = alpha[k];
  std::fill(length + _used, length + slots, length[_used - 1]);
  return lengths.to(_work.scalar_type()).to(_work.device(), /*non_blocking=*/true).view({-1, 1, lanes});
}

/// Iterates of the points become base + alpha du, all others stay.
void DeviceSystem::move(Points points, std::span<const double> alpha)
{
  const auto now = _work.index_select(1, _equations.unknowns);
  const auto & from = _base.defined() ? _base : now;
  const auto lengths = step_lengths(points, alpha);
  // a step that a point does not take may hold anything
  const auto next = lengths.defined() ? at::where(lengths.ne(0), from + lengths * _step, now) : from + _step;
  _work.index_copy_(1, _equations.unknowns, next);
}

void DeviceSystem::trial(Points points, std::span<const double> alpha, std::span<double> norm2)
{
  move(points, alpha);
  const auto residual = run(_equations.residual, _equations.size);
  read(residual.to(at::kDouble).square().sum(1).view({-1}).to(at::kCPU), points, norm2);
}

void DeviceSystem::advance(Points points, std::span<const double> alpha)
{
  move(points, alpha);
}

} // namespace neml2::aoti
