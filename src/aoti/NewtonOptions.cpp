// SPDX-License-Identifier: MIT
#include "aoti/NewtonOptions.h"

#include "neml2/aoti/exceptions.h"

namespace neml2::aoti
{
namespace
{

/// Reads the options of one solver.
class Reader
{
public:
  Reader(const Metadata & metadata, const ImplicitInfo & info) : _metadata(metadata), _info(info) {}

  double number(const std::string & name, double fallback) const
  {
    const auto * option = find(name);
    if (!option)
      return fallback;
    if (const auto * real = std::get_if<double>(option))
      return *real;
    if (const auto * integer = std::get_if<std::int64_t>(option))
      return static_cast<double>(*integer);
    throw bad(name, "a number");
  }

  int integer(const std::string & name, int fallback) const
  {
    const auto * option = find(name);
    if (!option)
      return fallback;
    if (const auto * value = std::get_if<std::int64_t>(option))
      return static_cast<int>(*value);
    throw bad(name, "an integer");
  }

  std::string text(const std::string & name, const std::string & fallback) const
  {
    const auto * option = find(name);
    if (!option)
      return fallback;
    if (const auto * value = std::get_if<std::string>(option))
      return *value;
    throw bad(name, "a word");
  }

  FatalError bad(const std::string & name, const std::string & expected) const
  {
    return FatalError(_metadata.path.string() + ": option '" + name + "' of the solver of '" + _info.name +
                      "' must be " + expected);
  }

private:
  const SolverOption * find(const std::string & name) const
  {
    const auto it = _info.solver.find(name);
    return it == _info.solver.end() ? nullptr : &it->second;
  }

  const Metadata & _metadata;
  const ImplicitInfo & _info;
};

} // namespace

solvers::NewtonOptions newton_options(const Metadata & metadata, const ImplicitInfo & info)
{
  const Reader read(metadata, info);
  solvers::NewtonOptions options;
  options.final_update = true;
  options.abs_tol = read.number("abs_tol", options.abs_tol);
  options.rel_tol = read.number("rel_tol", options.rel_tol);
  options.max_its = read.integer("max_its", options.max_its);
  if (options.max_its < 1)
    throw read.bad("max_its", "1 or more");
  if (info.max_substepping_level > 0)
    options.update_tol = read.number("substep_del_tol", 1e-6);
  const auto type = read.text("type", "Newton");
  if (type == "Newton")
    return options;
  if (type != "NewtonWithLineSearch")
    throw read.bad("type", "Newton or NewtonWithLineSearch, not " + type);
  if (!info.residual)
    throw FatalError(
        metadata.path.string() + ": a line search for '" + info.name +
        "' needs a residual graph, which the package was compiled without; set the solver's type to "
        "NewtonWithLineSearch in the input file and compile again");
  solvers::LineSearchOptions search;
  const auto kind = read.text("linesearch_type", "BACKTRACKING");
  if (kind != "BACKTRACKING" && kind != "STRONG_WOLFE")
    throw read.bad("linesearch_type", "BACKTRACKING or STRONG_WOLFE, not " + kind);
  search.type =
      kind == "BACKTRACKING" ? solvers::LineSearchType::backtracking : solvers::LineSearchType::strong_wolfe;
  search.max_iterations = read.integer("max_linesearch_iterations", search.max_iterations);
  search.cutback = read.number("linesearch_cutback", search.cutback);
  search.stopping_criteria = read.number("linesearch_stopping_criteria", search.stopping_criteria);
  options.line_search = search;
  return options;
}

} // namespace neml2::aoti
