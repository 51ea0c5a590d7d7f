// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/aoti/Model.h"

#include <nanobind/nanobind.h>

namespace neml2::bindings
{

/// A Python mapping of names to arrays, without copying: torch tensors, and what speaks DLPack (NumPy, CuPy,
/// JAX). Throws FatalError, which says `kind` and the name, for anything else.
aoti::ValueMap to_values(nanobind::handle mapping, const char * kind);

/// The same for nested mappings.
aoti::JacobianMap to_jacobian(nanobind::handle mapping);

/// One array, without copying.
at::Tensor to_tensor(nanobind::handle object, const std::string & what);

/// A torch tensor, without copying.
nanobind::object to_python(const at::Tensor & tensor);

/// A dict of torch tensors. `order` lists the names first in line.
nanobind::dict to_python(const aoti::ValueMap & values, const std::vector<std::string> & order);

/// A dict of dicts of torch tensors, in the order of the pairs.
nanobind::dict to_python(const aoti::JacobianMap & blocks,
                         const std::vector<std::pair<std::string, std::string>> & pairs);

} // namespace neml2::bindings
