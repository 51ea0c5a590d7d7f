// SPDX-License-Identifier: MIT
#pragma once

#include "engines/lanes/BlockSystem.h"

#include <cstdint>
#include <vector>

namespace neml2::aoti
{

/// d unknown / d given for an implicit segment that may cut its step, as dense blocks.
///
/// A point that took its step as a whole has -A^-1 B, A and B being the derivatives of its residual with
/// respect to unknowns and givens. One whose step was cut has gone through states in between: its sub-steps
/// are taken again, and each adds what it does to the tangent of the one before. With B_f, B_o for a force
/// that goes from f~1 to f, a sub-step over [a, b] of the step has b B_f + a B_o for f, (1 - b) B_f + (1 - a)
/// B_o for f~1, and B_s S for an old state whose derivatives after the sub-step before are S.
template <typename T>
class CutTangent
{
public:
  CutTangent() = default;
  CutTangent(const ImplicitInfo & info, std::size_t graph, WorkspaceLayout & layout);

  /// The dense blocks, d unknown / d given, in array(). Unlike those of other implicit segments they need no
  /// solve.
  const DerivativeInfo & derivatives() const { return _dense; }
  ArrayId array() const { return _tangent_array; }

  /// Fills array(). The state holds the solution; what BlockSystem::save() kept is still in the workspace.
  /// Points whose derivatives do not exist are added to chunk.failed.
  void evaluate(Chunk & chunk, const BlockLayout<T> & blocks, const solvers::NewtonOptions & options) const;

private:
  class Walk;

  struct Part ///< of a step
  {
    double from = 0, to = 1;
    bool first = true; ///< whether old states are the caller's own
  };

  /// The tangents of the lanes set in `mask`, from the graph's output at the end of a part of their step.
  void update(Chunk & chunk, std::int64_t block, std::uint32_t mask, Part part) const;
  void fill_right_side(const T * values, Part part, T * right) const;
  void add_old_states(const T * values, const T * before, T * right) const;
  void differentiate(Chunk & chunk, std::int64_t state_size) const;
  void add_entry(const Entries<T> & entries, std::size_t position, const T * values, T factor, T * to) const;
  void report(Chunk & chunk, std::int64_t block, std::uint32_t mask) const;

  /// A component of a given: a column of B, and of the tangent.
  struct Column
  {
    std::size_t block = 0;     ///< of the graph's blocks
    std::int64_t within = 0;   ///< which of the block's columns
    std::int64_t partner = -1; ///< the other end of a force's change
    bool old_force = false;
    std::int64_t unknown = -1; ///< for an old state: the unknown that becomes it
  };

  std::int64_t _unknowns = 0;
  std::vector<Column> _columns;
  std::vector<std::int64_t> _widths; ///< of the graph's blocks
  std::vector<Entries<T>> _entries;  ///< of the graph's blocks
  Entries<T> _jacobian;
  DerivativeInfo _dense;
  std::size_t _graph = 0;
  std::int64_t _graph_size = 0;
  ArrayId _values_array = -1, _tangent_array = -1, _right_array = -1, _matrix_array = -1;
};

} // namespace neml2::aoti
