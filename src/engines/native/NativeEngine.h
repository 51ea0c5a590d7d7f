// SPDX-License-Identifier: MIT
#pragma once

#include "call/Call.h"
#include "engines/Engine.h"
#include "neml2/native/Kernel.h"
#include "package/SharedObject.h"

#include <memory>
#include <vector>

namespace neml2::aoti
{

/// Evaluates the jobs of a model with its native kernel, large batches with a team of threads.
class NativeEngine
{
public:
  /// Loads the best kernel for this processor. Throws FatalError.
  explicit NativeEngine(const Metadata & metadata);

  /// As Engine::run.
  void run(const Job & job) const;

private:
  class Run;

  const Metadata & _metadata;
  std::shared_ptr<const SharedObject> _code;
  const neml2_native_model * _model = nullptr;
  std::vector<neml2_native_solver> _solvers;
  std::vector<std::size_t> _solver_segments; ///< which segment each solver belongs to
};

/// Plans of a native model: derivatives come from the kernel, and operands merely say which. The results of
/// pair p are components of array first_segment_array + p; tangents of output o those of first_segment_array
/// + pairs + o.
std::unique_ptr<DerivativePlan> native_plan_jacobian(const std::vector<std::int64_t> & block_sizes,
                                                     const std::vector<PairUse> & use);
std::unique_ptr<DerivativePlan> native_plan_jvp(std::size_t pairs, const std::vector<Slot> & all,
                                                const std::vector<std::size_t> & outputs);

} // namespace neml2::aoti
