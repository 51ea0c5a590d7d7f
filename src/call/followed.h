// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/TensorBody.h>
#include <c10/core/AutogradState.h>

namespace neml2::aoti
{

/// Whether autograd, in either mode, expects something of what is computed from a tensor.
inline bool is_followed(const at::Tensor & tensor)
{
  if (!tensor.defined() || !tensor.unsafeGetTensorImpl()->autograd_meta()) // few have any
    return false;
  const auto & recording = c10::AutogradState::get_tls_state();
  return (recording.get_grad_mode() && tensor.requires_grad()) ||
         (recording.get_fw_grad_mode() && tensor._fw_grad(0).defined());
}

} // namespace neml2::aoti
