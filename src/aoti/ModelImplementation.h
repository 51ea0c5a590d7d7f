// SPDX-License-Identifier: MIT
#pragma once

#include "call/Call.h"
#include "dispatchers/Dispatcher.h"
#include "engines/Engine.h"
#include "engines/NewtonOptions.h"
#include "neml2/aoti/Model.h"

#include <atomic>
#include <functional>
#include <mutex>

namespace neml2::aoti
{

/// A model's names, resolved to numbers, and the steps that its operations share.
///
/// Inputs and stored parameters are numbered together: inputs first.
class Model::Implementation
{
public:
  Implementation(const std::filesystem::path & path, const SolverOverrides & solvers);

  const Metadata & metadata() const { return engine.metadata(); }

  /// Throws FatalError where the package has no derivatives.
  void need_derivatives(const char * operation) const;

  /// Number of an output or of a pair. Throws FatalError for an unknown name.
  std::size_t output_number(const std::string & output, const char * what) const;
  std::size_t pair_number(const std::string & output, const std::string & input) const;

  /// Outputs as fresh tensors, or into the caller's.
  ValueMap make_outputs(Call & call) const;
  void own_outputs(Call & call, const ValueMap & outputs) const;

  /// Spreads calls over devices from now on; `others` are this model on the scheduler's devices but the
  /// first, which is this one's. Throws FatalError where they differ.
  void dispatch(std::shared_ptr<Scheduler> scheduler, std::vector<std::unique_ptr<Implementation>> others);

  /// The plan for a request, which may have been made by the same model on another device.
  const DerivativePlan & plan(const PlanRequest & request) const;

  /// The places of the results that `sink`, of a job of `other`, is for; `plan` is that of this model.
  const Operand * sources_like(const Implementation & other, const Job & job, const Sink & sink,
                               const DerivativePlan * plan) const;

  /// Chooses the plan for the blocks of some pairs (by pair: wanted or not), says how each is used.
  const std::vector<PairUse> & plan_jacobian(Call & call, const std::vector<char> & wanted) const;

  /// Adds tangents and chooses the plan for the tangents of some outputs.
  void plan_jvp(Call & call, const ValueMap & tangents, const std::vector<std::size_t> & outputs) const;

  /// Axes of one point of a pair's block.
  std::vector<std::int64_t> block_shape(std::size_t pair) const;
  std::int64_t block_size(std::size_t pair) const;
  std::vector<std::int64_t> block_sizes() const;

  /// Throws FatalError, or ConvergenceError with the points that failed.
  void run(Call & call) const;

  /// The parameters as they are now; a call keeps to them, whatever is set meanwhile.
  std::shared_ptr<const ParameterValues> present() const { return _values.load(); }

  void set_parameter(const std::string & name, const at::Tensor & value);

  Engine engine;
  Signature signature;
  std::unique_ptr<dispatchers::Dispatcher> dispatcher; ///< null: everything runs here
  ValueMap parameters; ///< the promoted ones; shares its tensors with present()

  std::vector<std::pair<std::string, std::string>> pairs;
  std::vector<std::string> pair_names;     ///< "output:input"
  std::vector<std::size_t> differentiated; ///< outputs that belong to a pair
  std::vector<std::string> input_names, output_names;
  std::map<std::string, std::vector<std::int64_t>> input_shapes, output_shapes;
  std::vector<HistoryPair> history;

private:
  std::atomic<std::shared_ptr<const ParameterValues>> _values;
  std::mutex _setting; // of parameters; calls do not wait for it

  const Slot & slot(std::size_t number) const;
  void collect_variables();
  void collect_history();
  void collect_parameters();
  void collect_pairs();
  std::vector<PairUse> uses(const Call & call, const std::vector<char> & wanted) const;
  PlanSource plan_source() const;
  std::string cause_of(const Call & call, const FailedPoint & point) const;
  std::string equal_inputs(const ValueMap & inputs,
                           const std::shared_ptr<const ParameterValues> & fixed) const;

  std::vector<std::vector<Operand>> _output_sources; ///< places of each output in the state
  std::vector<std::size_t> _pair_inputs, _pair_outputs;
  std::vector<std::vector<std::size_t>> _dependencies; ///< by pair
  std::vector<char> _differentiable;                   ///< by input or stored parameter
  mutable PlanCache _plans;
};

} // namespace neml2::aoti
