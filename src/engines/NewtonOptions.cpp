// SPDX-License-Identifier: MIT
#include "engines/NewtonOptions.h"

#include "neml2/aoti/exceptions.h"
#include "neml2/solvers/OptionTable.h"
#include "package/NearMatch.h"

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

std::string word(const ImplicitInfo & info, const char * name, const char * fallback)
{
  const auto found = info.solver.find(name);
  const auto * text = found == info.solver.end() ? nullptr : std::get_if<std::string>(&found->second);
  return text ? *text : fallback;
}

std::string type_of(const ImplicitInfo & info)
{
  return word(info, "type", "Newton");
}

std::string block_of(const ImplicitInfo & info)
{
  return word(info, "block", "");
}

[[noreturn]] void refuse_name(const ImplicitInfo & info, const std::string & name, const std::string & place)
{
  std::vector<std::string> known;
  for (const auto & option : solvers::options_of(type_of(info)))
    known.emplace_back(option.name);
  throw FatalError(place + "the solver '" + block_of(info) + "' (" + type_of(info) + ") has no option '" +
                   name + "'" + did_you_mean(name, known) + " (its options are: " + quoted_list(known) + ")");
}

void override_option(ImplicitInfo & info, const std::string & name, const SolverSetting & setting)
{
  const auto refuse = [&](const std::string & expected)
  {
    throw FatalError(setting.place + "the option '" + name + "' of the solver '" + block_of(info) + "' is '" +
                     setting.text + "', expected " + expected);
  };
  if (name == "type")
  {
    if (setting.text != type_of(info))
      refuse(type_of(info) + ", with which the model was compiled; to change it, compile again");
    return;
  }
  const auto * option = solvers::find_option(type_of(info), name);
  if (!option)
    refuse_name(info, name, setting.place);
  const auto value = option->parse(setting.text);
  if (!value)
    refuse(option->expected());
  std::visit([&](const auto & v) { info.solver[name] = v; }, *value);
}

} // namespace

SolverOverrides::SolverOverrides(const SolverOptions & options)
{
  for (const auto & [block, values] : options)
    for (auto & into = blocks[block]; const auto & [name, text] : values)
      into.options[name] = {text, ""};
}

void SolverOverrides::add(const SolverOverrides & others)
{
  for (const auto & [name, block] : others.blocks)
  {
    auto & mine = blocks[name];
    mine.use = block.use;
    for (const auto & [option, setting] : block.options)
      mine.options[option] = setting;
  }
}

void override_solvers(Metadata & metadata, const SolverOverrides & overrides)
{
  std::map<std::string, std::vector<ImplicitInfo *>> solvers;
  std::vector<std::string> known, missing;
  for (auto & segment : metadata.segments)
    if (auto * info = std::get_if<ImplicitInfo>(&segment); info && !block_of(*info).empty())
      solvers[block_of(*info)].push_back(info);
  for (const auto & [name, segments] : solvers)
  {
    known.push_back(name);
    if (!overrides.blocks.contains(name))
      missing.push_back(name);
  }
  for (const auto & [name, block] : overrides.blocks)
  {
    if (solvers.contains(name))
    {
      for (auto * info : solvers.at(name))
        for (const auto & [option, setting] : block.options)
          override_option(*info, option, setting);
      continue;
    }
    const auto near = did_you_mean(name, missing);
    if (block.use == SolverOverrides::Use::here ||
        (block.use == SolverOverrides::Use::nowhere && !near.empty()))
      throw FatalError(block.place + "unknown solver '" + name + "'" + near + " (the solvers of '" +
                       metadata.name + "' are: " + quoted_list(known) + ")");
  }
}

solvers::NewtonOptions newton_options(const Metadata & metadata, const ImplicitInfo & info)
{
  const auto bad = [&](const std::string & name, const std::string & expected)
  {
    return FatalError(metadata.path.string() + ": option '" + name + "' of the solver of '" + info.name +
                      "' must be " + expected);
  };
  const auto type = type_of(info);
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
