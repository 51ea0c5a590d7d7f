// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/solvers/DenseLU.h"
#include "neml2/solvers/LUKernels.h"

namespace neml2::solvers::detail
{
// One function per file that is compiled for an instruction set of its own.
const LUKernels & lu_kernels_baseline();
const LUKernels & lu_kernels_avx2();
const LUKernels & lu_kernels_avx512();
} // namespace neml2::solvers::detail

/// Defines the kernels of the including file's instruction set. They have internal linkage or live in its
/// namespace.
#define NEML2_LU_DEFINE_KERNELS(set)                                                                         \
  namespace neml2::solvers::detail                                                                           \
  {                                                                                                          \
  static constexpr LUKernels kernels = {                                                                     \
      #set,                                                                                                  \
      {&lu_factor<double, lu_lanes>, &lu_solve<double, lu_lanes>, &lu_factor_solve<double, lu_lanes>},       \
      {&lu_factor<float, lu_lanes>, &lu_solve<float, lu_lanes>, &lu_factor_solve<float, lu_lanes>}};         \
  const LUKernels & lu_kernels_##set()                                                                       \
  {                                                                                                          \
    return kernels;                                                                                          \
  }                                                                                                          \
  }
