// SPDX-License-Identifier: MIT
#include "package/SolverOverrides.h"

#include "neml2/aoti/exceptions.h"
#include "neml2/solvers/OptionTable.h"
#include "package/NearMatch.h"

#include <algorithm>

namespace neml2::aoti
{
namespace
{

[[noreturn]] void refuse_name(const ImplicitInfo & info, const std::string & name, const std::string & place)
{
  std::vector<std::string> known;
  for (const auto & option : solvers::options_of(info.solver_type()))
    known.emplace_back(option.name);
  throw FatalError(place + "the solver '" + info.solver_block() + "' (" + info.solver_type() +
                   ") has no option '" + name + "'" + did_you_mean(name, known) +
                   " (its options are: " + quoted_list(known) + ")");
}

void override_option(ImplicitInfo & info, const std::string & name, const SolverSetting & setting)
{
  const auto refuse = [&](const std::string & expected)
  {
    throw FatalError(setting.place + "the option '" + name + "' of the solver '" + info.solver_block() +
                     "' is '" + setting.text + "', expected " + expected);
  };
  if (name == "type")
  {
    if (setting.text != info.solver_type())
      refuse(info.solver_type() + ", with which the model was compiled; to change it, compile again");
    return;
  }
  const auto * option = solvers::find_option(info.solver_type(), name);
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
    if (auto * info = std::get_if<ImplicitInfo>(&segment); info && !info->solver_block().empty())
      solvers[info->solver_block()].push_back(info);
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

} // namespace neml2::aoti
