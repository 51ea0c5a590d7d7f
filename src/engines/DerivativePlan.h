// SPDX-License-Identifier: MIT
#pragma once

#include "engines/lanes/Program.h"

#include <ATen/core/TensorBody.h>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace neml2::aoti
{

/// What a call wants of a pair of output and input.
enum class PairUse : char
{
  unwanted = '0',
  batched = 'b', ///< its block differs from point to point
  uniform = 'u', ///< its block is the same for all points
};

/// How a jvp or jacobian call gets its derivatives, for one combination of what is wanted and what is
/// batched.
struct DerivativePlan
{
  /// Evaluated once a call, at one point: derivatives that all points share. Its results fill the uniform
  /// array.
  Program uniform;
  bool uniform_is_fixed = false; ///< nothing it depends on can change: it is evaluated in the first call only

  /// Evaluated for each point. Its results are those of the call: jacobian: the entries of each wanted pair,
  /// pair by pair, row major; jvp: the components of each wanted output.
  Program program;

  std::vector<Operand> results; ///< of `program`
  bool along_tangents = false;  ///< whether it is that of a jvp
  at::Tensor constants;         ///< of `program`: (1, constants, lanes)

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
  std::vector<Range> pair_outputs, pair_inputs; ///< of metadata.derivatives, in the state
};

/// Plan for the jacobian of the pairs in use.
std::unique_ptr<DerivativePlan> plan_jacobian(const PlanSource & source, const std::vector<PairUse> & use);

/// Plan for a jvp. `tangents` holds, by pair, the place of its input's tangent in the tangent array, or -1
/// where the caller gave none; `outputs` the outputs wanted, as positions in metadata.outputs.
std::unique_ptr<DerivativePlan> plan_jvp(const PlanSource & source, const std::vector<PairUse> & use,
                                         const std::vector<std::int64_t> & tangents,
                                         const std::vector<std::size_t> & outputs);

/// Plans made so far, by key. Looking one up takes no lock.
class PlanCache
{
public:
  const DerivativePlan & get(const std::string & key,
                             const std::function<std::unique_ptr<DerivativePlan>()> & make);

private:
  struct Node
  {
    std::string key;
    std::unique_ptr<DerivativePlan> plan;
    const Node * next;
  };

  const Node * find(const std::string & key) const;

  std::atomic<const Node *> _newest = nullptr;
  std::mutex _guard;
  std::vector<std::unique_ptr<Node>> _nodes;
};

} // namespace neml2::aoti
