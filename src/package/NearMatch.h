// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace neml2::aoti
{

/// ", did you mean 'stress'?" for the known name nearest to `name`, or "" where none is near.
std::string did_you_mean(const std::string & name, const std::vector<std::string> & known);

/// "'a', 'b', 'c'", or "none".
std::string quoted_list(const std::vector<std::string> & names);

} // namespace neml2::aoti
