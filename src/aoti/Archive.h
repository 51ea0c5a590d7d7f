// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace neml2::aoti
{

/// The whole content of a file. Throws FatalError with the path and the reason.
std::string read_file(const std::filesystem::path & path);

/// The one shared object (`*.so`) inside a `.pt2`, which is a zip whose members are stored uncompressed.
/// `archive` is the content of the file at `path`; `path` is used in messages only. Throws FatalError for
/// anything that is not such an archive.
/// @return a view into `archive`
std::string_view find_shared_object(std::string_view archive, const std::filesystem::path & path);

} // namespace neml2::aoti
