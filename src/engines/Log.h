// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace neml2::aoti
{

enum class LogLevel : char
{
  off,
  info,
  debug
};

/// What the environment variable NEML2_LOGS asks for a channel: "newton=info", several separated by commas.
/// Read once.
LogLevel log_level(const char * channel);

/// Writes a line to standard error, whole even when several threads write.
void write_log(const char * channel, const std::string & text);

} // namespace neml2::aoti
