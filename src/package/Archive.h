// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace neml2::aoti
{

/// The whole content of a file. Throws FatalError with the path and the reason.
std::string read_file(const std::filesystem::path & path);

/// The one member of a `.pt2` whose name ends in `ending`, empty where there is none. A `.pt2` is a zip whose
/// members are stored uncompressed. `archive` is the content of the file at `path`; `path` is used in
/// messages only. Throws FatalError for anything that is not such an archive, and for a member whose checksum
/// does not hold.
/// @return a view into `archive`
std::string_view find_member(std::string_view archive, std::string_view ending,
                             const std::filesystem::path & path);

/// The shared object (`*.so`) inside a `.pt2`, as find_member. Throws FatalError where there is none.
std::string_view find_shared_object(std::string_view archive, const std::filesystem::path & path);

/// The checksum of zip archives: CRC-32 of ISO 3309, as section 4.4.7 of APPNOTE.TXT says.
std::uint32_t crc32(std::string_view bytes);

} // namespace neml2::aoti
