// SPDX-License-Identifier: MIT
#include "engines/lanes/LanesEngine.h"

#include "engines/FailureReport.h"
#include "engines/SumsOfChunks.h"
#include "neml2/aoti/exceptions.h"
#include "neml2/threads/Team.h"
#include "neml2/threads/allowed.h"

#include <ATen/EmptyTensor.h>
#include <ATen/Parallel.h>
#include <algorithm>
#include <mutex>
#include <optional>

namespace neml2::aoti
{
namespace
{

constexpr std::int64_t chunk_bytes = 256 * 1024; // stays in a second-level cache
constexpr std::int64_t stream_bytes = 4 << 20;   // outputs beyond this do not stay in one

// Blocks that are worth handing to another thread: a Newton solve costs far more than an explicit function.
constexpr std::int64_t explicit_grain = 256;
constexpr std::int64_t implicit_grain = 2;
constexpr std::int64_t pieces_per_thread = 4;

} // namespace

LanesEngine::LanesEngine(Metadata metadata) : Engine(std::move(metadata)), _plans(_metadata, _segments)
{
  WorkspaceLayout layout;
  layout.lanes = _metadata.lanes;
  layout.dtype = _metadata.dtype;
  for (const auto & info : _metadata.segments)
  {
    _segments.push_back(make_segment(_metadata, info, layout));
    _implicit = _implicit || _segments.back()->implicit();
  }
  _pool = std::make_unique<WorkspacePool>(std::move(layout));
}

/// The parts of one run, for one scalar type.
template <typename T>
class LanesEngine::Run
{
public:
  Run(const LanesEngine & engine, const Job & job)
      : _engine(engine), _m(engine._metadata), _job(job), _plan(engine._plans.find(job)),
        _kernels(layout_kernels<T>())
  {
    std::int64_t bytes = 0;
    for (const auto & sink : job.sinks)
      bytes += sink.count * job.points * std::int64_t(sizeof(T));
    _stream = bytes > stream_bytes;
  }

  void operator()()
  {
    const auto blocks = at::divup(_job.points, _m.lanes);
    const int threads = blocks > 1 ? threads::allowed() : 1;
    _step = blocks > 1 ? _engine.blocks_per_chunk(_job, _plan, blocks, threads) * _m.lanes : _m.lanes;
    if (!_job.sums.empty())
      _sums.emplace(_job.sums, _job.points, sizeof(T), _step);
    const bool uniform = _plan && !_plan->uniform.results.empty();
    if (uniform && (_uniform = _plan->fixed(), !_uniform.defined()) && blocks != 1)
      evaluate_uniform();
    if (blocks == 1)
    {
      WorkspacePool::Loan work(*_engine._pool);
      load_state(*work, {0, _job.points});
      process(*work, {0, _job.points}, {}, uniform && !_uniform.defined());
    }
    else if (blocks > 1)
      process_chunks(threads);
    if (!_failed.empty())
      report_failed(std::move(_failed), _job.points);
    if (_sums)
      _sums->finish();
    const auto arrays = outer_views();
    for (const auto & sink : _job.uniform_sinks)
      store(sink, arrays, {0, 1}, 0, false);
  }

private:
  /// Derivatives that all points share, from the first point; of an empty batch, from one at zero.
  void evaluate_uniform()
  {
    WorkspacePool::Loan work(*_engine._pool);
    load_state(*work, {0, 1});
    Chunk chunk{*work, 0, 1, 1};
    if (_job.points > 0)
      values(chunk);
    else
      compute_values_of_none(_engine._segments, chunk);
    if (chunk.failed.empty())
      export_uniform(chunk);
  }

  void export_uniform(Chunk & chunk)
  {
    const auto & program = _plan->uniform;
    const auto arrays = run_program(chunk, program);
    const auto count = static_cast<std::int64_t>(program.results.size());
    _uniform = at::detail::empty_cpu({1, count, _m.lanes}, _m.dtype, false, std::nullopt);
    T * to = static_cast<T *>(_uniform.mutable_data_ptr());
    for (const auto & result : program.results)
    {
      const auto from = lanes_of(arrays, result.operand, _m.lanes);
      to = std::copy(from.data, from.data + _m.lanes, to);
    }
    _plan->keep_fixed(_uniform);
  }

  void process_chunks(int threads)
  {
    const auto step = _step;
    const auto points_of = [&](threads::Piece chunks)
    {
      const auto first = chunks.begin * step;
      return Span{first, chunks ? std::min(step, _job.points - first) : 0};
    };
    const auto after = [](threads::Piece & chunks, threads::Claims & claims)
    { return ++chunks.begin < chunks.end ? chunks : claims.claim(); };
    const auto work_on = [&](threads::Claims & claims)
    {
      auto chunks = claims.claim();
      if (!chunks)
        return;
      WorkspacePool::Loan work(*_engine._pool);
      for (load_state(*work, points_of(chunks)); chunks;)
      {
        const auto points = points_of(chunks);
        chunks = after(chunks, claims);
        process(*work, points, points_of(chunks), false);
      }
      _kernels.fence();
    };
    const auto grain = at::divup(_engine.grain(), step / _m.lanes);
    threads::Team::of_process().share(at::divup(_job.points, step), grain, threads - 1, work_on);
  }

