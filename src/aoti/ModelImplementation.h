// SPDX-License-Identifier: MIT
#pragma once

#include "call/Call.h"
#include "dispatchers/Dispatcher.h"
#include "engines/Engine.h"
#include "neml2/aoti/Model.h"
#include "package/SolverOverrides.h"

#include <mutex>
#include <optional>

namespace neml2::aoti
{

/// The engine for a package. Throws FatalError.
std::unique_ptr<const Engine> load_engine(const std::filesystem::path & metadata,
                                          const SolverOverrides & solvers);

/// A call, and how its points are spread where the model is dispatched.
struct DispatchedCall : Call
{
  using Call::Call;

  std::optional<dispatchers::Spread> spread;
};

/// A model's names, resolved to numbers, and the steps that its operations share.
///
/// Inputs and stored parameters are numbered together: inputs first.
class Model::Implementation
{
public:
  explicit Implementation(std::unique_ptr<const Engine> engine);

  const Metadata & metadata() const { return engine->metadata(); }

  /// Throws FatalError where the package has no derivatives.
  void need_derivatives(const char * operation) const;

  /// Number of an output or of a pair. Throws FatalError for an unknown name.
  std::size_t output_number(const std::string & output, const char * what) const;
  std::size_t pair_number(const std::string & output, const std::string & input) const;

  /// Outputs as fresh tensors, or into the caller's.
  ValueMap make_outputs(Call & call) const;
  void own_outputs(Call & call, const ValueMap & outputs) const;

  /// Spreads calls over devices from now on; `others` run this model on the scheduler's devices but the
  /// first, which is this one's. Throws FatalError where they differ.
  void dispatch(std::shared_ptr<Scheduler> scheduler, std::vector<std::unique_ptr<const Engine>> others);

  /// Asks for the blocks of some pairs (by pair: wanted or not), says how each is used.
  std::vector<PairUse> want_blocks(Call & call, const std::vector<char> & wanted) const;

  /// Adds tangents and asks for those of some outputs.
  void want_tangents(Call & call, const ValueMap & tangents, const std::vector<std::size_t> & outputs) const;

  /// Adds cotangents and asks for those of some inputs and parameters.
  void want_cotangents(Call & call, const ValueMap & cotangents,
                       const std::vector<std::size_t> & inputs) const;

  /// Number of an input or parameter that a pair has. Throws FatalError for any other.
  std::size_t wrt_number(const std::string & input) const;

  /// Axes of one point of a pair's block.
  std::vector<std::int64_t> block_shape(std::size_t pair) const;
  std::int64_t block_size(std::size_t pair) const;

  /// Fills the job of a call whose arguments are complete.
  void bind(DispatchedCall & call) const;

  /// Throws FatalError, or ConvergenceError with the points that failed.
  void run(DispatchedCall & call) const;

  /// The parameters as they are now; a call keeps to them, whatever is set meanwhile.
  std::shared_ptr<const ParameterValues> present() const
  {
    const std::lock_guard lock(_publishing);
    return _values;
  }

  void set_parameter(const std::string & name, const at::Tensor & value);

  std::unique_ptr<const Engine> engine;
  Signature signature;
  std::unique_ptr<dispatchers::Dispatcher> dispatcher; ///< null: everything runs here
  ValueMap parameters; ///< the promoted ones; shares its tensors with present()

  std::vector<std::pair<std::string, std::string>> pairs;
  std::vector<std::string> pair_names;     ///< "output:input"
  std::vector<std::size_t> differentiated; ///< outputs that belong to a pair
  std::vector<std::size_t> wrt;            ///< inputs and stored parameters that do
  std::vector<std::string> input_names, output_names;
  std::map<std::string, std::vector<std::int64_t>> input_shapes, output_shapes, parameter_shapes;
  std::vector<HistoryPair> history;

  const Slot & slot(std::size_t number) const;

private:
  std::shared_ptr<const ParameterValues> _values;
  mutable std::mutex _publishing; // of _values: an atomic shared_ptr has a lock too, and in GCC 12 a race
  std::mutex _setting;            // of parameters; calls do not wait for it

  void collect_variables();
  void collect_history();
  void collect_parameters();
  void collect_pairs();
  void want_directions(Call & call, Mode mode, const std::vector<std::size_t> & results) const;
  std::vector<PairUse> uses(const Call & call, const std::vector<char> & wanted) const;
  std::string cause_of(const Call & call, const FailedPoint & point) const;
  std::string equal_inputs(const ValueMap & inputs,
                           const std::shared_ptr<const ParameterValues> & fixed) const;

  std::vector<std::size_t> _pair_inputs, _pair_outputs;
  std::vector<std::vector<std::size_t>> _dependencies; ///< by pair
  std::vector<char> _differentiable;                   ///< by input or stored parameter
};

} // namespace neml2::aoti
