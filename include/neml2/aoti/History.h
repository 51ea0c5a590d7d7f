// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/aoti/exceptions.h" // IWYU pragma: export
#include "neml2/aoti/load_model.h"
#include "neml2/export.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace neml2::aoti
{

/// The arrays that a host carries from step to step for all material points of a block: of each output of a
/// model (the state) and each force (strain, time, temperature), the value of this step and those that were
/// accepted before, as many as the model reads and at least one.
///
///     history.set("strain", strain); history.set("t", time);
///     history.evaluate_with_tangents(); // throws ConvergenceError: revert(), set smaller increments, again
///     history.accept();
///
/// Arrays are (points, *base) on the model's device and of its dtype; they start at zero. accept() exchanges
/// arrays and copies nothing: ask for them again after it. What reads an input X~k gets the value of X k
/// steps ago; an input that is also an output is a first guess and gets the value of one step ago.
///
/// An evaluation, failed or not, changes nothing but the current state and the tangents. Errors: those of
/// Model; FatalError for names, shapes and orders of calls that cannot be. One object belongs to one thread
/// at a time; several may share a model.
class NEML2_EXPORT History
{
public:
  using Pairs = std::vector<std::pair<std::string, std::string>>;

  /// @param[in] model    copies share it
  /// @param[in] points   how many material points there are
  /// @param[in] tangents pairs (output, input) of the model whose derivatives are wanted
  History(ModelHandle model, std::int64_t points, const Pairs & tangents = {});
  History(const History &) = delete;
  History & operator=(const History &) = delete;
  History(History &&) = default;
  History & operator=(History &&) = default;
  ~History() = default;

  std::int64_t points() const { return _points; }
  const ModelHandle & model() const { return _model; }

  /// Names of the outputs, and of what the host prescribes.
  std::vector<std::string> state_names() const { return names(true); }
  std::vector<std::string> force_names() const { return names(false); }

  /// The value of this step. Of a force it holds the value of the last step until another is given, and may
  /// be changed in place.
  const at::Tensor & current(const std::string & name);

  /// The value that was accepted `steps` steps ago: 1 is the start of this step. Not to be written to;
  /// `start` and `use` are there for it. A force that is the same at all points can be (*base).
  const at::Tensor & old(const std::string & name, std::int64_t steps = 1) const;

  /// d output / d input, (points, *output base, *input base), as evaluate_with_tangents left it.
  const at::Tensor & tangent(const std::string & output, const std::string & input) const;

  /// Gives a force the value of this step, which is copied: one number for all components and points, (*base)
  /// for all points, or (points, *base).
  void set(const std::string & force, double value);
  void set(const std::string & force, const at::Tensor & value);

  /// The current array of a force, (points, *base), for a caller who fills all of it: nothing is copied, and
  /// what it holds is unspecified.
  const at::Tensor & fresh(const std::string & force);

  /// Gives a variable its value before the first step: this and all earlier ones. As `set`.
  void start(const std::string & name, double value);
  void start(const std::string & name, const at::Tensor & value);

  /// Puts an array of the caller, (points, *base), in the place of the value of `steps` steps ago (0: this
  /// step). It is shared, with what it holds. Those of states change roles with accept() like all others;
  /// those of forces are only read, unless the caller asks for `current`, and are let go when no step needs
  /// them any more. Refused where it overlaps the same variable's array of another step.
  void use(const std::string & name, const at::Tensor & array, std::int64_t steps = 0);

  /// The outputs of this step, and the tangents that the constructor was asked for. After a ConvergenceError
  /// the current state and the tangents are unspecified; forces and old values are as they were.
  void evaluate();
  void evaluate_with_tangents();

  /// Ends the step: what is current becomes the value of one step ago. FatalError unless the last evaluation
  /// succeeded and no force was given since.
  void accept();

  /// Takes the step back: state and forces are what they were at its start.
  void revert();

  /// Writes what has been accepted to a file, or reads it, and starts a new step then; docs/host.md describes
  /// the format. A file appears whole or not at all. Reading checks everything before it changes anything,
  /// and refuses files that are damaged, or of another model or number of points.
  void write(const std::filesystem::path & path) const;
  void read(const std::filesystem::path & path);

private:
  struct Array
  {
    at::Tensor tensor;
    bool own = true; ///< not the caller's
  };

  /// One variable: steps[k] is its value k steps ago. Steps of a force share an array while it keeps its
  /// value.
  struct Variable
  {
    std::string name;
    std::vector<std::int64_t> base;
    bool state = false;
    std::vector<Array> steps;
    Array spare = {};                                             ///< of a force: what is no step's, or none
    std::vector<std::pair<at::Tensor *, std::size_t>> bound = {}; ///< arguments of the model, their steps
  };

  Variable & add(const std::string & name, const std::vector<std::int64_t> & base, bool state,
                 std::int64_t steps);
  Variable & find(const std::string & name);
  const Variable & find(const std::string & name) const;
  Variable & force(const std::string & name);
  Array & step(Variable & variable, std::int64_t steps) const;
  std::vector<std::string> names(bool state) const;
  std::vector<std::int64_t> full_shape(const Variable & variable) const;
  at::Tensor converted(const Variable & variable, const at::Tensor & value) const;
  at::Tensor number(const Variable & variable, double value) const;
  at::Tensor claim(Variable & variable, at::IntArrayRef shape) const;
  void put(Variable & variable, const at::Tensor & value);
  static void start(Variable & variable, const at::Tensor & value, std::int64_t steps);
  static void back(Variable & variable);
  static void bind(Variable & variable);

  ModelHandle _model;
  std::int64_t _points;
  std::vector<Variable> _variables;
  ValueMap _inputs, _outputs;
  JacobianMap _blocks;
  bool _evaluated = false;
};

} // namespace neml2::aoti
