// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/export.h"
#include "neml2/solvers/Newton.h"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace neml2::solvers
{

/// A number, a count or a word.
using OptionValue = std::variant<double, std::int64_t, std::string>;

/// One option of a nonlinear solver, under its name in input files: the only place that says what it may be.
struct OptionInfo
{
  std::string_view name;
  bool line_search; ///< whether it belongs to NewtonWithLineSearch alone
  OptionValue initial;
  double least = 0; ///< numbers and counts lie between these; numbers are finite
  double most = 0;
  bool above_least = false; ///< whether `least` itself is too little
  std::vector<std::string_view> words = {};
  void (*set)(NewtonOptions & options, const OptionValue & value) = nullptr;

  /// What a value has to be: "a finite number, 0 or more".
  NEML2_EXPORT std::string expected() const;

  /// The value, as this option keeps it (a count is a number too); nothing where it is not as expected.
  NEML2_EXPORT std::optional<OptionValue> accept(const OptionValue & value) const;

  /// The same from the text of an input file: decimal numbers, without white space.
  NEML2_EXPORT std::optional<OptionValue> parse(std::string_view text) const;
};

/// Types of nonlinear solvers: "Newton", "NewtonWithLineSearch".
NEML2_EXPORT std::span<const std::string_view> solver_types();

/// The options of a type of solver; none for an unknown one.
NEML2_EXPORT std::span<const OptionInfo> options_of(std::string_view type);

/// The option of that name, or null.
NEML2_EXPORT const OptionInfo * find_option(std::string_view type, std::string_view name);

/// Settings of a solver from accepted values; those that are missing are initial. Without substepping the
/// size of updates is not looked at.
NEML2_EXPORT NewtonOptions newton_options(std::string_view type,
                                          const std::map<std::string, OptionValue> & values,
                                          bool substepping);

} // namespace neml2::solvers
