// SPDX-License-Identifier: MIT
#include "package/Metadata.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>

namespace neml2::aoti
{
namespace
{

constexpr std::int64_t largest_state = std::int64_t(1) << 24; // each component is an instruction of a graph
constexpr std::size_t most_axes = 16;
constexpr std::int64_t most_halvings = 1000;
constexpr double most_work = 1e15;

[[noreturn]] void fail(const std::string & reason)
{
  throw std::invalid_argument(reason);
}

std::string text_of(const Range & range)
{
  return "[" + std::to_string(range.offset) + ", " + std::to_string(range.size) + "]";
}

bool contains(const std::vector<Range> & ranges, const Range & range)
{
  return std::find(ranges.begin(), ranges.end(), range) != ranges.end();
}

std::int64_t total(const std::vector<Range> & ranges)
{
  std::int64_t size = 0;
  for (const auto & range : ranges)
    size += range.size;
  return size;
}

/// Follows the state through a package: what is there before each segment, and what it adds.
class Checker
{
public:
  explicit Checker(const Metadata & metadata) : _m(metadata), _native(metadata.backend == "native") {}

  void check()
  {
    header();
    files();
    interface();
    for (const auto & segment : _m.segments)
      if (const auto * forward = std::get_if<ForwardInfo>(&segment))
        check(*forward);
      else
        check(std::get<ImplicitInfo>(segment));
    if (std::find(_known.begin(), _known.end(), 0) != _known.end())
      fail("some of its " + std::to_string(_m.state_size) +
           " components are no input, and no segment's output");
    kernels();
    names();
    for (const auto & [file, info] : _m.files)
      if (!_used.contains(file))
        fail("nothing uses the file '" + file + "'");
  }

private:
  void header()
  {
    const std::set<std::int64_t> known =
        _native ? std::set<std::int64_t>{1} : std::set<std::int64_t>{16, 128};
    if (!known.contains(_m.lanes))
      fail("'lanes' is " + std::to_string(_m.lanes) + ", expected " + (_native ? "1" : "16 or 128"));
    if (_m.state_size < 1 || _m.state_size > largest_state)
      fail("'state_size' is " + std::to_string(_m.state_size) + ", expected 1 to " +
           std::to_string(largest_state));
    _known.assign(static_cast<std::size_t>(_m.state_size), 0);
  }

  // -- files ---------------------------------------------------------------------------------------------

  void files() const
  {
    for (const auto & [name, info] : _m.files)
    {
      check_file_name(name);
      if (info.sha256.size() != 64 || info.sha256.find_first_not_of("0123456789abcdef") != std::string::npos)
        fail("the SHA-256 of the file '" + name + "' is '" + info.sha256 + "'");
      if (info.bytes < 1)
        fail("the file '" + name + "' has " + std::to_string(info.bytes) + " bytes");
    }
  }

  /// A package is code: a file name that leads out of its folder is refused.
  static void check_file_name(const std::string & name)
  {
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
        name.find('\\') != std::string::npos || name.find('\0') != std::string::npos)
      fail("it names the file '" + name + "', which does not lie in its own folder");
  }

  /// Each graph has a file of its own.
  void use(const std::string & file)
  {
    check_file_name(file);
    if (!_m.files.contains(file))
      fail("the file '" + file + "' has no hash under 'files'");
    if (!_used.insert(file).second)
      fail("the file '" + file + "' is used twice");
  }

  void kernels()
  {
    if (!_native)
      return;
    std::set<std::string> isas;
    for (const auto & kernel : _m.kernels)
    {
      use(kernel.file);
      if (!isas.insert(kernel.isa).second)
        fail("two kernels are made for '" + kernel.isa + "'");
    }
    if (_m.kernels.empty())
      fail("it holds no kernel");
    if (!(_m.work >= 1 && _m.work <= most_work))
      fail("'work' is " + std::to_string(_m.work));
  }

  // -- the state -----------------------------------------------------------------------------------------

  void inside(const Range & range) const
  {
    if (range.offset < 0 || range.size < 1 || range.size > _m.state_size ||
        range.offset > _m.state_size - range.size)
      fail("the range " + text_of(range) + " lies outside the state of size " +
           std::to_string(_m.state_size));
  }

  bool known(const Range & range) const
  {
    inside(range);
    const auto first = _known.begin() + range.offset;
    return std::find(first, first + range.size, 0) == first + range.size;
  }

  /// Components that have a value from here on, and had none before.
  void determine(const Range & range, const std::string & who)
  {
    inside(range);
    const auto first = _known.begin() + range.offset;
    if (std::find(first, first + range.size, 1) != first + range.size)
      fail(who + " has the place " + text_of(range) + ", which is taken");
    std::fill_n(first, range.size, 1);
  }

