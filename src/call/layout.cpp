// SPDX-License-Identifier: MIT
#include "call/layout.h"

#include "call/layout_plain.h"
#include "call/layout_x86.h"

namespace neml2::aoti
{
template <typename T>
std::vector<LayoutKernels<T>> all_layout_kernels()
{
  std::vector<LayoutKernels<T>> kernels = {{&load_plain<T>, &store_plain<T>, [] {}, "plain"}};
  for (const auto & kernel : x86_layout_kernels<T>())
    kernels.push_back(kernel);
  return kernels;
}

template <typename T>
const LayoutKernels<T> & layout_kernels()
{
  static const LayoutKernels<T> best = all_layout_kernels<T>().back();
  return best;
}

template std::vector<LayoutKernels<float>> all_layout_kernels();
template std::vector<LayoutKernels<double>> all_layout_kernels();
template const LayoutKernels<float> & layout_kernels();
template const LayoutKernels<double> & layout_kernels();

} // namespace neml2::aoti
