// SPDX-License-Identifier: MIT
#include "engines/native/NativeEngine.h"

#include "engines/FailureReport.h"
#include "engines/NewtonOptions.h"
#include "engines/SumsOfChunks.h"
#include "neml2/aoti/exceptions.h"
#include "neml2/threads/Team.h"
#include "neml2/threads/allowed.h"
#include "package/Archive.h"
#include "package/Sha256.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <algorithm>
#include <array>
#include <c10/util/SmallVector.h>
#include <mutex>

namespace neml2::aoti
{
namespace
{

// What one operation of a point takes in wide lanes: measured, see benchmarks/native/README.md. Pieces of
// work take this long, and to share out fewer of them than that does not pay.
constexpr double nanoseconds_per_operation = 0.05;
constexpr double piece_nanoseconds = 15000;
constexpr std::int64_t fewest_pieces = 4;
constexpr std::int64_t past_cache_bytes = 4 << 20;

int rank(std::string_view isa)
{
  return isa == "avx512" ? 2 : isa == "avx2" ? 1 : isa == "generic" ? 0 : 3;
}

int processor_rank()
{
  const auto capability = at::get_cpu_capability();
  return capability.starts_with("AVX512") ? 2 : capability.starts_with("AVX2") ? 1 : 0;
}

const KernelInfo & choose(const Metadata & metadata)
{
  const KernelInfo * best = nullptr;
  for (const auto & kernel : metadata.kernels)
    if (rank(kernel.isa) <= processor_rank() && (!best || rank(kernel.isa) > rank(best->isa)))
      best = &kernel;
  if (best)
    return *best;
  throw FatalError(metadata.path.string() + " holds no kernel for this CPU, which offers " +
                   at::get_cpu_capability() + "; compile the model again with --isa native or --isa generic");
}

std::shared_ptr<const SharedObject> load(const Metadata & metadata, const KernelInfo & kernel)
{
  const auto path = metadata.locate(kernel.file);
  const auto & expected = metadata.files.at(kernel.file);
  const auto code = read_file(path);
  if (static_cast<std::int64_t>(code.size()) != expected.bytes ||
      sha256(code.data(), code.size()) != expected.sha256)
    throw FatalError(path.string() +
                     " does not have the size and SHA-256 that its package says: it is truncated or " +
                     "altered; compile the model again");
  return SharedObject::open(expected.sha256, code, path);
}

neml2_native_solver solver(const solvers::NewtonOptions & options, std::int64_t substepping)
{
  neml2_native_solver s{};
  s.abs_tol = options.abs_tol;
  s.rel_tol = options.rel_tol;
  s.max_its = options.max_its;
  s.max_substepping = static_cast<std::int32_t>(substepping);
  s.final_update = options.final_update;
  s.update_tol = options.update_tol.value_or(0);
  s.cutback = 2;
  if (const auto & search = options.line_search)
  {
    s.line_search = search->type == solvers::LineSearchType::backtracking ? 1 : 2;
    s.max_line_search = search->max_iterations;
    s.cutback = search->cutback;
    s.criterion = search->stopping_criteria;
  }
  return s;
}

bool same(const neml2_native_argument & argument, const VariableInfo & info)
{
  return info.name == argument.name && info.type == argument.type && info.range.size == argument.size;
}

/// Whether a kernel has the variables, pairs and solvers that its metadata say.
bool fits(const neml2_native_model & model, const Metadata & metadata, const KernelInfo & kernel,
          std::size_t solvers)
{
  std::vector<const VariableInfo *> inputs;
  for (const auto & input : metadata.inputs)
    inputs.push_back(&input);
  for (const auto & parameter : metadata.parameters)
    if (parameter.stored)
      inputs.push_back(&parameter.variable);
  const auto & outputs = metadata.outputs;
  if (kernel.isa != model.isa || model.n_inputs != std::ssize(inputs) ||
      model.n_outputs != std::ssize(outputs) || model.n_pairs != std::ssize(metadata.derivatives) ||
      model.n_solvers != static_cast<std::int64_t>(solvers) ||
      model.scalar_bytes != static_cast<std::int32_t>(c10::elementSize(metadata.dtype)))
    return false;
  for (std::size_t i = 0; i < inputs.size(); i++)
    if (!same(model.inputs[i], *inputs[i]))
      return false;
  for (std::size_t i = 0; i < outputs.size(); i++)
    if (!same(model.outputs[i], outputs[i]))
      return false;
  for (std::size_t i = 0; i < metadata.derivatives.size(); i++)
    if (metadata.derivatives[i].output != model.outputs[model.pairs[i].output].name ||
        metadata.derivatives[i].input != model.inputs[model.pairs[i].input].name)
      return false;
  return true;
}

} // namespace

NativeEngine::NativeEngine(Metadata metadata) : Engine(std::move(metadata))
{
  const auto & kernel = choose(_metadata);
  _code = load(_metadata, kernel);
  _model = _code->function<std::remove_pointer_t<neml2_native_entry>>(NEML2_NATIVE_ENTRY)(NEML2_NATIVE_ABI);
  const auto wrong = [&](const std::string & what)
  { throw FatalError(_metadata.locate(kernel.file).string() + " " + what + "; compile the model again"); };
  if (!_model)
    wrong("was compiled for another version of neml2");
  for (std::size_t k = 0; k < _metadata.segments.size(); k++)
    if (const auto * info = std::get_if<ImplicitInfo>(&_metadata.segments[k]))
    {
      _solvers.push_back(solver(newton_options(_metadata, *info), info->max_substepping_level));
      _solver_segments.push_back(k);
    }
  if (!fits(*_model, _metadata, kernel, _solvers.size()))
    wrong("does not fit its metadata");
}

/// One job as calls of the kernel.
class NativeEngine::Run
{
public:
  Run(const NativeEngine & engine, const Job & job) : _engine(engine), _model(*engine._model), _job(job)
  {
    const auto count = [](std::int64_t number) { return static_cast<std::size_t>(number); };
    const auto outputs = count(_model.n_outputs);
    _inputs.resize(job.sources.size(), {});
    for (std::size_t i = 0; i < job.sources.size(); i++)
      _inputs[i] = array(job.sources[i], _model.inputs[i].size);
    _outputs.resize(outputs, {});
    _function = _model.forward;
    if (!job.derivatives)
      return;
    const auto mode = job.derivatives->mode;
    _function = mode == Mode::jacobian ? _model.jacobian : mode == Mode::jvp ? _model.jvp : _model.vjp;
    if (!_function)
      throw FatalError(std::string("the native kernel of '") + _model.name +
                       "' was compiled without this way to take derivatives; compile the model again");
    if (mode != Mode::jacobian)
      _tangents.resize(mode == Mode::jvp ? _inputs.size() : outputs, {});
    for (std::size_t i = 0; i < job.tangents.size(); i++)
      _tangents[job.tangent_sources[i]] = array(job.tangents[i], job.tangents[i].range.size);
    const auto blocks = count(_model.n_pairs);
    _derivatives.resize(mode == Mode::jacobian ? blocks : mode == Mode::jvp ? outputs : _inputs.size(), {});
  }