  void need(const std::vector<Range> & ranges, const std::string & who) const
  {
    for (const auto & range : ranges)
      if (!known(range))
        fail(who + " reads " + text_of(range) + ", which has no value yet");
  }

  static void check(const VariableInfo & variable)
  {
    if (variable.name.empty() || variable.name.find('\0') != std::string::npos)
      fail("a variable is called '" + variable.name + "'");
    if (variable.base_shape.size() > most_axes || variable.sub_batch_shape.size() > most_axes)
      fail("'" + variable.name + "' has more than " + std::to_string(most_axes) + " axes");
  }

  void interface()
  {
    for (const auto & input : _m.inputs)
    {
      check(input);
      determine(input.range, "the input '" + input.name + "'");
    }
    for (const auto & parameter : _m.parameters)
      check(parameter);
    for (const auto & output : _m.outputs)
    {
      check(output);
      inside(output.range);
    }
  }

  void check(const ParameterInfo & parameter)
  {
    const auto & variable = parameter.variable;
    const auto who = "the parameter '" + variable.name + "'";
    check(variable);
    if (parameter.stored)
      determine(variable.range, who);
    else if (parameter.promoted || !parameter.batch_shape.empty())
      fail(who + " has no place in the state");
    if (parameter.batch_shape.size() > most_axes)
      fail(who + " has more than " + std::to_string(most_axes) + " batch axes");
    auto rest = static_cast<std::int64_t>(parameter.value.size());
    for (const auto extent : parameter.batch_shape)
    {
      if (extent < 1 || rest % extent != 0)
        fail(who + " has " + std::to_string(parameter.value.size()) + " values, and a batch axis of " +
             std::to_string(extent));
      rest /= extent;
    }
    if (rest != variable.range.size)
      fail(who + " has " + std::to_string(rest) + " values a point, expected " +
           std::to_string(variable.range.size));
  }

  // -- segments ------------------------------------------------------------------------------------------

  void check(const ForwardInfo & info)
  {
    const auto who = "the segment '" + info.name + "'";
    need(info.inputs, who);
    const auto count = static_cast<std::int64_t>(info.inputs.size());
    if (info.dependencies.size() != info.outputs.size())
      fail(who + " does not say what each of its outputs depends on");
    for (const auto & needed : info.dependencies)
      for (const auto i : needed)
        if (i < 0 || i >= count)
          fail("an output of " + who + " depends on its input " + std::to_string(i));
    for (const auto & [from, to] : info.copies)
      need({{from, 1}}, who);
    if (info.derivative)
      need_blocks(*info.derivative, who);
    for (const auto & output : info.outputs)
      determine(output, "an output of " + who);
    if (_native)
    {
      if (info.value || info.derivative || !info.copies.empty())
        fail(who + " has graphs of its own, beside its kernel");
      return;
    }
    if (info.value)
      use(info.value->file);
    if (info.value ? !info.copies.empty() || info.value->size != 0 : !copies_all(info))
      fail(who + " does not determine each of its outputs once");
    if (info.derivative)
      check_derivative(*info.derivative, info.outputs, -1, who);
  }

  /// Whether the copies of a segment are all that it does.
  static bool copies_all(const ForwardInfo & info)
  {
    std::vector<std::int64_t> to;
    for (const auto & copy : info.copies)
      to.push_back(copy.second);
    auto expected = components_of<std::int64_t>(info.outputs);
    std::sort(to.begin(), to.end());
    std::sort(expected.begin(), expected.end());
    return to == expected;
  }

  void check(const ImplicitInfo & info)
  {
    const auto who = "the segment '" + info.name + "'";
    need(info.givens, who);
    need(info.unknowns, who); // their guesses
    auto unknowns = components_of<std::int64_t>(info.unknowns);
    std::sort(unknowns.begin(), unknowns.end());
    if (unknowns.empty() || std::adjacent_find(unknowns.begin(), unknowns.end()) != unknowns.end())
      fail(who + " has no unknowns, or one of them twice");
    if (info.max_substepping_level > most_halvings)
      fail("'max_substepping_level' is " + std::to_string(info.max_substepping_level));
    if (_native)
      return;
    if (info.residual_size != total(info.unknowns))
      fail(who + " has " + std::to_string(info.residual_size) + " residuals for " +
           std::to_string(total(info.unknowns)) + " unknowns");
    use(info.newton.file);
    check_size(info.newton, info.residual_size, {&info.jacobian});
    check(info.jacobian, info.residual_size * info.residual_size, info.newton.size);
    if (info.residual)
    {
      use(info.residual->file);
      check_size(*info.residual, info.residual_size, {});
    }
    if (info.derivative)
    {
      if (info.derivative->graph.file.empty())
        fail(who + " has a derivative without a graph");
      need_blocks(*info.derivative, who);
      check_derivative(*info.derivative, {{0, info.residual_size}}, info.residual_size, who);
    }
    check_increments(info, who);
  }

