// SPDX-License-Identifier: MIT
#include "package/Stub.h"

#include "neml2/aoti/exceptions.h"
#include "neml2/solvers/OptionTable.h"
#include "package/Metadata.h"
#include "package/NearMatch.h"
#include "package/Sha256.h"
#include "package/StubText.h"

#include <algorithm>
#include <map>
#include <nmhit/nmhit.h>
#include <set>
#include <system_error>
#include <vector>

namespace neml2::aoti
{
namespace
{

namespace fs = std::filesystem;

std::string option(const nmhit::Node & block, const std::string & name)
{
  if (!block.find(name))
    throw FatalError(block.file_location() + ": block [" + block.fullpath() + "] lacks the option '" + name +
                     "'");
  return field_text(*block.find(name));
}

[[noreturn]] void defined_twice(const nmhit::Node & first, const nmhit::Node & second)
{
  throw FatalError(second.file_location() + ": the block [" + second.fullpath() +
                   "] is defined twice; the first stands at " + first.file_location());
}

const nmhit::Node & find_model(const nmhit::Node & root, const fs::path & path, const std::string & name)
{
  std::vector<std::string> known;
  const nmhit::Node * found = nullptr;
  for (const auto * section : root.children(nmhit::NodeType::Section))
  {
    if (section->path() != "Models")
      continue;
    for (const auto * model : section->children(nmhit::NodeType::Section))
    {
      if (model->path() == name && found)
        defined_twice(*found, *model);
      if (model->path() == name)
        found = model;
      known.push_back(model->path());
    }
  }
  if (found)
    return *found;
  throw FatalError(path.string() + ": block [Models] has no model '" + name + "'" +
                   did_you_mean(name, known) + " (there are: " + quoted_list(known) + ")");
}

/// Whether a field outside of [Solvers] names the block.
bool is_used(const nmhit::Node & node, const std::string & name)
{
  for (const auto * field : node.children(nmhit::NodeType::Field))
    if (field->param<std::string>() == name)
      return true;
  for (const auto * section : node.children(nmhit::NodeType::Section))
    if (section->path() != "Solvers" && is_used(*section, name))
      return true;
  return false;
}

/// A linear solver was chosen when the model was compiled; what is left is that its block exists.
void check_linear_solver(const nmhit::Node & field, const std::vector<std::string> & blocks)
{
  const auto name = field.param<std::string>();
  if (std::find(blocks.begin(), blocks.end(), name) == blocks.end())
    throw FatalError(field.file_location() + ": block [Solvers] has no solver '" + name + "'" +
                     did_you_mean(name, blocks) + " (there are: " + quoted_list(blocks) + ")");
}

SolverOverrides read_solvers(const nmhit::Node & root)
{
  SolverOverrides solvers;
  std::vector<std::string> names;
  std::vector<const nmhit::Node *> linear;
  std::map<std::string, const nmhit::Node *> first;
  for (const auto * section : root.children(nmhit::NodeType::Section))
  {
    if (section->path() != "Solvers")
      continue;
    for (const auto * solver : section->children(nmhit::NodeType::Section))
    {
      const auto name = solver->path();
      if (const auto [known, is_new] = first.try_emplace(name, solver); !is_new)
        defined_twice(*known->second, *solver);
      names.push_back(name);
      auto & block = solvers.blocks[name];
      block.place = solver->file_location() + ": ";
      for (const auto * field : solver->children(nmhit::NodeType::Field))
        if (field->path() == "linear_solver")
          linear.push_back(field);
        else
          block.options[field->path()] = {field_text(*field), field->file_location() + ": "};
      const auto type = block.options.find("type");
      const bool newton = type != block.options.end() && !solvers::options_of(type->second.text).empty();
      using enum SolverOverrides::Use;
      block.use = newton && !is_used(root, name) ? nowhere : elsewhere;
    }
  }
  for (const auto * field : linear)
    check_linear_solver(*field, names);
  return solvers;
}

/// Options of the model's block that are not the stub's own.
std::map<std::string, std::string> read_parameters(const nmhit::Node & model)
{
  const std::set<std::string> own{"type", "artifact_path", "package", "input_directory", "made_from"};
  std::map<std::string, std::string> parameters;
  for (const auto * field : model.children(nmhit::NodeType::Field))
    if (!own.contains(field->path()))
      parameters[field->path()] = field_text(*field);
  return parameters;
}

} // namespace

Stub Stub::read(const fs::path & path, const std::string & name)
{
  if (std::error_code trouble; !fs::is_regular_file(path, trouble))
    throw FatalError("cannot read " + path.string() + ": there is no such file");
  try
  {
    check_stub_text(path);
    const auto root = nmhit::parse_file(path);
    const auto & model = find_model(*root, path, name);
    const auto type = option(model, "type");
    if (type != "AOTIModel")
      throw FatalError(model.file_location() + ": block [" + model.fullpath() + "] has type '" + type +
                       "', expected 'AOTIModel': it is not a compiled model; compile it with neml2-compile");
    return {option(model, "artifact_path"), model.find("package") ? option(model, "package") : "",
            read_solvers(*root), read_parameters(model)};
  }
  catch (const nmhit::Error & error)
  {
    throw FatalError(error.what());
  }
}

/// Whether a package was made with this stub. An artifact_path changed by hand means another one.
bool Stub::owns(const fs::path & metadata) const
{
  std::error_code trouble;
  if (package.empty() || !fs::exists(metadata, trouble))
    return false;
  const auto both = artifact_path.string() + '\0' + Metadata::read(metadata).identity;
  return sha256(both.data(), both.size()) == package;
}

fs::path Stub::metadata(const fs::path & stub, const std::string & name, const std::string & device) const
{
  const auto file = name + "_meta.json";
  const auto folder = fs::absolute(stub).parent_path();
  const auto given = artifact_path.is_absolute() ? artifact_path : folder / artifact_path;
  const auto beside = folder / (given.has_filename() ? given : given.parent_path()).filename();
  std::error_code trouble;
  std::vector<std::string> devices;
  if (owns(beside / device / file))
    return beside / device / file;
  for (const auto & place : {given, beside})
  {
    if (fs::exists(place / device / file, trouble))
      return place / device / file;
    for (const auto & entry : fs::directory_iterator(place, trouble))
      if (devices.empty() || devices.back() != entry.path().filename().string())
        devices.push_back(entry.path().filename().string());
  }
  std::string text = "no package of the model '" + name + "' for the device '" + device + "': neither " +
                     (given / device / file).string() + " nor " + (beside / device / file).string() +
                     " exists";
  if (!devices.empty())
    text += " (it was compiled for: " + quoted_list(devices) + ")";
  throw FatalError(text + "; compile the model with neml2-compile");
}

} // namespace neml2::aoti
