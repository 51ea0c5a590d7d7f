// SPDX-License-Identifier: MIT
#include "package/NearMatch.h"

#include <algorithm>
#include <numeric>

namespace neml2::aoti
{
namespace
{

/// Number of single-character insertions, deletions and substitutions between two words (Levenshtein).
std::size_t edit_distance(const std::string & a, const std::string & b)
{
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t(0));
  for (std::size_t i = 1; i <= a.size(); i++)
  {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); j++)
    {
      const std::size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

} // namespace

std::string did_you_mean(const std::string & name, const std::vector<std::string> & known)
{
  const std::string * nearest = nullptr;
  std::size_t least = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const auto & candidate : known)
    if (const auto distance = edit_distance(name, candidate); distance < least)
    {
      least = distance;
      nearest = &candidate;
    }
  return nearest ? ", did you mean '" + *nearest + "'?" : "";
}

std::string quoted_list(const std::vector<std::string> & names)
{
  std::string list;
  for (const auto & name : names)
    list += (list.empty() ? "'" : ", '") + name + "'";
  return list.empty() ? "none" : list;
}

} // namespace neml2::aoti
