// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/aoti/Model.h"
#include "package/Metadata.h"

#include <map>
#include <string>

namespace neml2::aoti
{

/// The text of an option, and where it stands: "model.i:12: ", or "".
struct SolverSetting
{
  std::string text;
  std::string place;
};

/// Options that replace those of a package, by solver and name.
struct SolverOverrides
{
  /// Who uses a block: this model, another part of the file, or, as far as one can see, nobody.
  enum class Use
  {
    here,
    elsewhere,
    nowhere
  };

  struct Block
  {
    std::string place;
    Use use = Use::here;
    std::map<std::string, SolverSetting> options;
  };

  SolverOverrides() = default;
  explicit SolverOverrides(const SolverOptions & options);

  /// Adds others, which take precedence.
  void add(const SolverOverrides & others);

  std::map<std::string, Block> blocks;
};

/// Replaces options of a package's solvers. Throws FatalError for an unknown solver, option or type, and for
/// a value that cannot be. A block that nobody uses is taken for a misspelt one where it is near to one that
/// is missing.
void override_solvers(Metadata & metadata, const SolverOverrides & overrides);

} // namespace neml2::aoti
