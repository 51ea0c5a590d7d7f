// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/TensorBody.h>
#include <cstdint>

namespace neml2::aoti
{

/// The memory that the elements of a strided tensor lie in. Tensors are compared by address, because two of
/// different storages may lie in one buffer (views of NumPy arrays, `from_blob`).
struct Region
{
  const at::Tensor * tensor;
  std::uintptr_t begin = 0, end = 0; ///< addresses; none where there are no elements

  explicit Region(const at::Tensor & of);
};

/// Whether some element of one may lie on one of the other. Never wrong where it says no. It says no for
/// whatever lies apart, and for fields of interleaved records; where strides differ in other ways it may say
/// yes without need.
bool may_overlap(const Region & a, const Region & b);

/// Whether two elements of a tensor may lie at one place (an expanded view, overlapping windows).
bool may_overlap_itself(const at::Tensor & tensor);

} // namespace neml2::aoti
