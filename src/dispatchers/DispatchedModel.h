// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/aoti/Model.h"
#include "neml2/dispatchers/Scheduler.h"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace neml2::dispatchers
{

class Cut;
class Worker;

/// A model on several devices: a batch is cut into parts, as its scheduler says, and each is evaluated where the
/// scheduler sends it. The operations are those of aoti::Model, results are on the device of the inputs and, on
/// the same device, equal bit for bit.
///
/// Several failing parts are reported together (AggregateError). All parts are tried unless one fails for good.
class DispatchedModel
{
public:
  using Model = aoti::Model;
  using ValueMap = aoti::ValueMap;
  using JacobianMap = aoti::JacobianMap;

  /// `models` in the order of the scheduler's devices.
  DispatchedModel(std::shared_ptr<Scheduler> scheduler, std::vector<std::shared_ptr<Model>> models);
  ~DispatchedModel();

  ValueMap forward(const ValueMap & inputs) const;
  ValueMap forward_natural(const ValueMap & inputs) const;
  std::pair<ValueMap, ValueMap> jvp(const ValueMap & inputs, const ValueMap & tangents) const;
  std::pair<ValueMap, JacobianMap> jacobian(const ValueMap & inputs) const;

  void forward_into(const ValueMap & inputs, const ValueMap & outputs) const;
  void jvp_into(const ValueMap & inputs, const ValueMap & tangents, const ValueMap & outputs,
                const ValueMap & output_tangents) const;
  void jacobian_into(const ValueMap & inputs, const ValueMap & outputs, const JacobianMap & blocks) const;

  /// As Model::set_parameter; every device sees it from the next call on.
  void set_parameter(const std::string & name, const at::Tensor & value);

private:
  struct Place;
  class Call;

  std::shared_ptr<Scheduler> _scheduler;
  std::vector<std::unique_ptr<Place>> _places; ///< by device; the first one's model owns the parameters
};

} // namespace neml2::dispatchers
