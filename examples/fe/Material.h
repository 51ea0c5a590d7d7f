// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h> // much less to compile than all of ATen/ATen.h
#include <mpi.h>
#include <neml2/aoti/History.h>

/// The material points of this rank: one compiled model, and the state of all points from step to step. Any
/// model with the inputs strain and t, the output stress and the compiled derivative stress:strain will do.
/// States start at zero.
class Material
{
public:
  /// `points` material points that obey the model `name` of the file `stub`, which neml2-compile wrote.
  Material(const std::string & stub, const std::string & name, std::int64_t points)
      : _history(neml2::aoti::load_model(stub, name), points, {{"stress", "strain"}})
  {
  }

  /// Room for the strain at each point, (points, 6) in Mandel notation: xx yy zz, sqrt(2) times yz xz xy. To
  /// be filled before each evaluation.
  double * strain() { return _history.fresh("strain").mutable_data_ptr<double>(); }

  /// Stress (points, 6), d stress / d strain (points, 6, 6) and the whole new state of all points, in one
  /// call. @return whether this rank's points have all converged. The old state stays as it is.
  bool evaluate(double time)
  {
    const auto start = MPI_Wtime();
    _history.set("t", time);
    auto converged = true;
    try
    {
      _history.evaluate_with_tangents();
    }
    catch (const neml2::aoti::ConvergenceError &) // recoverable: the caller cuts the step
    {
      converged = false;
    }
    _seconds += MPI_Wtime() - start;
    _evaluations += 1;
    return converged;
  }

  /// The step is accepted: what is new becomes old. A step that is rejected needs nothing of the kind: it is
  /// evaluated again from the same old state.
  void accept() { _history.accept(); }

  const double * stress() { return _history.current("stress").const_data_ptr<double>(); }
  const double * tangent() const { return _history.tangent("stress", "strain").const_data_ptr<double>(); }

  /// A variable of the last accepted step, (points, *base).
  const at::Tensor & accepted(const std::string & name) const { return _history.old(name); }

  double seconds() const { return _seconds; }      ///< spent in the model by this rank
  int evaluations() const { return _evaluations; } ///< calls of the model

private:
  neml2::aoti::History _history;
  double _seconds = 0;
  int _evaluations = 0;
};
