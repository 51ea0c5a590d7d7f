// SPDX-License-Identifier: MIT
#include "package/json_values.h"

#include "package/Sha256.h"

#include <algorithm>
#include <limits>
#include <set>
#include <stdexcept>
#include <string_view>

namespace neml2::aoti::json_values
{
namespace
{

constexpr std::int64_t largest_count = std::int64_t(1) << 32; // keeps products of sizes far from overflow

[[noreturn]] void fail(const std::string & reason)
{
  throw std::invalid_argument(reason);
}

/// What the text of metadata with a hash begins with; 64 digits follow.
constexpr std::string_view seal = "{\n \"sha256\": \"";
constexpr std::size_t digits = 64;

/// Whether the text carries a hash of itself, made with zeros in the place of its digits. Throws where it
/// does not hold.
bool check_seal(std::string text)
{
  if (!text.starts_with(seal) || text.size() < seal.size() + digits)
    return false;
  const auto said = text.substr(seal.size(), digits);
  text.replace(seal.size(), digits, digits, '0');
  if (sha256(text.data(), text.size()) != said)
    fail("it does not have the SHA-256 that it says: it is truncated or altered; compile the model again");
  return true;
}

/// Refuses what no package holds, while it is being read: depth that would exhaust the stack, and members
/// said twice, of which one would be lost.
class Guard
{
public:
  bool operator()(int depth, json::parse_event_t event, const json & parsed)
  {
    constexpr int deepest = 32;
    if (depth > deepest)
      fail("it is nested more than " + std::to_string(deepest) + " deep");
    const auto level = static_cast<std::size_t>(depth);
    if (event == json::parse_event_t::object_start)
    {
      _members.resize(std::max(_members.size(), level + 2));
      _members[level + 1].clear();
    }
    else if (event == json::parse_event_t::key && !_members[level].insert(parsed.get<std::string>()).second)
      fail("it says '" + parsed.get<std::string>() + "' twice");
    return true;
  }

private:
  std::vector<std::set<std::string>> _members; // by depth
};

} // namespace

Document parse(const std::string & text)
{
  const bool sealed = check_seal(text);
  return {json::parse(text, Guard()), sealed};
}

std::string shown(const json & value)
{
  constexpr std::size_t longest = 80;
  const auto text = value.dump();
  return text.size() > longest ? text.substr(0, longest) + "..." : text;
}

const json & member(const json & object, const char * key)
{
  if (!object.is_object() || !object.contains(key))
    fail(std::string("'") + key + "' is missing");
  return object.at(key);
}

void wrong_type(const char * key, const json & value)
{
  fail(std::string("'") + key + "' is " + shown(value) + ", which has the wrong type");
}

const json & list(const json & object, const char * key)
{
  const auto & value = member(object, key);
  if (!value.is_array())
    wrong_type(key, value);
  return value;
}

std::string text(const json & object, const char * key)
{
  const auto & value = member(object, key);
  if (!value.is_string())
    wrong_type(key, value);
  return value.get<std::string>();
}

std::int64_t integer(const json & value, const char * key)
{
  const bool overflows =
      value.is_number_unsigned() &&
      value.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!value.is_number_integer() || overflows)
    wrong_type(key, value);
  return value.get<std::int64_t>();
}

double number(const json & value, const char * key)
{
  constexpr auto infinity = std::numeric_limits<double>::infinity();
  if (value.is_number())
    return value.get<double>();
  if (value == "inf")
    return infinity;
  if (value == "-inf")
    return -infinity;
  if (value == "nan")
    return std::numeric_limits<double>::quiet_NaN();
  wrong_type(key, value);
}

bool truth(const json & object, const char * key)
{
  const auto & value = member(object, key);
  if (!value.is_boolean())
    wrong_type(key, value);
  return value.get<bool>();
}

std::int64_t size(const json & object, const char * key)
{
  const auto count = integer(member(object, key), key);
  if (count < 0 || count > largest_count)
    fail(std::string("'") + key + "' is " + std::to_string(count));
  return count;
}

std::vector<std::int64_t> integers(const json & values, const char * key)
{
  if (!values.is_array())
    wrong_type(key, values);
  std::vector<std::int64_t> result;
  result.reserve(values.size());
  for (const auto & value : values)
    result.push_back(integer(value, key));
  return result;
}

std::vector<double> numbers(const json & object, const char * key)
{
  std::vector<double> result;
  for (const auto & value : list(object, key))
    result.push_back(number(value, key));
  return result;
}

std::pair<std::int64_t, std::int64_t> pair(const json & value, const char * key)
{
  const auto both = integers(value, key);
  if (both.size() != 2)
    fail(std::string("'") + key + "' is " + shown(value) + ", expected two numbers");
  return {both[0], both[1]};
}

Range range(const json & value, const char * key)
{
  const auto [offset, count] = pair(value, key);
  return {offset, count};
}

std::vector<Range> ranges(const json & object, const char * key)
{
  std::vector<Range> result;
  for (const auto & value : list(object, key))
    result.push_back(range(value, key));
  return result;
}

} // namespace neml2::aoti::json_values
