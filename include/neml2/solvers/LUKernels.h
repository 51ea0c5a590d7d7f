// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/export.h"

#include <cstdint>
#include <span>

namespace neml2::solvers
{
/// Systems side by side in a block of the kernels below.
inline constexpr int lu_lanes = 16;

/// The functions of DenseLU.h for blocks of lu_lanes systems; see there for what each does. lda = 0 stands
/// for n.
template <class T>
struct LUFunctions
{
  std::uint32_t (*factor)(T * a, std::int32_t * piv, int n, int lanes, int lda);
  void (*solve)(const T * a, const std::int32_t * piv, T * b, int n, int m, int lanes, int lda);
  std::uint32_t (*factor_solve)(T * a, T * b, int n, int m, int lanes, int lda);
};

/// One set of kernels, compiled for one instruction set.
struct LUKernels
{
  const char * isa;
  LUFunctions<double> f64;
  LUFunctions<float> f32;
};

/// The kernels for the fastest instruction set this processor has. Thread-safe; the choice is made once.
NEML2_EXPORT const LUKernels & lu_kernels();

/// All kernels this processor can run, fastest first. Results differ between them by rounding (fused
/// multiply-add).
std::span<const LUKernels * const> lu_kernels_supported();

/**
 * A row stride (argument `lda`) that keeps the rows of a block out of each other's cache lines: n, or n + 1
 * where rows of n entries would be a multiple of 2 KiB apart. With n = 32 it halves the time.
 */
template <class T>
constexpr int lu_row_stride(int n)
{
  return n * lu_lanes * static_cast<int>(sizeof(T)) % 2048 == 0 ? n + 1 : n;
}
} // namespace neml2::solvers
