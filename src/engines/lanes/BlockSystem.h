// SPDX-License-Identifier: MIT
#pragma once

#include "engines/lanes/Workspace.h"
#include "neml2/solvers/LUKernels.h"
#include "neml2/solvers/Substepping.h"

#include <cstdint>
#include <span>
#include <vector>

namespace neml2::aoti
{

/// Where the entries of a matrix are, ready for use: component of a graph's output, or a number where
/// negative.
template <typename T>
struct Entries
{
  std::vector<std::int32_t> index;
  std::vector<T> constants;

  Entries() = default;
  explicit Entries(const EntriesInfo & info)
      : index(info.index.begin(), info.index.end()), constants(info.constants.begin(), info.constants.end())
  {
  }
};

/// A force that is walked in parts, or a state that is carried along, when a step is cut.
struct Increment
{
  bool is_state = false;
  std::int32_t current = 0, old = 0; ///< components of the state
};

/// What a BlockSystem is made of, the same for all chunks.
template <typename T>
struct BlockLayout
{
  std::int64_t state_size = 0;
  std::vector<std::int32_t> unknowns; ///< components of the state
  std::vector<std::int32_t> read;     ///< components of the state that the graphs read
  std::vector<Increment> increments;
  Entries<T> jacobian;
  std::int64_t newton_size = 0;
  std::size_t newton = 0, residual = 0; ///< graphs
  ArrayId newton_array = -1, residual_array = -1, packed_array = -1, step_array = -1, base_array = -1;
  ArrayId matrix_array = -1, saved_array = -1, committed_array = -1;
  bool track_updates = false;
  int max_level = 0; ///< how often a step may be cut in half

  std::int64_t size() const { return static_cast<std::int64_t>(unknowns.size()); }
};

/**
 * The equations of the points of a chunk, for solvers::Newton: one graph call gives residual and Jacobian of
 * all points that still iterate, and the LU runs across the lanes of a block.
 *
 * The iterates are in the state of the chunk. Once enough points have left to save a block, those that are
 * left are packed together in an array of their own, so that the others cost nothing.
 */
template <typename T>
class BlockSystem
{
public:
  using Index = solvers::Index;
  using Points = solvers::Points;

  BlockSystem(const BlockLayout<T> & layout, Chunk & chunk);
  ~BlockSystem() { _chunk.work.resize(_chunk.blocks); }
  BlockSystem(const BlockSystem &) = delete;
  BlockSystem & operator=(const BlockSystem &) = delete;

  Index size() const { return _chunk.points; }
  void linearize(Points points, std::span<double> norm2);
  void step(Points points, std::span<double> slope, std::span<std::uint8_t> singular);
  void trial(Points points, std::span<const double> alpha, std::span<double> norm2);
  void advance(Points points, std::span<const double> alpha);
  void update_norms(Points points, std::span<double> du, std::span<double> u) const;

  /// The points at which all that the equations are given, and the guess, is finite. Before a solve.
  std::vector<Index> finite_points() const;

  /// At the end: the lanes behind the last point repeat its solution.
  void fill_lanes();

  /// Substepping: keeps what begin() changes, to be put back by restore().
  void save();
  void begin(Points points, double from, double to);
  void commit(Points points);
  void restore();

  /// After save() and a solve, for the same chunk in the same workspace: the points whose step was cut, and
  /// going back to where these started from.
  std::vector<Index> cut_points();
  void rewind(Points points);

private:
  void pack(Points points);
  void run(std::size_t graph, ArrayId output, std::int64_t size);
  void norms(ArrayId array, std::int64_t components, Points points, std::span<double> norm2);
  std::uint32_t solve_block(std::int64_t block, std::size_t systems, const T * newton, T * step);
  void copy_back(Index point);
  T * at(T * data, std::int64_t components, std::int64_t slot, std::int64_t component) const;
  T * iterate(std::int64_t slot, std::size_t unknown) const;
  T * array(ArrayId id, std::int64_t components, std::int64_t blocks);

  std::size_t lane_of(Index point) const
  {
    return static_cast<std::size_t>(_slot[static_cast<std::size_t>(point)] % solvers::lu_lanes);
  }

  /// Calls visit(block, first, last) for each block that holds some of the points: points[first] ...
  /// points[last - 1].
  template <class Visit>
  void for_each_block(Points points, Visit && visit)
  {
    const auto block_of = [&](std::size_t k)
    { return _slot[static_cast<std::size_t>(points[k])] / solvers::lu_lanes; };
    for (std::size_t first = 0, last = 0; first < points.size(); first = last)
    {
      const auto block = block_of(first);
      for (last = first + 1; last < points.size() && block_of(last) == block;)
        last++;
      visit(block, first, last);
    }
  }

  /// The saved state has one component more: the parts that the step of a point was taken in.
  std::int64_t saved_size() const { return _layout.state_size + 1; }
  T * saved(Index point)
  {
    return at(array(_layout.saved_array, saved_size(), _chunk.blocks), saved_size(), point, 0);
  }

  const BlockLayout<T> & _layout;
  Chunk & _chunk;
  T * _state;
  T * _iterates; ///< the array the graphs run on: the state, or the packed one
  std::int64_t _blocks;
  bool _packed = false;
  bool _search = false;
  std::vector<Index> _slot;     ///< of each point, in the array the graphs run on
  std::vector<double> _update2; ///< of each point: squared norms of the last update and of the iterate
  std::vector<double> _iterate2;
};

/// Fills the n x n matrix of one block of solvers::lu_lanes systems, row stride lda, from a graph's output.
template <typename T>
void assemble(const Entries<T> & entries, const T * output, std::int64_t n, std::int64_t lda, T * matrix);

/// The LU kernels for a scalar type.
template <typename T>
const solvers::LUFunctions<T> & lu_functions();

} // namespace neml2::aoti
