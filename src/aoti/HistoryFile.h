// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/TensorBody.h>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace neml2::aoti
{

/// What a history leaves for a restart. The file is, little endian throughout: 8 bytes "neml2his"; the
/// version as a 4-byte unsigned integer; the length of the description, as another; the description, JSON
/// with "model", "dtype" ("float64" or "float32"), "points" and "arrays", a list of {"name", "steps",
/// "shape"}; the numbers of the arrays in that order, row-major, without gaps; the SHA-256 of all that in 64
/// hexadecimal digits.
struct HistoryFile
{
  static constexpr std::uint32_t version = 1;

  struct Array
  {
    std::string name;
    std::int64_t steps;
    at::Tensor value;
  };

  std::string model;
  c10::ScalarType dtype;
  std::int64_t points;
  std::vector<Array> arrays;

  /// Writes the file beside `path` and exchanges the two in one step. Throws FatalError.
  void write(const std::filesystem::path & path) const;

  /// Reads and checks a file. Throws FatalError with the path and the reason.
  static HistoryFile read(const std::filesystem::path & path);
};

} // namespace neml2::aoti