  /// Evaluates the points in the workspace's state, stores their results, and loads the next points.
  void process(Workspace & work, Span points, Span next, bool uniform_here)
  {
    Chunk chunk{work, points.first, points.count, blocks_of(points)};
    work.resize(chunk.blocks);
    values(chunk);
    if (keep_failures(chunk))
      return load_next(work, next);
    if (uniform_here)
      export_uniform(chunk);
    // without the derivatives that all points share, the first point has failed
    if (_plan && !_plan->uniform.results.empty() && !_uniform.defined())
      return load_next(work, next);
    auto arrays = _plan ? run_program(chunk, _plan->program) : ArrayViews<T>(1);
    if (keep_failures(chunk))
      return load_next(work, next);
    arrays[state_array] = state_view(work);
    for (std::size_t k = 0; k < _job.sums.size(); k++)
      add_up(_job.sums[k], arrays, points, static_cast<T *>(_sums->chunk(k, points.first / _step)));
    store_and_load(work, arrays, points, next);
  }

  /// Sums results over the points of a chunk.
  void add_up(const Sink & sink, const ArrayViews<T> & arrays, Span points, T * sums) const
  {
    const auto * sources = _engine._plans.sources(sink, _plan);
    for (std::int64_t i = 0; i < sink.count; i++)
    {
      auto from = lanes_of(arrays, sources[i], _m.lanes);
      for (std::int64_t left = points.count; left > 0; left -= _m.lanes, from.data += from.block_stride)
        for (std::int64_t lane = 0; lane < std::min(left, _m.lanes); lane++)
          sums[i] += from.data[lane];
    }
  }

  /// Takes note of the points of a chunk that failed, by solving or by differentiating; whether there are
  /// any.
  bool keep_failures(const Chunk & chunk)
  {
    if (chunk.failed.empty())
      return false;
    const std::lock_guard lock(_guard);
    _failed.insert(_failed.end(), chunk.failed.begin(), chunk.failed.end());
    return true;
  }

  void load_next(Workspace & work, Span next) const
  {
    if (next.count > 0)
      load_state(work, next);
  }

  /// Stores the results of some points and loads the next ones. Where memory is the limit the two go hand in
  /// hand, so that it reads and writes at once.
  void store_and_load(Workspace & work, const ArrayViews<T> & arrays, Span points, Span next) const
  {
    if (!_stream || next.count == 0)
    {
      for (const auto & sink : _job.sinks)
        store(sink, arrays, points, 0, _stream);
      return load_next(work, next);
    }
    constexpr std::int64_t group = 4;
    work.swap_state();
    work.resize(blocks_of(next));
    const auto state = state_view(work);
    const auto blocks = std::max(blocks_of(points), blocks_of(next));
    for (std::int64_t block = 0; block < blocks; block += group)
    {
      const auto now = part(points, block, group), then = part(next, block, group);
      if (now.count > 0)
        for (const auto & sink : _job.sinks)
          store(sink, arrays, now, block, true);
      if (then.count > 0)
        for (const auto & source : _job.sources)
          load(source, then, state.data + block * state.block_stride, _m.state_size);
    }
  }

  std::int64_t blocks_of(Span points) const { return at::divup(points.count, _m.lanes); }

  /// The points in some blocks of a chunk.
  Span part(Span points, std::int64_t block, std::int64_t blocks) const
  {
    const auto skipped = std::min(block * _m.lanes, points.count);
    return {points.first + skipped, std::min(blocks * _m.lanes, points.count - skipped)};
  }

  ArrayView<T> state_view(Workspace & work) const
  {
    return {work.data<T>(state_array, _m.state_size), _m.state_size * _m.lanes};
  }

  void load_state(Workspace & work, Span points) const
  {
    work.resize(std::max<std::int64_t>(blocks_of(points), 1));
    T * state = state_view(work).data;
    for (const auto & source : _job.sources)
      load(source, points, state, _m.state_size);
  }

  /// Loads an argument into blocks of an array that has this many components.
  void load(const Argument & source, Span points, T * array, std::int64_t components) const
  {
    const auto lanes = _m.lanes;
    const auto * data = static_cast<const T *>(source.data);
    T * to = array + source.range.offset * lanes;
    if (_job.points > 0 && source.stride != 0)
      return _kernels.load({data + points.first * source.stride, source.stride}, source.range.size,
                           points.count, to, components * lanes, lanes);
    // the same for every point; of an empty batch nothing else can be read
    const auto blocks = std::max<std::int64_t>(blocks_of(points), 1);
    for (std::int64_t b = 0; b < blocks; b++, to += components * lanes)
      for (std::int64_t c = 0; c < source.range.size; c++)
        std::fill_n(to + c * lanes, lanes, source.stride == 0 && data ? data[c] : T(0));
  }

