// SPDX-License-Identifier: MIT
#include "aoti/Metadata.h"

#include "aoti/Archive.h"
#include "neml2/aoti/exceptions.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

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

using nlohmann::json;
using Shape = std::vector<std::int64_t>;

constexpr std::int64_t largest_count = std::int64_t(1) << 32; // keeps products of sizes far from overflow

[[noreturn]] void fail(const std::string & reason)
{
  throw std::invalid_argument(reason);
}

const json & member(const json & object, const char * key)
{
  if (!object.is_object() || !object.contains(key))
    fail(std::string("'") + key + "' is missing");
  return object.at(key);
}

template <typename T>
T get(const json & object, const char * key)
{
  try
  {
    return member(object, key).get<T>();
  }
  catch (const json::exception &)
  {
    fail(std::string("'") + key + "' is " + member(object, key).dump() + ", which has the wrong type");
  }
}

std::int64_t get_size(const json & object, const char * key)
{
  const auto size = get<std::int64_t>(object, key);
  if (size < 0 || size > largest_count)
    fail(std::string("'") + key + "' is " + std::to_string(size));
  return size;
}

std::int64_t product(const Shape & shape)
{
  std::int64_t count = 1;
  for (const auto extent : shape)
  {
    if (extent < 0 || (extent > 0 && count > largest_count / extent))
      fail("a shape has the extent " + std::to_string(extent));
    count *= extent;
  }
  return count;
}

/// Reads the parts of a package that refer to one another, against the size of its state and its list of
/// files.
class Parser
{
public:
  explicit Parser(Metadata & into) : _m(into) {}

  void parse(const json & root)
  {
    const auto schema = get<std::int64_t>(root, "schema");
    if (schema > schema_version)
      fail("it has schema " + std::to_string(schema) + ", newer than schema " +
           std::to_string(schema_version) +
           " that this neml2 reads; update neml2, or compile the model again with this one");
    if (schema < 1)
      fail("it has schema " + std::to_string(schema) + ", which this neml2 does not know");
    parse_header(root);
    for (const auto & [name, info] : get<std::map<std::string, json>>(root, "files"))
      _m.files[checked_file_name(name)] = {get<std::string>(info, "sha256"), get_size(info, "bytes")};
    for (const auto & entry : get<std::vector<json>>(root, "inputs"))
      _m.inputs.push_back(variable(entry));
    for (const auto & entry : get<std::vector<json>>(root, "outputs"))
      _m.outputs.push_back(variable(entry));
    for (const auto & entry : get<std::vector<json>>(root, "parameters"))
      _m.parameters.push_back(parameter(entry));
    for (const auto & entry : get<std::vector<json>>(root, "segments"))
      _m.segments.push_back(segment(entry));
    for (const auto & entry : get<std::vector<json>>(root, "derivatives"))
      _m.derivatives.push_back({get<std::string>(entry, "output"), get<std::string>(entry, "input"),
                                get<std::vector<std::string>>(entry, "depends_on")});
    if (_m.backend == "native")
      parse_kernels(root);
    check_names();
  }

private:
  void parse_kernels(const json & root)
  {
    for (const auto & entry : get<std::vector<json>>(root, "kernels"))
      _m.kernels.push_back({get<std::string>(entry, "isa"), graph(entry, nullptr).file});
    if (_m.kernels.empty())
      fail("it holds no kernel");
    _m.work = get<double>(root, "work");
  }

  void parse_header(const json & root)
  {
    _m.name = get<std::string>(root, "name");
    _m.backend = get<std::string>(root, "backend");
    if (_m.backend != "aoti" && _m.backend != "native")
      fail("its backend is '" + _m.backend + "', and this library runs 'aoti' and 'native'");
    _m.torch_version = get<std::string>(member(root, "versions"), "torch");
    _m.device = get<std::string>(root, "device");
    if (_m.device == "cpu")
      _m.isa = get<std::string>(root, "isa");
    const auto dtype = get<std::string>(root, "dtype");
    if (dtype == "float64")
      _m.dtype = c10::ScalarType::Double;
    else if (dtype == "float32")
      _m.dtype = c10::ScalarType::Float;
    else
      fail("its dtype is '" + dtype + "', expected 'float64' or 'float32'");
    _m.lanes = get_size(root, "lanes");
    if (_m.backend == "aoti" && (_m.lanes < 16 || _m.lanes % 16 != 0 || _m.lanes > 4096))
      fail("'lanes' is " + std::to_string(_m.lanes) + ", expected a multiple of 16");
    _m.state_size = get_size(root, "state_size");
    if (_m.state_size < 1)
      fail("'state_size' is 0");
  }

  Range range(const json & pair) const
  {
    const auto numbers = pair.get<std::vector<std::int64_t>>();
    if (numbers.size() != 2)
      fail("a range is " + pair.dump() + ", expected [offset, size]");
    return checked({numbers[0], numbers[1]});
  }

