// SPDX-License-Identifier: MIT
#pragma once

#include "package/Archive.h"

#include <string>
#include <utility>
#include <vector>

namespace neml2::aoti::test
{

/// A zip archive with stored members.
inline std::string zip(const std::vector<std::pair<std::string, std::string>> & members, char method = 0)
{
  const auto number = [](std::size_t value, int bytes)
  {
    std::string text;
    for (int i = 0; i < bytes; i++)
      text += static_cast<char>(value >> (8 * i));
    return text;
  };
  std::string archive, directory;
  for (const auto & [name, data] : members)
  {
    const auto sizes =
        number(crc32(data), 4) + number(data.size(), 4) + number(data.size(), 4) + number(name.size(), 2);
    directory += "PK\1\2" + number(20, 2) + number(20, 2) + number(0, 2) + std::string(1, method) +
                 number(0, 1) + number(0, 4) + sizes + std::string(12, char(0)) + number(archive.size(), 4) +
                 name;
    archive += "PK\3\4" + number(20, 2) + number(0, 2) + std::string(1, method) + number(0, 1) +
               number(0, 4) + sizes + number(0, 2) + name + data;
  }
  return archive + directory + "PK\5\6" + number(0, 4) + number(members.size(), 2) +
         number(members.size(), 2) + number(directory.size(), 4) + number(archive.size(), 4) + number(0, 2);
}

} // namespace neml2::aoti::test
