// SPDX-License-Identifier: MIT
#include "engines/NewtonOptions.h"
#include "engines/device/DeviceSystem.h"
#include "engines/lanes/NewtonReport.h"
#include "engines/lanes/Segment.h"

#include "neml2/aoti/exceptions.h"

namespace neml2::aoti
{
namespace
{

/// Unknowns that solve a system of equations at each point, in ATen operations.
class DeviceImplicitSegment : public Segment
{
public:
  DeviceImplicitSegment(const Metadata & metadata, const ImplicitInfo & info, WorkspaceLayout & layout)
      : _info(info), _options(newton_options(metadata, info))
  {
    if (info.max_substepping_level > 0)
      throw FatalError(
          metadata.path.string() + ": the segment '" + info.name + "' cuts steps that fail, which " +
          "the engine for GPUs cannot do; compile the model without max_substepping_level, or for cpu");
    _equations.size = info.residual_size;
    _equations.state_size = metadata.state_size;
    auto components = components_of<std::int64_t>(info.unknowns);
    _equations.unknowns = to_device(components, at::kLong, layout.device);
    const auto givens = components_of<std::int64_t>(info.givens);
    components.insert(components.end(), givens.begin(), givens.end());
    _equations.read = to_device(components, at::kLong, layout.device);
    _equations.jacobian = matrix(info.jacobian, layout);
    _equations.newton_size = info.newton.size;
    _equations.newton = add_graph(metadata, info.newton, layout);
    if (info.residual)
      _equations.residual = add_graph(metadata, *info.residual, layout);
    if (!info.derivative)
      return;
    _derivative_jacobian = matrix(info.derivative->jacobian, layout);
    _derivative_array = static_cast<ArrayId>(layout.arrays++);
    _derivative = add_graph(metadata, info.derivative->graph, layout);
  }

  void value(Chunk & chunk) const override
  {
    if (chunk.points == 0)
      return;
    const auto level = log_level("newton");
    DeviceSystem system(_equations, chunk);
    solvers::Newton newton(_options);
    if (level == LogLevel::off)
      newton.solve(system);
    else
      newton.solve(system,
                   [&](const solvers::NewtonProgress & p) { log_progress(_info.name, chunk, level, p); });
    keep_result(chunk, newton.result());
    system.finish();
  }

  void derivative(Chunk & chunk) const override
  {
    auto & work = chunk.work;
    work.graph(_derivative)({&work.array(state_array, _equations.state_size),
                             &work.array(_derivative_array, _info.derivative->graph.size)});
  }

  void solve(Chunk & chunk, std::int64_t components, std::int64_t offset, std::int64_t columns,
             bool transposed) const override
  {
    auto & work = chunk.work;
    const auto n = _equations.size;
    const auto right = work.array(scratch_array, components).narrow(1, offset, n * columns);
    const auto jacobian =
        _derivative_jacobian.of(work.array(_derivative_array, _info.derivative->graph.size));
    const auto [solution, info] =
        at::linalg_solve_ex(transposed ? jacobian.mT() : jacobian, by_point(right).view({-1, n, columns}));
    right.copy_(by_block(solution.reshape({-1, n * columns}), right.size(2)).neg());
    report_singular(chunk, info);
  }

  const std::vector<Range> & outputs() const override { return _info.unknowns; }
  const DerivativeInfo * derivatives() const override
  {
    return _info.derivative ? &*_info.derivative : nullptr;
  }
  ArrayId derivative_array() const override { return _derivative_array; }
  bool implicit() const override { return true; }

private:
  MatrixEntries matrix(const EntriesInfo & entries, const WorkspaceLayout & layout) const
  {
    return {entries, _info.residual_size, layout.dtype, layout.device};
  }

  static void report_singular(Chunk & chunk, const at::Tensor & info)
  {
    const auto flags = info.narrow(0, 0, chunk.points).to(at::kCPU);
    const auto * flag = flags.const_data_ptr<std::int32_t>();
    for (std::int64_t point = 0; point < chunk.points; point++)
      if (flag[point] != 0)
        keep_singular(chunk, point);
  }

  ImplicitInfo _info;
  solvers::NewtonOptions _options;
  DeviceEquations _equations;
  MatrixEntries _derivative_jacobian;
  std::size_t _derivative = 0;
  ArrayId _derivative_array = -1;
};

} // namespace

std::unique_ptr<Segment> make_device_implicit_segment(const Metadata & metadata, const ImplicitInfo & info,
                                                      WorkspaceLayout & layout)
{
  return std::make_unique<DeviceImplicitSegment>(metadata, info, layout);
}

} // namespace neml2::aoti
