// SPDX-License-Identifier: MIT
#include "newton.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>
#include <torch/csrc/autograd/python_variable.h>

#include "neml2/aoti/exceptions.h"
#include "neml2/solvers/LUKernels.h"
#include "neml2/solvers/Newton.h"
#include "neml2/solvers/OptionTable.h"
#include "neml2/solvers/Substepping.h"
#include "neml2/threads/Team.h"
#include "neml2/threads/allowed.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace nb = nanobind;

namespace neml2::solvers
{
namespace
{
nb::object to_python(const at::Tensor & tensor)
{
  return nb::steal(THPVariable_Wrap(tensor));
}

at::Tensor to_tensor(nb::handle object, const char * what)
{
  if (!THPVariable_Check(object.ptr()))
    throw nb::type_error((std::string(what) + " must be a torch.Tensor").c_str());
  return THPVariable_Unpack(object.ptr());
}

template <class T>
const LUFunctions<T> & lu_functions()
{
  if constexpr (std::is_same_v<T, double>)
    return lu_kernels().f64;
  else
    return lu_kernels().f32;
}

/// |rows[i]|^2 of a CPU or GPU matrix, in double, each row summed in the same order whatever the others are.
void squared_norms(const at::Tensor & rows, std::span<double> values)
{
  const at::Tensor host = rows.to(at::kCPU, at::kDouble).contiguous();
  const double * x = host.const_data_ptr<double>();
  const auto width = static_cast<std::size_t>(host.size(1));
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    double sum = 0.0;
    for (std::size_t j = 0; j < width; ++j)
      sum += x[i * width + j] * x[i * width + j];
    values[i] = sum;
  }
}

/// Solves J du = -r for lu_lanes systems at a time, side by side; unused lanes repeat the last system.
template <class T>
class BlockSolver
{
public:
  /// System i has row where[i] of the tensors, and gets singular[i].
  BlockSolver(const at::Tensor & jacobian, const at::Tensor & r, const at::Tensor & du,
              std::span<const Index> where, std::span<std::uint8_t> singular)
      : _jacobian(jacobian.const_data_ptr<T>()), _r(r.const_data_ptr<T>()), _du(du.mutable_data_ptr<T>()),
        _where(where), _singular(singular), _n(static_cast<int>(r.size(1))), _lda(lu_row_stride<T>(_n)),
        _a(static_cast<std::size_t>(_n * _lda * lu_lanes)), _b(static_cast<std::size_t>(_n * lu_lanes))
  {
  }

  void operator()(Index block)
  {
    const Index start = block * lu_lanes;
    const int lanes = static_cast<int>(std::min<Index>(lu_lanes, std::ssize(_where) - start));
    for (int l = 0; l < lu_lanes; ++l)
      load(_where[static_cast<std::size_t>(start + std::min(l, lanes - 1))], l);
    const std::uint32_t bad = lu_functions<T>().factor_solve(_a.data(), _b.data(), _n, 1, lanes, _lda);
    for (int l = 0; l < lanes; ++l)
    {
      const auto system = static_cast<std::size_t>(start + l);
      _singular[system] = (bad >> l) & 1u;
      for (int i = 0; i < _n; ++i)
        _du[_where[system] * _n + i] = _b[static_cast<std::size_t>(i * lu_lanes + l)];
    }
  }

private:
  void load(Index row, int lane)
  {
    for (int i = 0; i < _n; ++i)
    {
      _b[static_cast<std::size_t>(i * lu_lanes + lane)] = -_r[row * _n + i];
      for (int j = 0; j < _n; ++j)
        _a[static_cast<std::size_t>((i * _lda + j) * lu_lanes + lane)] = _jacobian[(row * _n + i) * _n + j];
    }
  }

  const T * _jacobian;
  const T * _r;
  T * _du;
  std::span<const Index> _where;
  std::span<std::uint8_t> _singular;
  int _n, _lda;
  std::vector<T> _a, _b;
};

/**
 * A batch of systems whose residual and Jacobian are computed in Python, on the rows asked for; linear
 * solves, updates and all decisions are made here. A Jacobian that is no tensor solves for the step itself.
 */
class CallbackSystem
{
public:
  CallbackSystem(at::Tensor guess, nb::object linearize, nb::object residual, nb::object begin,
                 nb::object commit)
      : _guess(guess.clone()), _u(std::move(guess)), _linearize(std::move(linearize)),
        _residual(std::move(residual)), _begin(std::move(begin)), _commit(std::move(commit)),
        _slot(static_cast<std::size_t>(_guess.size(0))), _step_norm(_slot.size(), 0.0)
  {
  }

  const at::Tensor & iterates() const { return _u; }

  Index size() const { return _guess.size(0); }

