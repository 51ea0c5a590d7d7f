// SPDX-License-Identifier: MIT
#pragma once

#include "engines/Engine.h"
#include "neml2/native/Kernel.h"
#include "package/SharedObject.h"

#include <memory>
#include <vector>

namespace neml2::aoti
{

/// Evaluates the jobs of a model with its native kernel, large batches with a team of threads.
class NativeEngine : public Engine
{
public:
  /// Loads the best kernel for this processor. Throws FatalError.
  explicit NativeEngine(Metadata metadata);

  std::size_t strided_axes() const override { return NEML2_NATIVE_MAX_BATCH_AXES; }
  void run(const Job & job) const override;

private:
  class Run;

  std::shared_ptr<const SharedObject> _code;
  const neml2_native_model * _model = nullptr;
  std::vector<neml2_native_solver> _solvers;
  std::vector<std::size_t> _solver_segments; ///< which segment each solver belongs to
};

} // namespace neml2::aoti
