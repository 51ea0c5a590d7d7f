// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/export.h"

#include <ATen/core/TensorBody.h>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace neml2::aoti
{

/// Tensors by the name of a variable or parameter.
using ValueMap = std::map<std::string, at::Tensor>;

/// Blocks of derivatives: J["stress"]["strain"] is d stress / d strain.
using JacobianMap = std::map<std::string, ValueMap>;

/// Options of the solvers of implicit models that replace those of a package, by the names of solver and
/// option: {{"newton", {{"max_its", "50"}}}}. Unknown names, values that cannot be and another type are
/// refused.
using SolverOptions = std::map<std::string, std::map<std::string, std::string>>;

/// An input that is a variable's value of an earlier step: `old` is "X~k" and `current` is "X".
struct HistoryPair
{
  std::string old;
  std::string current;
  std::int64_t steps; ///< k, how many steps ago
  bool state;         ///< X is an output; otherwise it is a force, which the host prescribes
};

/// A compiled model: a material law for whole batches of material points, with derivatives.
///
/// Shapes: a variable is (*batch, *base). The batch axes of all inputs and parameters are broadcast against
/// one another; there may be none, and a batch may be empty. dtype and device are those that the model was
/// compiled for; nothing is converted. Nothing is recorded for autograd: tensors that require a gradient are
/// refused while it is recorded (Python's `forward` records: it has a backward, by way of vjp). A promoted
/// parameter among the inputs has that value for the call.
///
/// Threads: calls from several threads run side by side. Large batches are spread over as many
/// threads as at::get_num_threads() says (threads/allowed.h); the results do not depend on their number.
///
/// Errors: FatalError for a call or package that cannot work; ConvergenceError, with the points concerned,
/// where an implicit model finds no solution. Nothing else is thrown. A call that fails changes none of its
/// inputs, tangents and parameters.
///
/// Values that are not finite: an implicit update fails at a point where anything that it is given, or its
/// residual, is NaN or infinite (FailureReason::not_finite), whether the result would show it or not. What
/// only its first guess is made of counts where it makes the guess so: it has no effect on a result, and the
/// start of a history may leave it open. Explicit models hand such values on as arithmetic does. An empty
/// batch never fails.
///
/// Trust: a package is code. Load only what you would run.
class NEML2_EXPORT Model
{
public:
  /// Loads `<device>/<name>_meta.json` and the compiled graphs beside it.
  explicit Model(const std::filesystem::path & metadata, const SolverOptions & solvers = {});
  ~Model();
  Model(const Model &) = delete;
  Model & operator=(const Model &) = delete;
  Model(Model &&) = delete;
  Model & operator=(Model &&) = delete;

  /// The outputs, each (*batch, *base). All inputs are needed.
  ValueMap forward(const ValueMap & inputs) const;

  /// The same, with only those batch axes that each output has of itself: an output has the axes of what it
  /// depends on, and the unknowns of an implicit update share those of all their first guesses, and of all
  /// that is given to it unless these guesses solve it at every point.
  ValueMap forward_natural(const ValueMap & inputs) const;

  /// The outputs, and the derivatives of the compiled pairs' outputs in the direction of the tangents, each
  /// (*batch, *base). Tangents have the shape of their inputs; missing ones are zero.
  std::pair<ValueMap, ValueMap> jvp(const ValueMap & inputs, const ValueMap & tangents) const;

  /// The outputs, and what inputs and promoted parameters get from the cotangents of outputs, (*batch,
  /// *base): of each that has a compiled pair, in its own shape, the sum over pairs of the cotangent times
  /// the derivative, and over the points that share a value. Missing cotangents are zero. Costs no more than
  /// a jvp, however many inputs there are; no array for each point is made for what all points share, and the
  /// sum does not depend on the number of threads.
  std::pair<ValueMap, ValueMap> vjp(const ValueMap & inputs, const ValueMap & cotangents) const;

  /// The outputs, and the blocks of the compiled pairs: (*batch, *output base, *input base), or (*output
  /// base, *input base) where nothing that the block depends on has batch axes.
  std::pair<ValueMap, JacobianMap> jacobian(const ValueMap & inputs) const;

  /// The same, into tensors that the caller owns. What is not asked for is not stored, and derivatives not
  /// asked for are not computed. Tensors have the shape that the forms above return; a block of the jacobian
  /// may have batch axes in any case. They must not overlap one another; fields of interleaved records do
  /// not. They may overlap what the call reads in any way (an old state can become the new one in place), and
  /// are then written last, by way of a temporary, if the call succeeds. After a ConvergenceError the
  /// contents of the others are unspecified.
  void forward_into(const ValueMap & inputs, const ValueMap & outputs) const;
  void jvp_into(const ValueMap & inputs, const ValueMap & tangents, const ValueMap & outputs,
                const ValueMap & output_tangents) const;
  void vjp_into(const ValueMap & inputs, const ValueMap & cotangents, const ValueMap & outputs,
                const ValueMap & input_cotangents) const;
  void jacobian_into(const ValueMap & inputs, const ValueMap & outputs, const JacobianMap & blocks) const;

  /// Promoted parameters, (*batch, *base). Filling one in place changes the next call. Do not do so while
  /// another thread calls the model. The map is the model's own: set_parameter changes its tensors, so do not
  /// read it while another thread sets one.
  const ValueMap & named_parameters() const;

  /// Puts another tensor, which may have other batch axes, in the place of a promoted parameter. The tensor
  /// is shared, not copied. Calls that have begun keep to the old one, and are not waited for.
  void set_parameter(const std::string & name, const at::Tensor & value);

  const std::string & name() const;
  const std::vector<std::string> & input_names() const;
  const std::vector<std::string> & output_names() const;

  /// Shapes of one point, by name; the sub-batch axes of a variable come first.
  const std::map<std::string, std::vector<std::int64_t>> & input_base_shapes() const;
  const std::map<std::string, std::vector<std::int64_t>> & output_base_shapes() const;
  const std::map<std::string, std::vector<std::int64_t>> &
  parameter_base_shapes() const; ///< of promoted ones

  /// Whether autograd is recording and follows a promoted parameter: calls refuse such a parameter, unless
  /// another value of it is among their inputs.
  bool follows_parameters() const;

  /// The inputs named X~k, in the order of the inputs. History.h keeps their arrays.
  const std::vector<HistoryPair> & history() const;

  /// Pairs (output, input) whose derivatives were compiled.
  const std::vector<std::pair<std::string, std::string>> & derivative_pairs() const;

  at::Device device() const;
  at::ScalarType dtype() const;

  class Implementation;
  explicit Model(std::unique_ptr<Implementation> implementation); ///< for the library itself

private:
  std::unique_ptr<Implementation> _impl;
};

} // namespace neml2::aoti
