// SPDX-License-Identifier: MIT
#include "engines/Log.h"

#include <cstdlib>
#include <iostream>
#include <map>
#include <sstream>

namespace neml2::aoti
{
namespace
{

std::map<std::string, LogLevel, std::less<>> read_levels()
{
  std::map<std::string, LogLevel, std::less<>> levels;
  const char * text = std::getenv("NEML2_LOGS");
  std::istringstream items(text ? text : "");
  for (std::string item; std::getline(items, item, ',');)
  {
    const auto equals = item.find('=');
    const auto level = equals == std::string::npos ? "info" : item.substr(equals + 1);
    if (level == "info" || level == "debug")
      levels[item.substr(0, equals)] = level == "info" ? LogLevel::info : LogLevel::debug;
    else if (level != "off")
      std::cerr << "NEML2_LOGS: '" << level << "' is no level; expected off, info or debug\n";
  }
  return levels;
}

} // namespace

LogLevel log_level(const char * channel)
{
  static const auto levels = read_levels();
  if (levels.empty())
    return LogLevel::off;
  const auto it = levels.find(std::string_view(channel));
  return it == levels.end() ? LogLevel::off : it->second;
}

void write_log(const char * channel, const std::string & text)
{
  std::cerr << "[neml2 " + std::string(channel) + "] " + text + "\n";
}

} // namespace neml2::aoti
