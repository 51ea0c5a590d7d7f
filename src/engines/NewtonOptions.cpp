// SPDX-License-Identifier: MIT
#include "engines/NewtonOptions.h"

#include "neml2/aoti/exceptions.h"
#include "neml2/solvers/OptionTable.h"

#include <algorithm>

namespace neml2::aoti
{
namespace
{

/// A value of the metadata, as the table of options takes it; truth values are none.
std::optional<solvers::OptionValue> value_of(const SolverOption & option)
{
  if (const auto * integer = std::get_if<std::int64_t>(&option))
    return *integer;
  if (const auto * real = std::get_if<double>(&option))
    return *real;
  if (const auto * word = std::get_if<std::string>(&option))
    return *word;
  return std::nullopt;
}

} // namespace

solvers::NewtonOptions newton_options(const Metadata & metadata, const ImplicitInfo & info)
{
  const auto bad = [&](const std::string & name, const std::string & expected)
  {
    return FatalError(metadata.path.string() + ": option '" + name + "' of the solver of '" + info.name +
                      "' must be " + expected);
  };
  const auto type = info.solver_type();
  const auto types = solvers::solver_types();
  if (std::find(types.begin(), types.end(), type) == types.end())
    throw bad("type", "Newton or NewtonWithLineSearch, not " + type);
  if (type == "NewtonWithLineSearch" && metadata.backend == "aoti" && !info.residual)
    throw FatalError(
        metadata.path.string() + ": a line search for '" + info.name +
        "' needs a residual graph, which the package was compiled without; compile the model again");
  std::map<std::string, solvers::OptionValue> values;
  for (const auto & option : solvers::options_of(type))
    if (const auto given = info.solver.find(std::string(option.name)); given != info.solver.end())
    {
      const auto value = value_of(given->second);
      const auto accepted = value ? option.accept(*value) : std::nullopt;
      if (!accepted)
        throw bad(given->first, option.expected());
      values[given->first] = *accepted;
    }
  return solvers::newton_options(type, values, info.max_substepping_level > 0);
}

} // namespace neml2::aoti