  Range checked(Range range) const
  {
    if (range.offset < 0 || range.size < 0 || range.size > _m.state_size ||
        range.offset > _m.state_size - range.size)
      fail("the range [" + std::to_string(range.offset) + ", " + std::to_string(range.size) +
           "] lies outside the state of size " + std::to_string(_m.state_size));
    return range;
  }

  std::vector<Range> ranges(const json & object, const char * key) const
  {
    std::vector<Range> list;
    for (const auto & pair : get<std::vector<json>>(object, key))
      list.push_back(range(pair));
    return list;
  }

  VariableInfo description(const json & entry) const
  {
    VariableInfo info;
    info.name = get<std::string>(entry, "name");
    info.type = get<std::string>(entry, "type");
    info.base_shape = get<Shape>(entry, "base_shape");
    info.sub_batch_shape = get<Shape>(entry, "sub_batch_shape");
    info.range.size = product(info.trailing_shape());
    return info;
  }

  VariableInfo variable(const json & entry) const
  {
    auto info = description(entry);
    info.range.offset = get<std::int64_t>(entry, "offset");
    checked(info.range);
    return info;
  }

  ParameterInfo parameter(const json & entry) const
  {
    ParameterInfo info;
    info.variable = description(entry);
    info.promoted = get<bool>(entry, "promoted");
    info.batch_shape = get<Shape>(entry, "batch_shape");
    info.value = get<std::vector<double>>(entry, "value");
    info.stored = !member(entry, "offset").is_null();
    if (info.stored)
    {
      info.variable.range.offset = get<std::int64_t>(entry, "offset");
      checked(info.variable.range);
    }
    else if (info.promoted)
      fail("the promoted parameter '" + info.variable.name + "' has no place in the state");
    auto shape = info.batch_shape;
    shape.push_back(info.variable.range.size);
    if (static_cast<std::int64_t>(info.value.size()) != product(shape))
      fail("the parameter '" + info.variable.name + "' has " + std::to_string(info.value.size()) +
           " values, expected " + std::to_string(product(shape)));
    return info;
  }

