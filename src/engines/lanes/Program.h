// SPDX-License-Identifier: MIT
#pragma once

#include "call/layout.h"
#include "engines/lanes/Segment.h"

#include <cstdint>
#include <map>
#include <variant>
#include <vector>

namespace neml2::aoti
{

/// One component of one array of a workspace.
struct Operand
{
  ArrayId array = 0;
  std::int32_t component = 0;

  auto operator<=>(const Operand &) const = default;
};

/// An entry of a matrix of derivatives: a number known when the program is written, or an operand.
struct Entry
{
  double constant = 0;
  Operand operand = {};
  bool variable = false;

  static Entry number(double value) { return {value, {}, false}; }
  static Entry of(Operand operand) { return {0, operand, true}; }
  bool zero() const { return !variable && constant == 0; }
};

/// factor * a, or factor * a * b.
struct Term
{
  double factor = 1;
  Operand a = {}, b = {};
  bool product = false;
};

/// Derivatives of a model by the chain rule, as a list of steps. Zeros and constants are folded when it is
/// written, and what no result needs is left out.
class Program
{
public:
  /// scratch[target] = offset + sum of terms [first, last).
  struct Instruction
  {
    std::int32_t target;
    double offset;
    std::size_t first, last;
  };
  struct Evaluate ///< the derivative graph of a segment
  {
    std::size_t segment;
  };
  struct Combine ///< instructions [first, last)
  {
    std::size_t first, last;
  };
  struct Solve ///< the equations of an implicit segment
  {
    std::size_t segment;
    std::int64_t offset, rows, columns;
    bool transposed = false;
  };
  using Step = std::variant<Evaluate, Combine, Solve>;

  std::vector<Step> steps;
  std::vector<Instruction> instructions;
  std::vector<Term> terms;
  std::vector<Entry> results;
  std::vector<double>
      constants; ///< those among the results; their operands are components of the constant array
  std::int64_t scratch_size = 0;

  bool empty() const { return steps.empty(); }

  /// Elements per lane that running it touches beside the state.
  std::int64_t footprint(const std::vector<std::unique_ptr<Segment>> & segments) const;
};

/// Writes a Program. Derivatives are carried forward from the seeds, column by column; or adjoints, back.
class ProgramBuilder
{
public:
  ProgramBuilder(const std::vector<std::unique_ptr<Segment>> & segments, std::int64_t state_size,
                 std::int64_t columns);

  /// Derivative of a component of the state in a column, before the first segment; or its adjoint, after the
  /// last.
  void seed(std::int64_t component, std::int64_t column, Entry entry);

  /// Carries the seeds through all segments. Throws FatalError where one has no derivatives.
  void propagate();

  /// Carries the seeds back through all segments: of each output they make way for those of what it is
  /// computed from.
  void propagate_back();

  /// Derivative of a component of the state in a column, after the last segment; or its adjoint, before the
  /// first.
  Entry at(std::int64_t component, std::int64_t column) const;

  /// Sum of products of two entries.
  Entry dot(const std::vector<std::pair<Entry, Entry>> & factors);

  /// The program that computes `results`.
  Program finish(std::vector<Entry> results);

private:
  using Row = std::vector<Entry>; // by column; empty where zero throughout

  std::vector<Row> products(const Segment & segment, const std::vector<Range> & rows);
  void store_rows(const Segment & segment, std::vector<Row> rows);
  void add_forward(std::size_t number);
  void add_implicit(std::size_t number);
  std::vector<Row> take_rows(const Segment & segment);
  std::vector<std::size_t> used_columns(const std::vector<Row> & rows) const;
  std::int64_t side_by_side(std::vector<Row> & rows, const std::vector<std::size_t> & used);
  void hand_back(const Segment & segment, const std::vector<Row> & rows, bool by_equation);
  void flush();
  void prune();

  const std::vector<std::unique_ptr<Segment>> & _segments;
  std::int64_t _columns;
  std::vector<Row> _state;
  Program _program;
  std::size_t _flushed = 0; // instructions that a step covers already
};

/// Where an array of a workspace starts, and how far apart its blocks are (0: the same block for all).
template <typename T>
struct ArrayView
{
  T * data = nullptr;
  std::int64_t block_stride = 0;
};

/// All arrays, by ArrayId.
template <typename T>
using ArrayViews = std::vector<ArrayView<T>>;

template <typename T>
Lanes<T> lanes_of(const ArrayViews<T> & arrays, Operand operand, std::int64_t lanes)
{
  const auto & array = arrays[static_cast<std::size_t>(operand.array)];
  return {array.data + operand.component * lanes, array.block_stride};
}

/// Runs instructions [first, last) of a program on `blocks` blocks.
template <typename T>
void run_instructions(const Program & program, std::size_t first, std::size_t last,
                      const ArrayViews<T> & arrays, std::int64_t blocks, std::int64_t lanes);

} // namespace neml2::aoti
