// SPDX-License-Identifier: MIT
#pragma once

#include "call/Job.h"
#include "engines/lanes/Program.h"

#include <ATen/core/TensorBody.h>
#include <memory>
#include <mutex>
#include <vector>

namespace neml2::aoti
{

/// How a jvp or jacobian call gets its derivatives, for one combination of what is wanted and what is
/// batched.
struct DerivativePlan
{
  /// Evaluated once a call, at one point: derivatives that all points share. Its results fill the uniform
  /// array.
  Program uniform;
  bool uniform_is_fixed = false; ///< nothing it depends on can change: it is evaluated in the first call only

  /// Evaluated for each point. Its results are those of the call: jacobian: the entries of each wanted pair,
  /// pair by pair, row major; jvp: the components of each wanted output; vjp: those of each wanted input.
  Program program;

  std::vector<Operand> results; ///< of `program`
  std::vector<std::size_t>
      first;            ///< by pair, of a jvp by output, of a vjp by input: the first of its results
  at::Tensor constants; ///< of `program`: (1, constants, lanes)

  /// The uniform array, once it has been evaluated and is fixed.
  at::Tensor fixed() const;
  void keep_fixed(const at::Tensor & values) const; ///< nobody may write to them any more

private:
  mutable std::mutex _guard;
  mutable at::Tensor _fixed;
};

/// What plans are made from.
struct PlanSource
{
  const Metadata & metadata;
  const std::vector<std::unique_ptr<Segment>> & segments;
  std::vector<Range> pair_outputs, pair_inputs;      ///< of metadata.derivatives, in the state
  std::vector<std::pair<std::string, Range>> inputs; ///< and stored parameters, as sources of a job

  /// Both must outlive it.
  PlanSource(const Metadata & metadata, const std::vector<std::unique_ptr<Segment>> & segments);
};

/// Plan for the jacobian of the pairs in use.
std::unique_ptr<DerivativePlan> plan_jacobian(const PlanSource & source, const Derivatives & wanted);

/// Plan for a jvp or vjp.
std::unique_ptr<DerivativePlan> plan_products(const PlanSource & source, const Derivatives & wanted);

} // namespace neml2::aoti