  void linearize(Points points, std::span<double> norm2)
  {
    const at::Tensor index = tensor_of(points);
    nb::object answer = _linearize(to_python(rows(_u, index, points)), argument(index, points));
    if (!nb::isinstance<nb::tuple>(answer) || nb::len(answer) != 2)
      throw nb::type_error("linearize must return residual and Jacobian");
    const Index n = static_cast<Index>(points.size());
    const Index nu = _guess.size(1);
    _r = checked(to_tensor(answer[0], "the residual"), {n, nu}, "the residual");
    _linearization = nb::none();
    if (nb::hasattr(answer[1], "solve_rows"))
      _linearization = answer[1];
    else
      _jacobian = checked(to_tensor(answer[1], "the Jacobian"), {n, nu, nu}, "the Jacobian");
    for (std::size_t i = 0; i < points.size(); ++i)
      _slot[static_cast<std::size_t>(points[i])] = static_cast<Index>(i);
    squared_norms(_r, norm2);
  }

  void step(Points points, std::span<double> slope, std::span<std::uint8_t> singular)
  {
    _du = at::zeros_like(_r);
    if (!_linearization.is_none())
      solve_in_python(points, singular);
    else if (_r.device().is_cpu())
    {
      nb::gil_scoped_release release;
      if (_r.scalar_type() == at::kDouble)
        solve_cpu<double>(points, singular);
      else
        solve_cpu<float>(points, singular);
    }
    else
      solve_anywhere(points, singular);
    if (!slope.empty())
      slopes(points, slope);
  }

  void trial(Points points, std::span<const double> alpha, std::span<double> norm2)
  {
    const at::Tensor index = tensor_of(points);
    const at::Tensor u = rows(_u, index, points) + scaled_step(points, alpha);
    const nb::object answer = _residual(to_python(u), argument(index, points));
    const at::Tensor r = checked(to_tensor(answer, "the residual"), u.sizes(), "the residual");
    squared_norms(r, norm2);
  }

  void advance(Points points, std::span<const double> alpha)
  {
    const at::Tensor index = tensor_of(points);
    const at::Tensor du = scaled_step(points, alpha);
    _u.index_add_(0, index.to(_u.device()), du);
    std::vector<double> norms(points.size());
    squared_norms(du, norms);
    for (std::size_t i = 0; i < points.size(); ++i)
      _step_norm[static_cast<std::size_t>(points[i])] = std::sqrt(norms[i]);
  }

  void update_norms(Points points, std::span<double> du, std::span<double> u)
  {
    squared_norms(rows(_u, tensor_of(points), points), u);
    for (std::size_t i = 0; i < points.size(); ++i)
    {
      u[i] = std::sqrt(u[i]);
      du[i] = _step_norm[static_cast<std::size_t>(points[i])];
    }
  }

  void begin(Points points, double from, double to)
  {
    const at::Tensor index = tensor_of(points);
    const at::Tensor here = index.to(_u.device());
    _u.index_copy_(0, here, _guess.index_select(0, here));
    _begin(to_python(index), from, to);
  }

  void commit(Points points)
  {
    const at::Tensor index = tensor_of(points);
    const at::Tensor here = index.to(_u.device());
    const at::Tensor solution = _u.index_select(0, here);
    _guess.index_copy_(0, here, solution);
    _commit(to_python(index), to_python(solution));
  }

private:
  static at::Tensor tensor_of(Points points)
  {
    at::Tensor index = at::empty({static_cast<Index>(points.size())}, at::kLong);
    std::copy(points.begin(), points.end(), index.mutable_data_ptr<std::int64_t>());
    return index;
  }

  bool all(Points points) const { return points.size() == _slot.size(); }

  at::Tensor rows(const at::Tensor & values, const at::Tensor & index, Points points) const
  {
    return all(points) ? values.clone() : values.index_select(0, index.to(values.device()));
  }

  /// Python gets None where all points are meant.
  nb::object argument(const at::Tensor & index, Points points) const
  {
    return all(points) ? nb::none() : to_python(index);
  }

  at::Tensor checked(const at::Tensor & value, at::IntArrayRef shape, const char * what) const
  {
    if (value.sizes() != shape)
      throw std::invalid_argument(std::string(what) + " has shape " + c10::str(value.sizes()) +
                                  ", expected " + c10::str(shape));
    return value.detach().to(_u.options()).contiguous();
  }

  std::vector<Index> slots(Points points) const
  {
    std::vector<Index> found(points.size());
    for (std::size_t i = 0; i < points.size(); ++i)
      found[i] = _slot[static_cast<std::size_t>(points[i])];
    return found;
  }

