// SPDX-License-Identifier: MIT
#include "package/Metadata.h"

#include "neml2/aoti/exceptions.h"
#include "package/Archive.h"
#include "package/json_values.h"

#include <stdexcept>

namespace neml2::aoti
{

std::vector<std::int64_t> VariableInfo::trailing_shape() const
{
  auto shape = sub_batch_shape;
  shape.insert(shape.end(), base_shape.begin(), base_shape.end());
  return shape;
}

namespace
{

std::string solver_word(const ImplicitInfo & info, const char * name, const char * fallback)
{
  const auto found = info.solver.find(name);
  const auto * text = found == info.solver.end() ? nullptr : std::get_if<std::string>(&found->second);
  return text ? *text : fallback;
}

} // namespace

std::string ImplicitInfo::solver_type() const
{
  return solver_word(*this, "type", "Newton");
}

std::string ImplicitInfo::solver_block() const
{
  return solver_word(*this, "block", "");
}

namespace
{

using namespace json_values;
using Shape = std::vector<std::int64_t>;

constexpr std::int64_t largest_count = std::int64_t(1) << 32; // keeps products of sizes far from overflow

[[noreturn]] void fail(const std::string & reason)
{
  throw std::invalid_argument(reason);
}

std::int64_t product(const Shape & shape)
{
  std::int64_t count = 1;
  for (const auto extent : shape)
  {
    if (extent < 1 || count > largest_count / extent)
      fail("a shape has the extent " + std::to_string(extent));
    count *= extent;
  }
  return count;
}

VariableInfo description(const json & entry)
{
  VariableInfo info;
  info.name = text(entry, "name");
  info.type = text(entry, "type");
  info.base_shape = integers(member(entry, "base_shape"), "base_shape");
  info.sub_batch_shape = integers(member(entry, "sub_batch_shape"), "sub_batch_shape");
  info.range.size = product(info.trailing_shape());
  return info;
}

VariableInfo variable(const json & entry)
{
  auto info = description(entry);
  info.range.offset = integer(member(entry, "offset"), "offset");
  return info;
}

ParameterInfo parameter(const json & entry)
{
  ParameterInfo info;
  info.variable = description(entry);
  info.promoted = truth(entry, "promoted");
  info.batch_shape = integers(member(entry, "batch_shape"), "batch_shape");
  info.value = numbers(entry, "value");
  info.stored = !member(entry, "offset").is_null();
  if (info.stored)
    info.variable.range.offset = integer(entry.at("offset"), "offset");
  return info;
}

GraphInfo graph(const json & object)
{
  return {text(object, "file"), object.contains("size") ? size(object, "size") : 0};
}

EntriesInfo entries(const json & object)
{
  return {integers(member(object, "index"), "index"), numbers(object, "constants")};
}

std::optional<DerivativeInfo> derivative(const json & segment)
{
  const auto & object = member(segment, "derivative");
  if (object.is_null())
    return std::nullopt;
  DerivativeInfo info;
  if (!member(object, "file").is_null()) // null where all entries are constants
    info.graph = graph(object);
  if (object.contains("jacobian"))
    info.jacobian = entries(object.at("jacobian"));
  for (const auto & block : list(object, "blocks"))
    info.blocks.push_back({range(member(block, "output"), "output"), range(member(block, "input"), "input"),
                           entries(member(block, "entries"))});
  return info;
}

ForwardInfo forward(const json & object)
{
  ForwardInfo info;
  info.name = text(object, "name");
  info.inputs = ranges(object, "inputs");
  info.outputs = ranges(object, "outputs");
  if (!member(object, "value").is_null())
    info.value = graph(object.at("value"));
  for (const auto & copy : list(object, "copies"))
    info.copies.push_back(pair(copy, "copies"));
  for (const auto & needed : list(object, "dependencies"))
    info.dependencies.push_back(integers(needed, "dependencies"));
  info.derivative = derivative(object);
  return info;
}

std::map<std::string, SolverOption> solver(const json & object)
{
  std::map<std::string, SolverOption> options;
  const auto & given = member(object, "solver");
  if (!given.is_object())
    wrong_type("solver", given);
  for (const auto & [key, value] : given.items())
  {
    if (value.is_boolean())
      options[key] = value.get<bool>();
    else if (value.is_number_integer())
      options[key] = integer(value, key.c_str());
    else if (value.is_number())
      options[key] = value.get<double>();
    else if (value.is_string())
      options[key] = value.get<std::string>();
    else if (!value.is_null())
      fail("the solver option '" + key + "' is " + shown(value));
  }
  return options;
}

IncrementInfo increment(const json & item)
{
  const auto kind = text(item, "kind");
  if (kind != "state" && kind != "force")
    fail("an increment is of the kind '" + kind + "', expected 'state' or 'force'");
  return {kind == "state", range(member(item, "current"), "current"), range(member(item, "old"), "old")};
}

ImplicitInfo implicit(const json & object, bool native)
{
  ImplicitInfo info;
  info.name = text(object, "name");
  info.unknowns = ranges(object, "unknowns");
  info.givens = ranges(object, "givens");
  info.solver = solver(object);
  info.max_substepping_level = size(object, "max_substepping_level");
  if (native) // the solver is in the kernel
    return info;
  const auto & newton = member(object, "newton");
  info.newton = graph(newton);
  info.residual_size = size(newton, "residual");
  info.jacobian = entries(member(newton, "jacobian"));
  if (!member(object, "residual").is_null())
    info.residual = graph(object.at("residual"));
  info.derivative = derivative(object);
  for (const auto & item : list(object, "incremental"))
    info.incremental.push_back(increment(item));
  return info;
}

SegmentInfo segment(const json & object, bool native)
{
  const auto kind = text(object, "kind");
  if (kind == "forward")
    return forward(object);
  if (kind == "implicit")
    return implicit(object, native);
  fail("a segment is of the kind '" + kind + "', expected 'forward' or 'implicit'");
}

PairInfo derivative_pair(const json & object)
{
  PairInfo info{text(object, "output"), text(object, "input"), {}};
  for (const auto & name : list(object, "depends_on"))
    info.depends_on.push_back(name.is_string() ? name.get<std::string>()
                                               : (wrong_type("depends_on", name), ""));
  return info;
}

void read_schema(const json & root, bool sealed)
{
  const auto schema = integer(member(root, "schema"), "schema");
  if (schema > schema_version)
    fail("it has schema " + std::to_string(schema) + ", newer than schema " + std::to_string(schema_version) +
         " that this neml2 reads; update neml2, or compile the model again with this one");
  if (schema < 1)
    fail("it has schema " + std::to_string(schema) + ", which this neml2 does not know");
  if (schema > 1 && !sealed)
    fail("it lacks its SHA-256: it is truncated or altered; compile the model again");
}

void read_header(const json & root, Metadata & into)
{
  into.name = text(root, "name");
  into.identity = root.contains("identity") ? text(root, "identity") : "";
  into.backend = text(root, "backend");
  if (into.backend != "aoti" && into.backend != "native")
    fail("its backend is '" + into.backend + "', and this library runs 'aoti' and 'native'");
  into.torch_version = text(member(root, "versions"), "torch");
  into.device = text(root, "device");
  if (into.device == "cpu")
    into.isa = text(root, "isa");
  const auto dtype = text(root, "dtype");
  if (dtype != "float64" && dtype != "float32")
    fail("its dtype is '" + dtype + "', expected 'float64' or 'float32'");
  into.dtype = dtype == "float64" ? c10::ScalarType::Double : c10::ScalarType::Float;
  into.lanes = size(root, "lanes");
  into.state_size = size(root, "state_size");
}

void read_package(const json & root, bool sealed, Metadata & into)
{
  read_schema(root, sealed);
  read_header(root, into);
  const auto & files = member(root, "files");
  if (!files.is_object())
    wrong_type("files", files);
  for (const auto & [name, info] : files.items())
    into.files[name] = {text(info, "sha256"), size(info, "bytes")};
  for (const auto & entry : list(root, "inputs"))
    into.inputs.push_back(variable(entry));
  for (const auto & entry : list(root, "outputs"))
    into.outputs.push_back(variable(entry));
  for (const auto & entry : list(root, "parameters"))
    into.parameters.push_back(parameter(entry));
  const bool native = into.backend == "native";
  for (const auto & entry : list(root, "segments"))
    into.segments.push_back(segment(entry, native));
  for (const auto & entry : list(root, "derivatives"))
    into.derivatives.push_back(derivative_pair(entry));
  if (!native)
    return;
  for (const auto & entry : list(root, "kernels"))
    into.kernels.push_back({text(entry, "isa"), text(entry, "file")});
  into.work = number(member(root, "work"), "work");
}

} // namespace

Metadata Metadata::parse(const std::string & text, const std::filesystem::path & path)
{
  Metadata metadata;
  metadata.path = path;
  try
  {
    const auto document = json_values::parse(text);
    read_package(document.root, document.sealed, metadata);
    check_metadata(metadata);
  }
  catch (const json::parse_error & error)
  {
    throw FatalError(path.string() + " is no readable package metadata: it is truncated or altered at byte " +
                     std::to_string(error.byte) + "; compile the model again");
  }
  catch (const json::exception & error)
  {
    throw FatalError(path.string() + " is no usable package metadata: " + error.what());
  }
  catch (const std::invalid_argument & error)
  {
    throw FatalError(path.string() + " is no usable package metadata: " + error.what());
  }
  return metadata;
}

Metadata Metadata::read(const std::filesystem::path & path)
{
  return parse(read_file(path), path);
}

} // namespace neml2::aoti
