// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/ops/zeros.h> // much less to compile than all of ATen/ATen.h
#include <mpi.h>
#include <neml2/csrc/aoti/Model.h>
#include <neml2/csrc/dispatchers/factory.h>

/// The material points of this rank: one compiled model and the state of all points, old and new.
///
/// A rate-dependent model asks for each state variable X at the end of the last accepted step, as `X~1`, and
/// for each force (strain, time) now and then. These inputs are found by name, so any model with the inputs
/// strain and t, the output stress and the compiled derivative stress:strain will do. States start at zero.
class Material
{
public:
  /// `points` material points that obey the model `name` of the file `stub`, which neml2-compile wrote.
  Material(const std::string & stub, const std::string & name, std::int64_t points)
      : _model(neml2::aoti::load_model(stub, name))
  {
    for (const auto & [input, base] : _model.input_base_shapes())
      _inputs[input] = zeros(points, base);
    for (const auto & [output, base] : _model.output_base_shapes())
      _outputs[output] = zeros(points, base);
    _tangent["stress"]["strain"] = zeros(points, {6, 6});
  }

  /// Room for the strain at each point, (points, 6) in Mandel notation: xx yy zz, sqrt(2) times yz xz xy.
  double * strain() { return _inputs.at("strain").data_ptr<double>(); }

  /// Stress (points, 6), d stress / d strain (points, 6, 6) and the whole new state of all points, in one
  /// call. @return whether this rank's points have all converged. The old state stays as it is.
  bool evaluate(double time)
  {
    const auto start = MPI_Wtime();
    _inputs.at("t").fill_(time);
    auto converged = true;
    try
    {
      _model.jacobian_into(_inputs, _outputs, _tangent);
    }
    catch (const neml2::aoti::ConvergenceError &) // recoverable: the caller cuts the step
    {
      converged = false;
    }
    _seconds += MPI_Wtime() - start;
    _evaluations += 1;
    return converged;
  }

  /// The step is accepted: what is new becomes old. Tensors change places, nothing is copied. A step that is
  /// rejected needs nothing of the kind: it is evaluated again from the same old state.
  void accept()
  {
    for (auto & [name, old] : _inputs)
      if (name.ends_with("~1"))
      {
        const auto current = name.substr(0, name.size() - 2);
        std::swap(old, _outputs.contains(current) ? _outputs.at(current) : _inputs.at(current));
      }
  }

  const double * stress() const { return _outputs.at("stress").const_data_ptr<double>(); }
  const double * tangent() const { return _tangent.at("stress").at("strain").const_data_ptr<double>(); }

  /// A variable of the last accepted step, (points, *base).
  const at::Tensor & accepted(const std::string & name) const { return _inputs.at(name + "~1"); }

  double seconds() const { return _seconds; }      ///< spent in the model by this rank
  int evaluations() const { return _evaluations; } ///< calls of the model

private:
  static at::Tensor zeros(std::int64_t points, std::vector<std::int64_t> base)
  {
    base.insert(base.begin(), points);
    return at::zeros(base, at::kDouble);
  }

  neml2::aoti::ModelHandle _model;
  neml2::aoti::ValueMap _inputs, _outputs;
  neml2::aoti::JacobianMap _tangent;
  double _seconds = 0;
  int _evaluations = 0;
};
