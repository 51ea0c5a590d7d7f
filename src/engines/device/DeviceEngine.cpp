// SPDX-License-Identifier: MIT
#include "engines/device/DeviceEngine.h"

#include "engines/FailureReport.h"
#include "engines/device/points.h"

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <algorithm>
#include <c10/core/DeviceGuard.h>
#include <c10/core/GradMode.h>

namespace neml2::aoti
{

DeviceEngine::DeviceEngine(Metadata metadata) : Engine(std::move(metadata)), _plans(_metadata, _segments)
{
  WorkspaceLayout layout;
  layout.lanes = _metadata.lanes;
  layout.dtype = _metadata.dtype;
  layout.device = _device;
  const c10::DeviceGuard guard(_device);
  for (const auto & info : _metadata.segments)
    if (const auto * implicit = std::get_if<ImplicitInfo>(&info))
    {
      _segments.push_back(make_device_implicit_segment(_metadata, *implicit, layout));
      const auto n = implicit->residual_size;
      _newton_size = std::max(_newton_size, implicit->newton.size + 4 * n * (n + 1));
    }
    else
      _segments.push_back(make_segment(_metadata, info, layout));
  _pool = std::make_unique<WorkspacePool>(std::move(layout));
}

/// The parts of one run.
class DeviceEngine::Run
{
public:
  Run(const DeviceEngine & engine, const Job & job)
      : _engine(engine), _m(engine._metadata), _job(job), _plan(engine._plans.find(job)),
        _loan(*engine._pool), _work(*_loan)
  {
  }

  void operator()()
  {
    const bool uniform = _plan && !_plan->uniform.results.empty();
    if (uniform && (_uniform = _plan->fixed(), !_uniform.defined()))
      evaluate_uniform();
    for (const auto & sum : _job.sums)
      total(sum).zero_();
    const auto step = _engine.points_per_chunk(_job, _plan);
    for (std::int64_t first = 0; first < _job.points; first += step)
      // without the derivatives that all points share, the first point has failed, and is to be found again
      evaluate({first, std::min(step, _job.points - first)}, !uniform || _uniform.defined());
    if (!_failed.empty())
      report_failed(std::move(_failed), _job.points);
    const auto arrays = outer_arrays();
    for (const auto & sink : _job.uniform_sinks)
      if (sink.count > 0)
        store(sink, arrays, {0, 1});
  }

private:
  /// Derivatives that all points share, from the first point; of an empty batch, from one at zero.
  void evaluate_uniform()
  {
    auto chunk = load_chunk({0, 1});
    if (_job.points > 0)
      compute_values(_engine._segments, chunk);
    else
      compute_values_of_none(_engine._segments, chunk);
    const auto & program = _plan->uniform;
    DeviceArrays arrays;
    if (chunk.failed.empty())
      arrays = run_program(chunk, program);
    if (!chunk.failed.empty() && _job.points > 0)
      return;
    std::vector<Operand> sources;
    for (const auto & result : program.results)
      sources.push_back(result.operand);
    _uniform = Gather(sources, _engine._device)(arrays, 1).clone();
    if (_plan->uniform_is_fixed && !_uniform.is_cpu())
      _uniform = _uniform.to(at::kCPU).to(_engine._device); // later calls may read it on another stream
    _plan->keep_fixed(_uniform);
  }

  /// Evaluates some points and stores their results, unless some fail.
  void evaluate(Span points, bool store_results)
  {
    auto chunk = load_chunk(points);
    const auto iterated = compute_values(_engine._segments, chunk);
    if (_job.iterated)
      _job.iterated->fetch_or(iterated);
    if (chunk.failed.empty() && store_results)
    {
      DeviceArrays arrays = _plan ? run_program(chunk, _plan->program) : outer_arrays();
      arrays[state_array] = _work.array(state_array, _m.state_size);
      for (const auto & sink : _job.sinks)
        if (chunk.failed.empty())
          store(sink, arrays, points);
      for (const auto & sum : _job.sums)
        if (chunk.failed.empty())
          add_up(sum, arrays, points);
    }
    _failed.insert(_failed.end(), chunk.failed.begin(), chunk.failed.end());
  }

  Chunk load_chunk(Span points)
  {
    const auto blocks = std::max<std::int64_t>(at::divup(points.count, _m.lanes), 1);
    _work.resize(blocks);
    load(_job.sources, points, _work.array(state_array, _m.state_size));
    return {_work, points.first, points.count, blocks};
  }

  /// Some components of rows in the caller's memory, in whatever order.
  at::Tensor view(const Argument & rows, std::int64_t first, at::IntArrayRef sizes,
                  at::IntArrayRef strides) const
  {
    const auto skipped = first * rows.stride * static_cast<std::int64_t>(c10::elementSize(_m.dtype));
    return at::for_blob(static_cast<char *>(rows.data) + skipped, sizes)
        .strides(strides)
        .options(at::device(_engine._device).dtype(_m.dtype))
        .target_device(_engine._device)
        .make_tensor();
  }

  /// Visits the points as whole blocks of an array, and those in its last block that are not all of it:
  /// (caller's memory, array), both (blocks, components, lanes).
  template <typename Visit>
  void for_each_part(const Argument & rows, std::int64_t count, Span points, const at::Tensor & array,
                     Visit && visit) const
  {
    const auto lanes = _m.lanes, full = points.count / lanes, rest = points.count % lanes;
    const auto strides = {lanes * rows.stride, std::int64_t(1), rows.stride};
    if (full > 0)
      visit(view(rows, points.first, {full, count, lanes}, strides), array.narrow(0, 0, full));
    if (rest > 0)
      visit(view(rows, points.first + full * lanes, {1, count, rest}, strides),
            array.narrow(0, full, 1).narrow(2, 0, rest));
  }

