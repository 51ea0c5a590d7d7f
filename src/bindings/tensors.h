// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/aoti/Model.h"

#include <nanobind/nanobind.h>

namespace neml2::bindings
{

/// What becomes of an array. Those that are only read are copied where torch cannot describe them (negative
/// strides, elements that are not aligned); others are refused then, and where they are read-only.
enum class Access
{
  read,
  write,
  share ///< kept, and handed out again
};

/// A Python mapping of names to arrays, without copying: torch tensors, and what speaks DLPack (NumPy, CuPy,
/// JAX). Throws FatalError, which says `kind` and the name, for anything else.
aoti::ValueMap to_values(nanobind::handle mapping, const char * kind, Access access = Access::read);

/// The same for nested mappings of arrays that are written to.
aoti::JacobianMap to_jacobian(nanobind::handle mapping);

/// Whether autograd or a transform of torch.func follows one of the values.
bool followed(const aoti::ValueMap & values);

/// One array.
at::Tensor to_tensor(nanobind::handle object, const std::string & what, Access access = Access::read);

/// A torch tensor, without copying.
nanobind::object to_python(const at::Tensor & tensor);

/// A dict of torch tensors. `order` lists the names first in line.
nanobind::dict to_python(const aoti::ValueMap & values, const std::vector<std::string> & order);

/// A dict of dicts of torch tensors, in the order of the pairs.
nanobind::dict to_python(const aoti::JacobianMap & blocks,
                         const std::vector<std::pair<std::string, std::string>> & pairs);

} // namespace neml2::bindings
