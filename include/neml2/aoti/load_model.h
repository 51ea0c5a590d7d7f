// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/aoti/Model.h"
#include "neml2/dispatchers/Scheduler.h"
#include "neml2/export.h"

#include <filesystem>
#include <memory>
#include <string>

namespace neml2::aoti
{

/// A loaded model that can be copied and moved about; copies are one model. Its operations are those of
/// Model.
class ModelHandle
{
public:
  explicit ModelHandle(std::shared_ptr<Model> model) : _model(std::move(model)) {}

  ValueMap forward(const ValueMap & inputs) const { return _model->forward(inputs); }

  ValueMap forward_natural(const ValueMap & inputs) const { return _model->forward_natural(inputs); }

  std::pair<ValueMap, ValueMap> jvp(const ValueMap & inputs, const ValueMap & tangents) const
  {
    return _model->jvp(inputs, tangents);
  }

  std::pair<ValueMap, JacobianMap> jacobian(const ValueMap & inputs) const
  {
    return _model->jacobian(inputs);
  }

  void forward_into(const ValueMap & inputs, const ValueMap & outputs) const
  {
    _model->forward_into(inputs, outputs);
  }

  void jvp_into(const ValueMap & inputs, const ValueMap & tangents, const ValueMap & outputs,
                const ValueMap & output_tangents) const
  {
    _model->jvp_into(inputs, tangents, outputs, output_tangents);
  }

  void jacobian_into(const ValueMap & inputs, const ValueMap & outputs, const JacobianMap & blocks) const
  {
    _model->jacobian_into(inputs, outputs, blocks);
  }

  const ValueMap & named_parameters() const { return _model->named_parameters(); }
  void set_parameter(const std::string & name, const at::Tensor & value)
  {
    _model->set_parameter(name, value);
  }

  const std::string & name() const { return _model->name(); }
  const std::vector<std::string> & input_names() const { return _model->input_names(); }
  const std::vector<std::string> & output_names() const { return _model->output_names(); }
  const std::map<std::string, std::vector<std::int64_t>> & input_base_shapes() const
  {
    return _model->input_base_shapes();
  }
  const std::map<std::string, std::vector<std::int64_t>> & output_base_shapes() const
  {
    return _model->output_base_shapes();
  }
  const std::vector<std::pair<std::string, std::string>> & derivative_pairs() const
  {
    return _model->derivative_pairs();
  }

  const std::vector<HistoryPair> & history() const { return _model->history(); }

  /// The model itself, shared.
  const std::shared_ptr<Model> & model() const { return _model; }

  at::Device device() const { return _model->device(); }
  at::ScalarType dtype() const { return _model->dtype(); }

private:
  std::shared_ptr<Model> _model;
};

/// Loads the compiled model that the block `[Models]/<name>` (type AOTIModel) of an input file refers to: the
/// package `<artifact_path>/<device>/<name>_meta.json`. The two can be moved together: a folder of the same
/// name beside the stub comes first if it was made with it, and last if it was not. Options in the stub's
/// [Solvers] replace those of the package, and further options of the block give promoted parameters their
/// values.
/// @param[in] stub       input file written by neml2-compile
/// @param[in] name       model in that file
/// @param[in] scheduler  spreads batches over its devices, for each of which a package must have been
/// compiled
///                       with the same options; none: everything runs on `device`
/// @param[in] device     which of the packages to take: "cpu", "cuda:1", or "cuda" for the GPU that is the
///                       present one; with a scheduler, which names devices itself, it has no meaning
/// @param[in] solvers    options that replace those of the package and of the stub
/// Throws FatalError.
///
/// With a scheduler all operations are as without. Inputs, tangents and outputs may be on any device,
/// together; results are where the inputs are, in order, and on the same kind of device equal bit for bit to
/// those of a model without scheduler. One part on the device of the inputs is evaluated as it is; other
/// parts that are not in their device's memory are copied there and back. Promoted parameters are on the
/// first device.
///
/// Parts that fail: all others are tried, unless one fails for good. One failure is thrown as it is, its
/// points counted in the whole batch; several as an AggregateError, which is recoverable if all of them are.
NEML2_EXPORT ModelHandle load_model(const std::filesystem::path & stub, const std::string & name,
                                    std::shared_ptr<Scheduler> scheduler = nullptr,
                                    const std::string & device = "cpu", const SolverOptions & solvers = {});

} // namespace neml2::aoti
