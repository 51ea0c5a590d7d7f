// SPDX-License-Identifier: MIT
#pragma once

#include "call/layout.h"

namespace neml2::aoti
{

/// Kernels written with vector instructions that this processor has, slowest first; none on other
/// architectures.
template <typename T>
std::vector<LayoutKernels<T>> x86_layout_kernels();

} // namespace neml2::aoti
