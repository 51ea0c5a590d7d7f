// SPDX-License-Identifier: MIT
#include "neml2/solvers/LUKernels.h"

#include <array>
#include <cstddef>

namespace neml2::solvers
{
namespace detail
{
const LUKernels & lu_kernels_baseline();
#ifdef NEML2_LU_X86
const LUKernels & lu_kernels_avx2();
const LUKernels & lu_kernels_avx512();
#endif
} // namespace detail

namespace
{
struct Supported
{
  std::array<const LUKernels *, 3> kernels{};
  std::size_t count = 0;

  void add(const LUKernels & k) { kernels[count++] = &k; }
};

Supported find_supported()
{
  Supported s;
#ifdef NEML2_LU_X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    s.add(detail::lu_kernels_avx512());
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    s.add(detail::lu_kernels_avx2());
#endif
  s.add(detail::lu_kernels_baseline());
  return s;
}

const Supported & supported()
{
  static const Supported s = find_supported();
  return s;
}
} // namespace

const LUKernels & lu_kernels()
{
  return *supported().kernels[0];
}

std::span<const LUKernels * const> lu_kernels_supported()
{
  return {supported().kernels.data(), supported().count};
}
} // namespace neml2::solvers
