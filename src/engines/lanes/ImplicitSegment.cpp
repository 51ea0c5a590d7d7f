// SPDX-License-Identifier: MIT
#include "engines/NewtonOptions.h"
#include "engines/lanes/BlockSystem.h"
#include "engines/lanes/CutTangent.h"
#include "engines/lanes/NewtonReport.h"
#include "engines/lanes/Segment.h"

#include "neml2/aoti/exceptions.h"

#include <algorithm>

namespace neml2::aoti
{
namespace
{

constexpr std::int64_t lanes = solvers::lu_lanes;

/// Unknowns that solve a system of equations at each point.
template <typename T>
class ImplicitSegment : public Segment
{
public:
  ImplicitSegment(const Metadata & metadata, const ImplicitInfo & info, WorkspaceLayout & layout)
      : _info(info), _options(newton_options(metadata, info))
  {
    if (metadata.lanes != solvers::lu_lanes)
      throw FatalError(metadata.path.string() + ": implicit segments need blocks of " +
                       std::to_string(solvers::lu_lanes) + " lanes, not " + std::to_string(metadata.lanes));
    const auto array = [&layout] { return static_cast<ArrayId>(layout.arrays++); };
    _blocks.state_size = metadata.state_size;
    _blocks.unknowns = components_of<std::int32_t>(info.unknowns);
    _blocks.read = components_of<std::int32_t>(info.givens);
    _blocks.read.insert(_blocks.read.end(), _blocks.unknowns.begin(), _blocks.unknowns.end());
    for (const auto & item : info.incremental)
      for (std::int64_t c = 0; c < item.current.size; c++)
        _blocks.increments.push_back({item.is_state, static_cast<std::int32_t>(item.current.offset + c),
                                      static_cast<std::int32_t>(item.old.offset + c)});
    _blocks.jacobian = Entries<T>(info.jacobian);
    _blocks.newton_size = info.newton.size;
    _blocks.newton = add_graph(metadata, info.newton, layout);
    if (info.residual)
      _blocks.residual = add_graph(metadata, *info.residual, layout);
    _blocks.newton_array = array();
    _blocks.residual_array = array();
    _blocks.packed_array = array();
    _blocks.step_array = array();
    _blocks.base_array = array();
    _blocks.matrix_array = array();
    _blocks.saved_array = array();
    _blocks.committed_array = array();
    _blocks.track_updates = _options.update_tol.has_value();
    _blocks.max_level = static_cast<int>(info.max_substepping_level);
    if (!info.derivative)
      return;
    if (_blocks.max_level > 0)
    {
      _cut_tangent = CutTangent<T>(info, add_graph(metadata, info.derivative->graph, layout), layout);
      return;
    }
    _derivative_jacobian = Entries<T>(info.derivative->jacobian);
    _derivative_array = array();
    _right_side_array = array();
    _derivative = add_graph(metadata, info.derivative->graph, layout);
  }

  void value(Chunk & chunk) const override
  {
    if (chunk.points == 0)
      return;
    const auto level = log_level("newton");
    if (level == LogLevel::off)
      solve_values(chunk, solvers::NoObserver{});
    else
      solve_values(chunk,
                   [&](const solvers::NewtonProgress & p) { log_progress(_info.name, chunk, level, p); });
  }

  void derivative(Chunk & chunk) const override
  {
    if (_blocks.max_level > 0)
      return _cut_tangent.evaluate(chunk, _blocks, _options);
    auto & work = chunk.work;
    work.graph(_derivative)({&work.array(state_array, _blocks.state_size),
                             &work.array(_derivative_array, _info.derivative->graph.size)});
  }

  const std::vector<Range> & outputs() const override { return _info.unknowns; }
  ArrayId derivative_array() const override
  {
    return _blocks.max_level > 0 ? _cut_tangent.array() : _derivative_array;
  }

  const DerivativeInfo * derivatives() const override
  {
    if (!_info.derivative)
      return nullptr;
    return _blocks.max_level > 0 ? &_cut_tangent.derivatives() : &*_info.derivative;
  }

  bool implicit() const override { return true; }

  void solve(Chunk & chunk, std::int64_t components, std::int64_t offset, std::int64_t columns,
             bool transposed) const override
  {
    if (_blocks.max_level > 0)
      return; // these blocks are tangents, and what they were multiplied with is the result
    auto & work = chunk.work;
    const auto n = _blocks.size(), size = _info.derivative->graph.size;
    const auto lda = solvers::lu_row_stride<T>(static_cast<int>(n));
    const T * values = work.data<T>(_derivative_array, size);
    T * right = work.data<T>(scratch_array, components) + offset * lanes;
    work.resize(1);
    T * matrix = work.data<T>(_right_side_array, n * lda);
    work.resize(chunk.blocks);
    for (std::int64_t block = 0; block < chunk.blocks; block++, right += components * lanes)
    {
      assemble(_derivative_jacobian, values + block * size * lanes, n, lda, matrix);
      if (transposed)
        transpose(matrix, n, lda);
      std::transform(right, right + n * columns * lanes, right, std::negate<>{});
      const auto used = std::clamp<std::int64_t>(chunk.points - block * lanes, 1, lanes);
      const auto singular = lu_functions<T>().factor_solve(
          matrix, right, static_cast<int>(n), static_cast<int>(columns), static_cast<int>(used), lda);
      if (singular != 0)
        report_singular(chunk, block, singular);
      for (T * row = right; used < lanes && row < right + n * columns * lanes; row += lanes)
        std::fill(row + used, row + lanes, row[used - 1]); // lanes that are not in use repeat the last one
    }
  }

private:
  template <class Observer>
  void solve_values(Chunk & chunk, Observer && observer) const
  {
    BlockSystem<T> system(_blocks, chunk);
    const auto finite = system.finite_points();
    const solvers::Points points(finite);
    if (_blocks.max_level > 0)
    {
      solvers::Substepping stepper(_options, _blocks.max_level);
      system.save();
      keep_result(chunk, stepper.solve(system, points, observer));
      system.restore();
    }
    else
    {
      solvers::Newton newton(_options);
      keep_result(chunk, newton.solve(system, points, observer));
    }
    keep_unsolved(chunk, points);
    system.fill_lanes();
  }

  static void transpose(T * matrix, std::int64_t n, std::int64_t lda)
  {
    for (std::int64_t i = 1; i < n; i++)
      for (std::int64_t j = 0; j < i; j++)
        std::swap_ranges(matrix + (i * lda + j) * lanes, matrix + (i * lda + j + 1) * lanes,
                         matrix + (j * lda + i) * lanes);
  }

  void report_singular(Chunk & chunk, std::int64_t block, std::uint32_t mask) const
  {
    for (std::int64_t lane = 0; lane < lanes; lane++)
      if (const auto point = block * lanes + lane; ((mask >> lane) & 1u) && point < chunk.points)
        keep_singular(chunk, point);
  }

  ImplicitInfo _info;
  solvers::NewtonOptions _options;
  BlockLayout<T> _blocks;
  CutTangent<T> _cut_tangent;
  Entries<T> _derivative_jacobian;
  std::size_t _derivative = 0;
  ArrayId _derivative_array = -1;
  ArrayId _right_side_array = -1;
};

} // namespace

std::unique_ptr<Segment> make_implicit_segment(const Metadata & metadata, const ImplicitInfo & info,
                                               WorkspaceLayout & layout)
{
  if (metadata.dtype == c10::ScalarType::Double)
    return std::make_unique<ImplicitSegment<double>>(metadata, info, layout);
  return std::make_unique<ImplicitSegment<float>>(metadata, info, layout);
}

} // namespace neml2::aoti