  void operator()()
  {
    std::int64_t bytes = 0;
    for (const auto & sink : _job.sinks)
    {
      place(sink) = array(sink.rows, sink.count);
      bytes += sink.count * _job.points * _model.scalar_bytes;
    }
    if (bytes > past_cache_bytes)
      _flags |= NEML2_NATIVE_PAST_CACHE;
    if (_several_axes)
      count_along_axes();
    if (!_job.sums.empty())
      evaluate_sums();
    else if (!_job.sinks.empty() && _job.points > 0)
      evaluate_points();
    if (!_job.uniform_sinks.empty())
      evaluate_uniform();
  }

private:
  neml2_native_array array(const Argument & rows, std::int64_t size)
  {
    if (!rows.strides)
      return {rows.data, size, rows.stride, nullptr, nullptr};
    const auto & [batch, components] = *rows.strides;
    _several_axes = _several_axes || batch.size() > 1;
    const auto spread = std::find_if(batch.begin(), batch.end(), [](auto stride) { return stride != 0; });
    return {rows.data, size, spread == batch.end() ? 0 : *spread, batch.data(),
            components.empty() ? nullptr : components.data()};
  }

  /// Counts the points along the axes of the batch, where the strides of some array differ from axis to axis.
  void count_along_axes()
  {
    _strides.reserve(_inputs.size() + _outputs.size() + _tangents.size() + _derivatives.size());
    const auto spread = [this](auto & arrays)
    {
      for (auto & array : arrays)
        if (!array.batch_strides)
        {
          auto & strides = _strides.emplace_back(_job.batch.size(), std::int64_t(0));
          auto stride = array.stride;
          for (auto axis = _job.batch.size(); axis-- > 0; stride *= _job.batch[axis])
            strides[axis] = stride;
          array.batch_strides = strides.data();
        }
    };
    spread(_inputs);
    spread(_outputs);
    spread(_tangents);
    spread(_derivatives);
  }

