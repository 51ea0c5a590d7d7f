// SPDX-License-Identifier: MIT
#pragma once

#include "engines/device/points.h"
#include "engines/lanes/Workspace.h"
#include "neml2/solvers/LineSearch.h"

#include <cstdint>
#include <span>
#include <vector>

namespace neml2::aoti
{

/// What a DeviceSystem is made of, the same for all chunks.
struct DeviceEquations
{
  std::int64_t size = 0, state_size = 0;
  at::Tensor unknowns; ///< components of the state
  at::Tensor read;     ///< these, and those that are given
  MatrixEntries jacobian;
  std::size_t newton = 0, residual = 0; ///< graphs
  std::int64_t newton_size = 0;
};

/**
 * The equations of the points of a chunk, for solvers::Newton, in ATen operations.
 *
 * The host waits for the device once an iteration: linearize() computes the step along with the residual, and
 * one transfer brings all that the host has to know. A line search waits once more for each trial.
 *
 * The iterates are in the state. Once enough points have left to save some blocks, those that are left are
 * packed into an array of their own, until they are packed again or finish().
 */
class DeviceSystem
{
public:
  using Index = solvers::Index;
  using Points = solvers::Points;

  DeviceSystem(const DeviceEquations & equations, Chunk & chunk);

  Index size() const { return _chunk.points; }
  void linearize(Points points, std::span<double> norm2);
  void step(Points points, std::span<double> slope, std::span<std::uint8_t> singular);
  void trial(Points points, std::span<const double> alpha, std::span<double> norm2);
  void advance(Points points, std::span<const double> alpha);

  /// At the end: all iterates are in the state.
  void finish();

private:
  void pack(Points points);
  void put_back();
  void move(Points points, std::span<const double> alpha);
  at::Tensor step_lengths(Points points, std::span<const double> alpha) const;
  at::Tensor run(std::size_t graph, std::int64_t size);
  void read(const at::Tensor & by_slot, Points points, std::span<double> values) const;

  std::size_t slot(Index point) const
  {
    return static_cast<std::size_t>(_slot[static_cast<std::size_t>(point)]);
  }

  const DeviceEquations & _equations;
  Chunk & _chunk;
  at::Tensor _state;
  at::Tensor _work;         ///< what the graphs run on: the state, or the packed points
  at::Tensor _block, _lane; ///< in the state, of each packed point
  std::int64_t _used;       ///< slots of _work; those behind repeat the last one
  std::vector<Index> _slot; ///< in _work, of each point
  bool _checked = false;    ///< whether what is given was looked at
  at::Tensor _step, _base;  ///< in block layout; the base is where a line search starts
  at::Tensor _report;       ///< on the host, (3, slots): |r|^2, -r . du, whether du does not exist
};

} // namespace neml2::aoti