  /// A package is code: a file name that leads out of its folder is refused.
  static std::string checked_file_name(const std::string & name)
  {
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
        name.find('\\') != std::string::npos || name.find('\0') != std::string::npos)
      fail("it names the file '" + name + "', which does not lie in its own folder");
    return name;
  }

  GraphInfo graph(const json & object, const char * size_key) const
  {
    GraphInfo info;
    info.file = checked_file_name(get<std::string>(object, "file"));
    if (!_m.files.contains(info.file))
      fail("the file '" + info.file + "' has no hash under 'files'");
    if (size_key)
      info.size = get_size(object, size_key);
    return info;
  }

  static EntriesInfo entries(const json & object, std::int64_t count, std::int64_t size)
  {
    EntriesInfo info{get<Shape>(object, "index"), get<std::vector<double>>(object, "constants")};
    if (static_cast<std::int64_t>(info.index.size()) != count)
      fail("a block has " + std::to_string(info.index.size()) + " entries, expected " +
           std::to_string(count));
    const auto constants = static_cast<std::int64_t>(info.constants.size());
    for (const auto i : info.index)
      if (i >= size || i < -constants)
        fail("a block has the entry " + std::to_string(i) + ", outside its graph's " + std::to_string(size) +
             " components and " + std::to_string(constants) + " constants");
    return info;
  }

  /// @param residual size of the residual of an implicit segment, -1 for a forward segment
  std::optional<DerivativeInfo> derivative(const json & segment, std::int64_t residual) const
  {
    const auto & object = member(segment, "derivative");
    if (object.is_null())
      return std::nullopt;
    DerivativeInfo info;
    if (!member(object, "file").is_null()) // null where all entries are constants
      info.graph = graph(object, "size");
    if (residual >= 0)
      info.jacobian = entries(member(object, "jacobian"), residual * residual, info.graph.size);
    for (const auto & block : get<std::vector<json>>(object, "blocks"))
    {
      // the rows of an implicit segment's blocks are residuals: positions in its residual vector, not in the
      // state
      const auto rows = get<std::vector<std::int64_t>>(block, "output");
      if (rows.size() != 2)
        fail("a block's output is " + member(block, "output").dump());
      Range output{rows[0], rows[1]};
      if (residual < 0)
        checked(output);
      else if (output.offset < 0 || output.size < 0 || output.end() > residual)
        fail("a block's output lies outside the residual");
      const auto input = range(member(block, "input"));
      info.blocks.push_back(
          {output, input, entries(member(block, "entries"), output.size * input.size, info.graph.size)});
    }
    return info;
  }

  SegmentInfo segment(const json & object) const
  {
    const auto kind = get<std::string>(object, "kind");
    if (kind == "forward")
      return forward(object);
    if (kind == "implicit")
      return implicit(object);
    fail("a segment is of the kind '" + kind + "', expected 'forward' or 'implicit'");
  }

  ForwardInfo forward(const json & object) const
  {
    ForwardInfo info;
    info.name = get<std::string>(object, "name");
    info.inputs = ranges(object, "inputs");
    info.outputs = ranges(object, "outputs");
    if (!member(object, "value").is_null())
      info.value = graph(object.at("value"), nullptr);
    for (const auto & [from, to] : get<std::vector<std::pair<std::int64_t, std::int64_t>>>(object, "copies"))
    {
      checked({from, 1});
      checked({to, 1});
      info.copies.emplace_back(from, to);
    }
    info.dependencies = get<std::vector<Shape>>(object, "dependencies");
    const auto known = static_cast<std::int64_t>(info.inputs.size());
    for (const auto & list : info.dependencies)
      for (const auto i : list)
        if (i < 0 || i >= known)
          fail("an output of the segment '" + info.name + "' depends on its input " + std::to_string(i));
    if (info.dependencies.size() != info.outputs.size())
      fail("the segment '" + info.name + "' does not say what each of its outputs depends on");
    info.derivative = derivative(object, -1);
    return info;
  }

  static void read_solver(const json & object, ImplicitInfo & info)
  {
    for (const auto & [key, value] : get<std::map<std::string, json>>(object, "solver"))
    {
      if (value.is_boolean())
        info.solver[key] = value.get<bool>();
      else if (value.is_number_integer())
        info.solver[key] = value.get<std::int64_t>();
      else if (value.is_number())
        info.solver[key] = value.get<double>();
      else if (value.is_string())
        info.solver[key] = value.get<std::string>();
      else if (!value.is_null())
        fail("the solver option '" + key + "' is " + value.dump());
    }
  }

  ImplicitInfo implicit(const json & object) const
  {
    ImplicitInfo info;
    info.name = get<std::string>(object, "name");
    info.unknowns = ranges(object, "unknowns");
    info.givens = ranges(object, "givens");
    read_solver(object, info);
    info.max_substepping_level = get_size(object, "max_substepping_level");
    if (_m.backend == "native") // the solver is in the kernel
      return info;
    const auto & newton = member(object, "newton");
    info.newton = graph(newton, "size");
    info.residual_size = get_size(newton, "residual");
    std::int64_t unknowns = 0;
    for (const auto & unknown : info.unknowns)
      unknowns += unknown.size;
    if (info.residual_size != unknowns || info.residual_size > info.newton.size)
      fail("the segment '" + info.name + "' has " + std::to_string(info.residual_size) + " residuals for " +
           std::to_string(unknowns) + " unknowns");
    info.jacobian =
        entries(member(newton, "jacobian"), info.residual_size * info.residual_size, info.newton.size);
    if (!member(object, "residual").is_null())
      info.residual = graph(object.at("residual"), "size");
    info.derivative = derivative(object, info.residual_size);
    for (const auto & item : get<std::vector<json>>(object, "incremental"))
    {
      const IncrementInfo increment{get<std::string>(item, "kind") == "state", range(member(item, "current")),
                                    range(member(item, "old"))};
      if (increment.current.size != increment.old.size)
        fail("'" + get<std::string>(item, "name") + "' and its old value have different sizes");
      info.incremental.push_back(increment);
    }
    return info;
  }

  void check_names() const
  {
    std::set<std::string> inputs, outputs, sources;
    for (const auto & input : _m.inputs)
      if (!inputs.insert(input.name).second)
        fail("two inputs are called '" + input.name + "'");
    for (const auto & output : _m.outputs)
      if (!outputs.insert(output.name).second)
        fail("two outputs are called '" + output.name + "'");
    sources = inputs;
    for (const auto & parameter : _m.parameters)
      if (parameter.stored && !sources.insert(parameter.variable.name).second)
        fail("'" + parameter.variable.name + "' is the name of two inputs or parameters");
    for (const auto & pair : _m.derivatives)
    {
      if (!outputs.contains(pair.output) || !sources.contains(pair.input))
        fail("the derivative of '" + pair.output + "' with respect to '" + pair.input +
             "' names no output and input of it");
      for (const auto & name : pair.depends_on)
        if (!sources.contains(name))
          fail("a derivative depends on '" + name + "', which is no input or stored parameter of it");
    }
  }

  Metadata & _m;
};

} // namespace

Metadata Metadata::read(const std::filesystem::path & path)
{
  const auto text = read_file(path);
  Metadata metadata;
  metadata.path = path;
  try
  {
    Parser(metadata).parse(json::parse(text));
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

} // namespace neml2::aoti