  /// The argument of the kernel that a sink belongs to.
  neml2_native_array & place(const Sink & sink)
  {
    const auto & [kind, number] = sink.result;
    return kind == Result::output ? _outputs[number] : _derivatives[number];
  }

  neml2_native_call call(std::int64_t points, std::int64_t begin, std::int64_t end)
  {
    neml2_native_call c{};
    c.bytes = sizeof(c);
    c.points = points;
    c.begin = begin;
    c.end = end;
    c.flags = _flags;
    if (_several_axes)
    {
      c.batch_axes = static_cast<std::int32_t>(_job.batch.size());
      c.batch_sizes = _job.batch.data();
    }
    c.inputs = _inputs.data();
    c.outputs = _outputs.data();
    c.tangents = _tangents.data();
    c.derivatives = _derivatives.data();
    c.n_inputs = static_cast<std::int32_t>(_inputs.size());
    c.n_outputs = static_cast<std::int32_t>(_outputs.size());
    c.n_tangents = static_cast<std::int32_t>(_tangents.size());
    c.n_derivatives = static_cast<std::int32_t>(_derivatives.size());
    c.solvers = _engine._solvers.data();
    c.n_solvers = static_cast<std::int32_t>(_engine._solvers.size());
    return c;
  }

  /// Calls the kernel; whether all points converged.
  bool evaluate(neml2_native_call & c)
  {
    const int code = _function(&c);
    if (code < 0)
      throw FatalError(std::string("the native kernel of '") + _model.name +
                       "' refused a call: " + c.message);
    if (_job.iterated)
      for (std::size_t k = 0; k < _engine._solver_segments.size(); k++)
        if (k < 64 && _engine._solver_segments[k] < 64 && (c.iterated >> k & 1u))
          *_job.iterated |= std::uint64_t(1) << _engine._solver_segments[k];
    return code == NEML2_NATIVE_OK;
  }

  void evaluate_points()
  {
    share(_model.lanes,
          [&](threads::Piece piece)
          {
            auto c =
                call(_job.whole, piece.begin * _model.lanes, std::min(piece.end * _model.lanes, _job.points));
            if (!evaluate(c))
              find_failed(c);
          });
  }

  /// Hands pieces of the batch, counted in so many points, to threads where that pays.
  template <class Part>
  void share(std::int64_t points, const Part & part)
  {
    const auto count = at::divup(_job.points, points);
    const double cost = _engine._metadata.work * nanoseconds_per_operation * double(points);
    const auto grain = std::max<std::int64_t>(static_cast<std::int64_t>(piece_nanoseconds / cost), 1);
    const int helpers = count < fewest_pieces * grain ? 0 : threads::allowed() - 1;
    if (helpers == 0)
      part({0, count});
    else
      threads::Team::of_process().share(count, grain, helpers,
                                        [&](threads::Claims & claims)
                                        {
                                          while (const auto piece = claims.claim())
                                            part(piece);
                                        });
    if (!_failed.empty())
      report_failed(std::move(_failed), _job.points);
  }