  template <typename Arguments>
  void load(const Arguments & sources, Span points, const at::Tensor & array) const
  {
    for (const auto & source : sources)
    {
      const auto to = array.narrow(1, source.range.offset, source.range.size);
      if (source.stride == 0 && source.data) // the same for every point
        to.copy_(view(source, 0, {1, source.range.size, 1}, {0, 1, 0}));
      else if (_job.points == 0) // nothing can be read
        to.zero_();
      else
        for_each_part(source, source.range.size, points, to,
                      [](const at::Tensor & theirs, const at::Tensor & ours) { ours.copy_(theirs); });
    }
    repeat_last_point(array, points.count);
  }

  /// What a sink gets, (blocks, components, lanes).
  at::Tensor gathered(const Sink & sink, const DeviceArrays & arrays, Span points) const
  {
    const auto * sources = _engine._plans.sources(sink, _plan);
    const auto & gather = _engine._gathers.get(
        {sources, sink.count},
        [&] { return Gather({sources, static_cast<std::size_t>(sink.count)}, _engine._device); });
    return gather(arrays, at::divup(points.count, _m.lanes));
  }

  void store(const Sink & sink, const DeviceArrays & arrays, Span points) const
  {
    for_each_part(sink.rows, sink.count, points, gathered(sink, arrays, points),
                  [](const at::Tensor & theirs, const at::Tensor & ours) { theirs.copy_(ours); });
  }

  /// Where a sum goes, (1, components, 1).
  at::Tensor total(const Sink & sum) const { return view(sum.rows, 0, {1, sum.count, 1}, {0, 1, 0}); }

  void add_up(const Sink & sum, const DeviceArrays & arrays, Span points) const
  {
    const auto found = gathered(sum, arrays, points);
    const auto full = points.count / _m.lanes, rest = points.count % _m.lanes;
    const auto to = total(sum);
    to.add_(found.narrow(0, 0, full).sum({0, 2}, true));
    if (rest > 0)
      to.add_(found.narrow(0, full, 1).narrow(2, 0, rest).sum({2}, true));
  }

  const DeviceProgram & ready(const Program & program) const
  {
    return _engine._programs.get(&program, [&] { return DeviceProgram(program, _m.dtype, _engine._device); });
  }

  /// The arrays that do not belong to the workspace. All know how many lanes there are.
  DeviceArrays outer_arrays() const
  {
    DeviceArrays arrays(first_segment_array);
    arrays[state_array] = _work.array(state_array, _m.state_size);
    arrays[uniform_array] = _uniform;
    if (_plan)
      arrays[constant_array] = ready(_plan->program).constants;
    return arrays;
  }

  /// Runs a derivative program on a chunk whose state holds the values; returns where its results are.
  DeviceArrays run_program(Chunk & chunk, const Program & program) const
  {
    auto arrays = outer_arrays();
    if (program.scratch_size > 0)
      arrays[scratch_array] = _work.array(scratch_array, program.scratch_size);
    if (_job.tangent_size > 0)
    {
      arrays[tangent_array] = _work.array(tangent_array, _job.tangent_size);
      load(_job.tangents, {chunk.first, chunk.points}, arrays[tangent_array]);
    }
    auto combination = ready(program).combinations.begin();
    for (const auto & step : program.steps)
      if (const auto * evaluate = std::get_if<Program::Evaluate>(&step))
        differentiate(*_engine._segments[evaluate->segment], chunk, arrays);
      else if (const auto * solve = std::get_if<Program::Solve>(&step))
        _engine._segments[solve->segment]->solve(chunk, program.scratch_size, solve->offset, solve->columns,
                                                 solve->transposed);
      else
      {
        for (const auto & combine : *combination)
          combine(arrays);
        ++combination;
      }
    return arrays;
  }

  void differentiate(const Segment & segment, Chunk & chunk, DeviceArrays & arrays) const
  {
    segment.derivative(chunk);
    const auto id = static_cast<std::size_t>(segment.derivative_array());
    arrays.resize(std::max(arrays.size(), id + 1));
    arrays[id] = _work.array(segment.derivative_array(), segment.derivatives()->graph.size);
  }

  const DeviceEngine & _engine;
  const Metadata & _m;
  const Job & _job;
  const DerivativePlan * _plan; // null: values alone
  WorkspacePool::Loan _loan;
  Workspace & _work;
  at::Tensor _uniform;
  std::vector<FailedPoint> _failed;
};

std::int64_t DeviceEngine::points_per_chunk(const Job & job, const DerivativePlan * plan) const
{
  constexpr std::int64_t copies = 4; // of what ATen operations work on
  auto elements = 2 * _metadata.state_size + job.tangent_size + _newton_size;
  if (plan)
    elements += copies * plan->program.footprint(_segments);
  const auto bytes =
      elements * _metadata.lanes * static_cast<std::int64_t>(c10::elementSize(_metadata.dtype));
  return std::max<std::int64_t>(chunk_bytes / bytes, 1) * _metadata.lanes;
}

void DeviceEngine::run(const Job & job) const
{
  const c10::DeviceGuard guard(_device);
  const c10::NoGradGuard no_grad;
  Run(*this, job)();
}

} // namespace neml2::aoti