  at::Tensor scaled_step(Points points, std::span<const double> alpha) const
  {
    const std::vector<Index> where = slots(points);
    at::Tensor factor = at::empty({static_cast<Index>(alpha.size()), 1}, at::kDouble);
    std::copy(alpha.begin(), alpha.end(), factor.mutable_data_ptr<double>());
    return _du.index_select(0, tensor_of(where).to(_du.device())) * factor.to(_du.options());
  }

  void slopes(Points points, std::span<double> slope) const
  {
    const at::Tensor r = _r.to(at::kCPU, at::kDouble).contiguous();
    const at::Tensor du = _du.to(at::kCPU, at::kDouble).contiguous();
    const auto n = static_cast<std::size_t>(_du.size(1));
    for (std::size_t i = 0; i < points.size(); ++i)
    {
      const std::size_t offset = static_cast<std::size_t>(_slot[static_cast<std::size_t>(points[i])]) * n;
      double sum = 0.0;
      for (std::size_t j = 0; j < n; ++j)
        sum -= r.const_data_ptr<double>()[offset + j] * du.const_data_ptr<double>()[offset + j];
      slope[i] = sum;
    }
  }

  template <class T>
  void solve_cpu(Points points, std::span<std::uint8_t> singular)
  {
    constexpr double piece_operations = 30000; // of some 10 us: less is not worth sharing out
    const std::vector<Index> where = slots(points);
    const auto n = static_cast<double>(_r.size(1));
    const auto grain = static_cast<Index>(piece_operations / (lu_lanes * n * n * (n / 3 + 1))) + 1;
    threads::Team::of_process().share(at::divup(std::ssize(where), Index(lu_lanes)), grain,
                                      threads::allowed() - 1,
                                      [&](threads::Claims & claims)
                                      {
                                        BlockSolver<T> solve(_jacobian, _r, _du, where, singular);
                                        while (const auto blocks = claims.claim())
                                          for (auto block = blocks.begin; block < blocks.end; ++block)
                                            solve(block);
                                      });
  }

  /// The same through ATen, on other devices.
  void solve_anywhere(Points points, std::span<std::uint8_t> singular)
  {
    const at::Tensor where = tensor_of(slots(points)).to(_r.device());
    const auto [du, info] =
        at::linalg_solve_ex(_jacobian.index_select(0, where), -_r.index_select(0, where).unsqueeze(-1));
    flag(points, (info != 0).logical_or(~du.isfinite().all(-1).all(-1)), singular);
    _du.index_copy_(0, where, du.squeeze(-1));
  }

  /// By the linearization's own solve_rows(rows, b); what is not finite counts as singular.
  void solve_in_python(Points points, std::span<std::uint8_t> singular)
  {
    const at::Tensor where = tensor_of(slots(points));
    const at::Tensor b = -_r.index_select(0, where.to(_r.device()));
    const nb::object answer = _linearization.attr("solve_rows")(to_python(where), to_python(b));
    const at::Tensor du = checked(to_tensor(answer, "the step"), b.sizes(), "the step");
    flag(points, ~du.isfinite().all(-1), singular);
    _du.index_copy_(0, where.to(_du.device()), du);
  }

  static void flag(Points points, const at::Tensor & failed, std::span<std::uint8_t> singular)
  {
    const at::Tensor host = failed.to(at::kCPU).contiguous();
    const bool * flags = host.const_data_ptr<bool>();
    std::copy(flags, flags + points.size(), singular.begin());
  }

