// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/solvers/Newton.h"
#include "package/Metadata.h"

namespace neml2::aoti
{

/// The settings of an implicit segment's solver. Throws FatalError for a value that makes no sense, or that
/// the package was not compiled for.
solvers::NewtonOptions newton_options(const Metadata & metadata, const ImplicitInfo & info);

} // namespace neml2::aoti