  /// The same with sums over the points: the kernel adds up those of a chunk, and the chunks, which do not
  /// depend on the number of threads, are added in their order.
  void evaluate_sums()
  {
    SumsOfChunks sums(_job.sums, _job.points, static_cast<std::size_t>(_model.scalar_bytes));
    share(points_per_sum,
          [&](threads::Piece piece)
          {
            auto derivatives = _derivatives;
            for (auto chunk = piece.begin; chunk < piece.end; chunk++)
            {
              for (std::size_t k = 0; k < _job.sums.size(); k++)
              {
                const auto & [rows, result, size] = _job.sums[k];
                derivatives[result.number] = {sums.chunk(k, chunk), size, 0, _none.data(), nullptr};
              }
              auto c = call(_job.whole, chunk * points_per_sum,
                            std::min((chunk + 1) * points_per_sum, _job.points));
              c.derivatives = derivatives.data();
              if (!evaluate(c))
                find_failed(c);
            }
          });
    sums.finish();
  }

  /// Does a range again, asking for the status of each point: only calls that fail pay for it.
  void find_failed(neml2_native_call c)
  {
    const auto count = static_cast<std::size_t>(c.end - c.begin);
    std::vector<std::int32_t> status(count), iterations(count);
    std::vector<double> residual(count);
    c.status = status.data() - c.begin;
    c.iterations = iterations.data() - c.begin;
    c.residual = residual.data() - c.begin;
    evaluate(c);
    const std::lock_guard lock(_guard);
    for (std::size_t i = 0; i < count; i++)
      if (status[i] != NEML2_NATIVE_CONVERGED)
        _failed.push_back({c.begin + static_cast<std::int64_t>(i), iterations[i], residual[i],
                           static_cast<FailureReason>(status[i])});
  }

  /// Blocks that all points share, from the first point; of an empty batch, from zeros.
  void evaluate_uniform()
  {
    _several_axes = false;
    std::fill(_outputs.begin(), _outputs.end(), neml2_native_array{});
    std::fill(_derivatives.begin(), _derivatives.end(), neml2_native_array{});
    for (const auto & sink : _job.uniform_sinks)
      place(sink) = {sink.rows.data, sink.count, sink.count, nullptr, nullptr};
    std::vector<double> zeros;
    for (std::size_t i = 0; i < _inputs.size(); i++)
      if (!_inputs[i].data || (_job.points == 0 && _inputs[i].stride != 0))
      {
        zeros.resize(std::max(zeros.size(), static_cast<std::size_t>(_inputs[i].size)), 0.0);
        _inputs[i] = {nullptr, _inputs[i].size, 0, nullptr, nullptr};
      }
    for (auto & input : _inputs)
      if (!input.data)
        input.data = zeros.data();
    auto c = call(1, 0, 1);
    if (!evaluate(c) && _job.points > 0) // there is no point that could fail in an empty batch
    {
      find_failed(c);
      report_failed(std::move(_failed), _job.points);
    }
  }

  const NativeEngine & _engine;
  const neml2_native_model & _model;
  const Job & _job;
  int (*_function)(neml2_native_call *);
  std::int32_t _flags = NEML2_NATIVE_TRUSTED;
  bool _several_axes = false;
  std::vector<Shape> _strides; // of evenly spaced arrays, along the axes
  c10::SmallVector<neml2_native_array, 12> _inputs;
  c10::SmallVector<neml2_native_array, 8> _outputs, _tangents, _derivatives;
  const std::array<std::int64_t, NEML2_NATIVE_MAX_BATCH_AXES> _none = {}; // strides of what all points share
  std::mutex _guard;
  std::vector<FailedPoint> _failed;
};

void NativeEngine::run(const Job & job) const
{
  Run(*this, job)();
}

} // namespace neml2::aoti