  void values(Chunk & chunk) const
  {
    const auto iterated = compute_values(_engine._segments, chunk);
    if (_job.iterated && iterated)
      _job.iterated->fetch_or(iterated);
  }

  /// Views of the arrays that do not belong to a workspace.
  ArrayViews<T> outer_views() const
  {
    ArrayViews<T> arrays(first_segment_array);
    if (_uniform.defined())
      arrays[uniform_array] = {static_cast<T *>(_uniform.mutable_data_ptr()), 0};
    if (_plan)
      arrays[constant_array] = {static_cast<T *>(_plan->constants.mutable_data_ptr()), 0};
    return arrays;
  }

  /// Runs a derivative program on a chunk whose state holds the values; returns where its results are.
  ArrayViews<T> run_program(Chunk & chunk, const Program & program) const
  {
    const auto lanes = _m.lanes;
    auto arrays = outer_views();
    arrays[state_array] = state_view(chunk.work);
    if (program.scratch_size > 0)
      arrays[scratch_array] = {chunk.work.data<T>(scratch_array, program.scratch_size),
                               program.scratch_size * lanes};
    if (_job.tangent_size > 0)
    {
      T * tangents = chunk.work.data<T>(tangent_array, _job.tangent_size);
      for (const auto & tangent : _job.tangents)
        load(tangent, {chunk.first, chunk.points}, tangents, _job.tangent_size);
      arrays[tangent_array] = {tangents, _job.tangent_size * lanes};
    }
    for (const auto & step : program.steps)
      if (const auto * evaluate = std::get_if<Program::Evaluate>(&step))
      {
        const auto & segment = *_engine._segments[evaluate->segment];
        segment.derivative(chunk);
        const auto id = static_cast<std::size_t>(segment.derivative_array());
        const auto size = segment.derivatives()->graph.size;
        if (arrays.size() <= id)
          arrays.resize(id + 1);
        arrays[id] = {chunk.work.data<T>(segment.derivative_array(), size), size * lanes};
      }
      else if (const auto * combine = std::get_if<Program::Combine>(&step))
        run_instructions(program, combine->first, combine->last, arrays, chunk.blocks, lanes);
      else
      {
        const auto & solve = std::get<Program::Solve>(step);
        _engine._segments[solve.segment]->solve(chunk, program.scratch_size, solve.offset, solve.columns,
                                                solve.transposed);
      }
    return arrays;
  }

  /// Stores results of some points, which begin at a certain block of the arrays.
  void store(const Sink & sink, const ArrayViews<T> & arrays, Span points, std::int64_t block,
             bool stream) const
  {
    const auto * sources = _engine._plans.sources(sink, _plan);
    c10::SmallVector<Lanes<T>, 48> components;
    for (std::int64_t i = 0; i < sink.count; i++)
    {
      auto lanes = lanes_of(arrays, sources[i], _m.lanes);
      lanes.data += block * lanes.block_stride;
      components.push_back(lanes);
    }
    T * to = static_cast<T *>(sink.rows.data) + points.first * sink.rows.stride;
    _kernels.store(components.data(), sink.count, points.count, {to, sink.rows.stride}, _m.lanes, stream);
  }

  const LanesEngine & _engine;
  const Metadata & _m;
  const Job & _job;
  const DerivativePlan * _plan; // null: values alone
  const LayoutKernels<T> & _kernels;
  bool _stream = false;
  std::int64_t _step = 0; // points of a chunk
  std::optional<SumsOfChunks> _sums;
  at::Tensor _uniform;
  std::mutex _guard;
  std::vector<FailedPoint> _failed;
};

std::int64_t LanesEngine::grain() const
{
  return _implicit ? implicit_grain : explicit_grain;
}

std::int64_t LanesEngine::blocks_per_chunk(const Job & job, const DerivativePlan * plan, std::int64_t blocks,
                                           int threads) const
{
  auto elements = _metadata.state_size + job.tangent_size;
  if (plan)
    elements += plan->program.footprint(_segments);
  const auto bytes =
      elements * _metadata.lanes * static_cast<std::int64_t>(c10::elementSize(_metadata.dtype));
  const auto fitting = std::max<std::int64_t>(chunk_bytes / bytes, 1);
  if (!job.sums.empty()) // whose bits must not depend on the number of threads
    return std::min(fitting, points_per_sum / _metadata.lanes);
  // every thread gets some, if there is enough to do, and the last one to end does not end much later;
  // results do not depend on where a batch is cut
  const auto share = threads > 1 ? at::divup(blocks, threads * pieces_per_thread) : blocks;
  return std::min(fitting, std::max(share, grain()));
}

void LanesEngine::run(const Job & job) const
{
  if (_metadata.dtype == c10::ScalarType::Double)
    Run<double>(*this, job)();
  else
    Run<float>(*this, job)();
}

} // namespace neml2::aoti
