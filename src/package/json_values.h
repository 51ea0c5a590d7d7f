// SPDX-License-Identifier: MIT
#pragma once

#include "package/Metadata.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

/**
 * Metadata as JSON: a text that carries a hash of itself, and values of exactly the type that is asked for.
 * Everything here throws std::invalid_argument with the reason, or nlohmann's parse_error.
 */
namespace neml2::aoti::json_values
{

using nlohmann::json;

struct Document
{
  json root;
  bool sealed = false; ///< whether it carries a hash
};

/// Parses a text, whose hash must hold if it has one.
Document parse(const std::string & text);

const json & member(const json & object, const char * key);
const json & list(const json & object, const char * key);
std::string text(const json & object, const char * key);
bool truth(const json & object, const char * key);
std::int64_t size(const json & object, const char * key);
std::int64_t integer(const json & value, const char * key);
std::vector<std::int64_t> integers(const json & values, const char * key);
std::pair<std::int64_t, std::int64_t> pair(const json & value, const char * key);
Range range(const json & value, const char * key);
std::vector<Range> ranges(const json & object, const char * key);

/// A number; JSON has no infinities and no NaN: they are the words "inf", "-inf" and "nan".
double number(const json & value, const char * key);
std::vector<double> numbers(const json & object, const char * key);

/// Says that a value has the wrong type.
[[noreturn]] void wrong_type(const char * key, const json & value);

/// A value as it is shown in a message.
std::string shown(const json & value);

} // namespace neml2::aoti::json_values
