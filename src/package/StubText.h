// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <nmhit/nmhit.h>
#include <string>

namespace neml2::aoti
{

/// Looks over an input file, and what it includes, before the parser does, which recurses over blocks and
/// includes without a limit. Throws FatalError with file and line for blocks more than 64 deep, a file that
/// includes itself, quotes that are not closed, and bytes that are no text.
void check_stub_text(const std::filesystem::path & path);

/// The text of a field, `${...}` expanded. Throws FatalError where the value refers to itself or to nothing,
/// or expands to more than it may.
std::string field_text(const nmhit::Node & field);

} // namespace neml2::aoti