  /// Where the next part of the step starts from: the caller's guess, then the last solution committed.
  at::Tensor _guess;
  at::Tensor _u;
  nb::object _linearize;
  nb::object _residual;
  nb::object _begin;
  nb::object _commit;
  /// Row of each point in what the last linearize() and step() left.
  std::vector<Index> _slot;
  std::vector<double> _step_norm;
  at::Tensor _r;
  at::Tensor _jacobian;
  nb::object _linearization = nb::none();
  at::Tensor _du;
};

template <class V>
nb::object as_tensor(const std::vector<V> & values, at::ScalarType type)
{
  at::Tensor tensor = at::empty({static_cast<Index>(values.size())}, at::kDouble);
  std::transform(values.begin(), values.end(), tensor.mutable_data_ptr<double>(),
                 [](const V & value) { return static_cast<double>(value); });
  return to_python(tensor.to(type));
}

nb::dict outcome_of(const NewtonResult & result)
{
  nb::dict outcome;
  outcome["status"] = as_tensor(result.status, at::kLong);
  outcome["iterations"] = as_tensor(result.iterations, at::kLong);
  outcome["initial_norm"] = as_tensor(result.initial_norm, at::kDouble);
  outcome["final_norm"] = as_tensor(result.final_norm, at::kDouble);
  outcome["failed"] = as_tensor(result.failed, at::kLong);
  return outcome;
}

std::optional<OptionValue> value_of(nb::handle value)
{
  std::int64_t integer = 0;
  if (nb::isinstance<nb::int_>(value) && nb::try_cast(value, integer))
    return integer;
  if (nb::isinstance<nb::float_>(value) || nb::isinstance<nb::int_>(value))
    return nb::cast<double>(value);
  if (nb::isinstance<nb::str>(value))
    return nb::cast<std::string>(value);
  return std::nullopt;
}

/// What the option `name` of a type of solver has to be; None where `value` is that.
nb::object refusal(const std::string & type, const std::string & name, nb::handle value)
{
  const auto * option = find_option(type, name);
  if (!option)
    throw nb::key_error(name.c_str());
  const auto given = value_of(value);
  return given && option->accept(*given) ? nb::none() : nb::cast(option->expected());
}

NewtonOptions options_from(nb::dict given, bool substepping)
{
  const auto type = given.contains("type") ? nb::cast<std::string>(given["type"]) : std::string("Newton");
  std::map<std::string, OptionValue> values;
  for (const auto [key, value] : given)
  {
    const auto name = nb::cast<std::string>(key);
    if (name == "type")
      continue;
    const auto * option = find_option(type, name);
    const auto known = option ? value_of(value) : std::nullopt;
    const auto accepted = known ? option->accept(*known) : std::nullopt;
    if (!accepted)
      throw std::invalid_argument("option '" + name + "' of " + type +
                                  (option ? ": expected " + option->expected() : " is unknown"));
    values[name] = *accepted;
  }
  return newton_options(type, values, substepping);
}

/// The options of a type of solver: (name, initial value) each.
nb::list option_list(const std::string & type)
{
  nb::list options;
  for (const auto & option : options_of(type))
    options.append(nb::make_tuple(std::string(option.name), option.initial));
  return options;
}

nb::tuple newton(nb::object guess, nb::object linearize, nb::object residual, nb::dict options,
                 int max_substepping_level, nb::object begin, nb::object commit)
{
  const at::Tensor u = to_tensor(guess, "the initial guess").detach().clone(at::MemoryFormat::Contiguous);
  if (u.dim() != 2 || (u.scalar_type() != at::kDouble && u.scalar_type() != at::kFloat))
    throw std::invalid_argument("the initial guess must have shape (points, unknowns), float32 or float64");

  CallbackSystem system(u, std::move(linearize), std::move(residual), std::move(begin), std::move(commit));
  if (max_substepping_level <= 0)
  {
    Newton solver(options_from(options, false));
    const NewtonResult & result = solver.solve(system);
    return nb::make_tuple(to_python(system.iterates()), outcome_of(result));
  }
  Substepping solver(options_from(options, true), max_substepping_level);
  nb::dict outcome = outcome_of(solver.solve(system));
  outcome["substeps"] = as_tensor(solver.substeps(), at::kLong);
  return nb::make_tuple(to_python(system.iterates()), outcome);
}
} // namespace

void bind_newton(nb::module_ & m)
{
  m.def("newton", &newton, nb::arg("guess"), nb::arg("linearize"), nb::arg("residual"), nb::arg("options"),
        nb::arg("max_substepping_level") = 0, nb::arg("begin") = nb::none(), nb::arg("commit") = nb::none(),
        R"(Newton's method per material point, with residual and Jacobian from Python.

guess: (n, nu) float32 or float64. linearize(u, points) returns the residual (m, nu) and Jacobian (m, nu, nu) of the
points at the iterates u (m, nu), residual(u, points) the residual alone; points is an int64 tensor of ascending numbers,
or None for all n. In place of the Jacobian there may be an object with solve_rows(rows, b), the solution (k, nu) of
J x = b (k, nu) for some rows of what linearize returned, not finite where there is none. options: type, and any of
solver_options(type). With max_substepping_level > 0, begin(points, from, to) and commit(points, u) prepare and conclude
a part of the step.

Returns the iterates (n, nu) and a dict of tensors with one entry per point: status (0 converged, 1 updates used up, 2
not finite, 3 singular Jacobian), iterations, initial_norm, final_norm; failed holds the numbers of the points that did
not converge. Nothing is raised for these.)");
  m.def("solver_options", &option_list, nb::arg("type"),
        "The options of a type of nonlinear solver: (name, initial value) each.");
  m.def("solver_option_refusal", &refusal, nb::arg("type"), nb::arg("name"), nb::arg("value"),
        "What an option has to be (\"a finite number, 0 or more\") where `value` is not that; None where it "
        "is.");
  m.attr("failure_reasons") =
      nb::make_tuple(to_text(aoti::FailureReason::iterations_used), to_text(aoti::FailureReason::not_finite),
                     to_text(aoti::FailureReason::singular));
}
} // namespace neml2::solvers
