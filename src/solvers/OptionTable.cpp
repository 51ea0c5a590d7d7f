// SPDX-License-Identifier: MIT
#include "neml2/solvers/OptionTable.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <sstream>

namespace neml2::solvers
{
namespace
{

constexpr double no_limit = std::numeric_limits<double>::infinity();
constexpr double largest_count = std::numeric_limits<int>::max();
constexpr std::array<std::string_view, 2> types = {"Newton", "NewtonWithLineSearch"};

double number(const OptionValue & value)
{
  return std::get<double>(value);
}

int count(const OptionValue & value)
{
  return static_cast<int>(std::get<std::int64_t>(value));
}

/// Those of Newton first.
const std::vector<OptionInfo> & table()
{
  static const std::vector<OptionInfo> all = []
  {
    const NewtonOptions newton;
    const LineSearchOptions search;
    return std::vector<OptionInfo>{
        {"abs_tol",
         false,
         newton.abs_tol,
         0,
         no_limit,
         false,
         {},
         [](NewtonOptions & o, const OptionValue & v) { o.abs_tol = number(v); }},
        {"rel_tol",
         false,
         newton.rel_tol,
         0,
         no_limit,
         false,
         {},
         [](NewtonOptions & o, const OptionValue & v) { o.rel_tol = number(v); }},
        {"max_its",
         false,
         std::int64_t(newton.max_its),
         1,
         largest_count,
         false,
         {},
         [](NewtonOptions & o, const OptionValue & v) { o.max_its = count(v); }},
        {"substep_del_tol",
         false,
         1e-6,
         0,
         no_limit,
         false,
         {},
         [](NewtonOptions & o, const OptionValue & v) { o.update_tol = number(v); }},
        {"linesearch_type",
         true,
         "BACKTRACKING",
         0,
         0,
         false,
         {"BACKTRACKING", "STRONG_WOLFE"},
         [](NewtonOptions & o, const OptionValue & v)
         {
           o.line_search->type = std::get<std::string>(v) == "STRONG_WOLFE" ? LineSearchType::strong_wolfe
                                                                            : LineSearchType::backtracking;
         }},
        {"max_linesearch_iterations",
         true,
         std::int64_t(search.max_iterations),
         0,
         largest_count,
         false,
         {},
         [](NewtonOptions & o, const OptionValue & v) { o.line_search->max_iterations = count(v); }},
        {"linesearch_cutback",
         true,
         search.cutback,
         1,
         no_limit,
         true,
         {},
         [](NewtonOptions & o, const OptionValue & v) { o.line_search->cutback = number(v); }},
        {"linesearch_stopping_criteria",
         true,
         search.stopping_criteria,
         0,
         no_limit,
         false,
         {},
         [](NewtonOptions & o, const OptionValue & v) { o.line_search->stopping_criteria = number(v); }},
        {"check_negative_criterion",
         true,
         std::int64_t(0),
         0,
         largest_count,
         false,
         {},
         [](NewtonOptions &, const OptionValue &) {}}, // read, without effect
    };
  }();
  return all;
}

} // namespace

std::string OptionInfo::expected() const
{
  std::ostringstream text;
  if (std::holds_alternative<double>(initial))
    text << "a finite number, " << (above_least ? "more than " : "") << least
         << (above_least ? "" : " or more");
  else if (std::holds_alternative<std::int64_t>(initial))
    text << "an integer from " << std::int64_t(least) << " to " << std::int64_t(most);
  else
    for (std::size_t i = 0; i < words.size(); ++i)
      text << (i ? " or " : "") << words[i];
  return text.str();
}

std::optional<OptionValue> OptionInfo::accept(const OptionValue & value) const
{
  if (const auto * word = std::get_if<std::string>(&value))
  {
    for (const auto known : words)
      if (*word == known)
        return value;
    return std::nullopt;
  }
  const auto * integer = std::get_if<std::int64_t>(&value);
  const double x = integer ? static_cast<double>(*integer) : std::get<double>(value);
  if (!std::isfinite(x) || !(above_least ? x > least : x >= least) || !(x <= most))
    return std::nullopt;
  if (std::holds_alternative<double>(initial))
    return x;
  return integer && std::holds_alternative<std::int64_t>(initial) ? std::optional(value) : std::nullopt;
}

std::optional<OptionValue> OptionInfo::parse(std::string_view text) const
{
  if (std::holds_alternative<std::string>(initial))
    return accept(std::string(text));
  if (text.starts_with('+'))
    text.remove_prefix(1);
  const auto read = [&](auto & x)
  {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), x);
    return error == std::errc() && end == text.data() + text.size();
  };
  if (double x = 0; std::holds_alternative<double>(initial))
    return read(x) ? accept(x) : std::nullopt;
  std::int64_t x = 0;
  return read(x) ? accept(x) : std::nullopt;
}

std::span<const std::string_view> solver_types()
{
  return types;
}

std::span<const OptionInfo> options_of(std::string_view type)
{
  const std::span<const OptionInfo> all = table();
  if (type == types[1])
    return all;
  std::size_t plain = 0;
  while (type == types[0] && !all[plain].line_search)
    ++plain;
  return all.first(plain);
}

const OptionInfo * find_option(std::string_view type, std::string_view name)
{
  for (const auto & option : options_of(type))
    if (option.name == name)
      return &option;
  return nullptr;
}

NewtonOptions newton_options(std::string_view type, const std::map<std::string, OptionValue> & values,
                             bool substepping)
{
  NewtonOptions options;
  options.final_update = true;
  if (type == types[1])
    options.line_search.emplace();
  for (const auto & option : options_of(type))
  {
    const auto given = values.find(std::string(option.name));
    option.set(options, given == values.end() ? option.initial : given->second);
  }
  if (!substepping)
    options.update_tol.reset();
  return options;
}

} // namespace neml2::solvers
