// SPDX-License-Identifier: MIT
#pragma once

#include "engines/lanes/Program.h"

#include <ATen/core/TensorBody.h>
#include <c10/core/Device.h>
#include <span>
#include <vector>

namespace neml2::aoti
{

/// Arrays in block layout, by ArrayId; one block stands for all where there is only one.
using DeviceArrays = std::vector<at::Tensor>;

/// Collects components of arrays.
class Gather
{
public:
  Gather(std::span<const Operand> sources, c10::Device device);

  /// (blocks, sources, lanes); a view where they lie side by side.
  at::Tensor operator()(const DeviceArrays & arrays, std::int64_t blocks) const;

private:
  struct Part ///< what comes from one array
  {
    ArrayId array;
    at::Tensor components, positions;
  };

  std::int64_t _count;
  Operand _first;
  bool _contiguous = true;
  std::vector<Part> _parts;
};

/// Instructions that do not depend on one another, as few operations on whole arrays.
class Combination
{
public:
  Combination(const Program & program, std::span<const std::size_t> instructions, c10::ScalarType dtype,
              c10::Device device);

  void operator()(const DeviceArrays & arrays) const;

private:
  /// At most one term of each instruction; all are products of components of the same arrays, or none is.
  struct Round
  {
    ArrayId a, b; ///< b: -1 where they are no products
    at::Tensor rows, a_components, b_components;
    at::Tensor factors; ///< (1, terms, 1); undefined where all are 1
  };

  void add(const Round & round, const DeviceArrays & arrays, const at::Tensor & sums) const;

  at::Tensor _targets, _offsets;
  std::vector<Round> _rounds;
};

/// A Program, made ready for a device.
struct DeviceProgram
{
  DeviceProgram(const Program & program, c10::ScalarType dtype, c10::Device device);

  std::vector<std::vector<Combination>> combinations; ///< of each step that combines, in turn
  at::Tensor constants;                               ///< (1, constants, 1)
};

} // namespace neml2::aoti