  void check_increments(const ImplicitInfo & info, const std::string & who) const
  {
    if (info.max_substepping_level == 0 && !info.incremental.empty())
      fail(who + " has increments, and cuts no steps");
    for (const auto & item : info.incremental)
    {
      if (item.current.size != item.old.size)
        fail(who + " has an old value of another size");
      if (!contains(item.is_state ? info.unknowns : info.givens, item.current) ||
          !contains(info.givens, item.old))
        fail("an increment of " + who + " is no unknown or given of it");
      if (info.derivative && !(has_input(*info.derivative, item.old) &&
                               (item.is_state || has_input(*info.derivative, item.current))))
        fail("an increment of " + who + " has no derivatives");
    }
  }

  // -- derivatives ---------------------------------------------------------------------------------------

  static bool has_input(const DerivativeInfo & info, const Range & range)
  {
    return std::any_of(info.blocks.begin(), info.blocks.end(),
                       [&](const BlockInfo & block) { return block.input == range; });
  }

  void need_blocks(const DerivativeInfo & info, const std::string & who) const
  {
    for (const auto & block : info.blocks)
      need({block.input}, "a derivative of " + who);
  }

  /// @param outputs what the rows of blocks can be: an implicit segment's are its residuals, not in the state
  /// @param residual their number, -1 for a forward segment
  void check_derivative(const DerivativeInfo & info, const std::vector<Range> & outputs,
                        std::int64_t residual, const std::string & who)
  {
    std::vector<const EntriesInfo *> all;
    if (residual >= 0)
    {
      check(info.jacobian, residual * residual, info.graph.size);
      all.push_back(&info.jacobian);
    }
    std::set<std::pair<std::int64_t, std::int64_t>> places;
    for (const auto & block : info.blocks)
    {
      if (!contains(outputs, block.output))
        fail("a derivative of " + who + " has the rows " + text_of(block.output) + ", which are none of it");
      if (!places.emplace(block.output.offset, block.input.offset).second)
        fail("a derivative of " + who + " is there twice");
      check(block.entries, block.output.size * block.input.size, info.graph.size);
      all.push_back(&block.entries);
    }
    if (info.graph.file.empty())
      return;
    use(info.graph.file);
    check_size(info.graph, 1, all);
  }

  static void check(const EntriesInfo & entries, std::int64_t count, std::int64_t size)
  {
    if (static_cast<std::int64_t>(entries.index.size()) != count)
      fail("a block has " + std::to_string(entries.index.size()) + " entries, expected " +
           std::to_string(count));
    const auto constants = static_cast<std::int64_t>(entries.constants.size());
    for (const auto i : entries.index)
      if (i >= size || i < -constants)
        fail("a block has the entry " + std::to_string(i) + ", outside its graph's " + std::to_string(size) +
             " components and " + std::to_string(constants) + " constants");
  }

  /// A graph computes what is asked of it and nothing else.
  static void check_size(const GraphInfo & graph, std::int64_t least,
                         const std::vector<const EntriesInfo *> & entries)
  {
    auto used = least;
    for (const auto * some : entries)
      for (const auto i : some->index)
        used = std::max(used, i + 1);
    if (graph.size != used)
      fail("the graph '" + graph.file + "' has " + std::to_string(graph.size) + " components, of which " +
           std::to_string(used) + " are used");
  }

  // -- names ---------------------------------------------------------------------------------------------

  void names() const
  {
    std::set<std::string> sources, outputs;
    for (const auto & input : _m.inputs)
      if (!sources.insert(input.name).second)
        fail("two inputs are called '" + input.name + "'");
    for (const auto & output : _m.outputs)
      if (!outputs.insert(output.name).second)
        fail("two outputs are called '" + output.name + "'");
    for (const auto & parameter : _m.parameters)
      if (parameter.stored && !sources.insert(parameter.variable.name).second)
        fail("'" + parameter.variable.name + "' is the name of two inputs or parameters");
    std::set<std::pair<std::string, std::string>> pairs;
    for (const auto & pair : _m.derivatives)
    {
      const auto which = "the derivative of '" + pair.output + "' with respect to '" + pair.input + "'";
      if (!outputs.contains(pair.output) || !sources.contains(pair.input))
        fail(which + " names no output and input of it");
      if (!pairs.emplace(pair.output, pair.input).second)
        fail(which + " is there twice");
      for (const auto & name : pair.depends_on)
        if (!sources.contains(name))
          fail(which + " depends on '" + name + "', which is no input or stored parameter of it");
    }
  }

  const Metadata & _m;
  const bool _native;
  std::vector<char> _known;    // by component of the state: whether it has a value
  std::set<std::string> _used; // files
};

} // namespace

void check_metadata(const Metadata & metadata)
{
  Checker(metadata).check();
}

} // namespace neml2::aoti
