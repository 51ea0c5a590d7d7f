// SPDX-License-Identifier: MIT
#include "call/Arguments.h"

#include "neml2/aoti/exceptions.h"

#include <ATen/Functions.h>
#include <algorithm>
#include <c10/core/AutogradState.h>

namespace neml2::aoti
{

std::string to_text(at::IntArrayRef shape)
{
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); i++)
    text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

namespace
{

std::string dtype_name(c10::ScalarType dtype)
{
  switch (dtype)
  {
  case c10::ScalarType::Double:
    return "float64";
  case c10::ScalarType::Float:
    return "float32";
  case c10::ScalarType::Half:
    return "float16";
  case c10::ScalarType::Long:
    return "int64";
  case c10::ScalarType::Int:
    return "int32";
  case c10::ScalarType::Bool:
    return "bool";
  default:
    return c10::toString(dtype);
  }
}

/// What a tensor may be besides an array in the memory of its device: the subject of autograd, and negated.
constexpr c10::DispatchKeySet plain =
    c10::DispatchKeySet({c10::DispatchKey::Dense, c10::DispatchKey::Negative}) |
    c10::autograd_dispatch_keyset_with_ADInplaceOrView | c10::autocast_dispatch_keyset |
    c10::DispatchKeySet(c10::DispatchKeySet::RAW, c10::full_backend_mask);

bool is_plain(const at::Tensor & tensor)
{
  return (tensor.key_set().raw_repr() & ~plain.raw_repr()) == 0 && tensor.has_storage();
}

/// Whether all elements lie in memory that there is, as torch itself takes for granted.
void check_memory(const at::Tensor & tensor, const Label & what)
{
  if (tensor.numel() == 0)
    return;
  std::int64_t last = tensor.storage_offset();
  for (std::int64_t axis = 0; axis < tensor.dim(); axis++)
  {
    if (tensor.stride(axis) < 0)
      throw FatalError(what.text() + " has a negative stride; give a copy");
    last += (tensor.size(axis) - 1) * tensor.stride(axis);
  }
  const auto bytes = (static_cast<std::size_t>(last) + 1) * tensor.element_size();
  const auto & storage = tensor.unsafeGetTensorImpl()->unsafe_storage();
  const auto * data = tensor.const_data_ptr();
  if (storage.nbytes() < bytes || !data)
    throw FatalError(what.text() + " needs " + std::to_string(bytes) + " bytes, and its storage has " +
                     std::to_string(data ? storage.nbytes() : 0) + ": it was freed or made smaller");
  if (reinterpret_cast<std::uintptr_t>(data) % tensor.element_size() != 0)
    throw FatalError(what.text() + " does not begin at a multiple of its " +
                     std::to_string(tensor.element_size()) + " bytes an element; give a copy");
}

/// Compiled models record nothing, so nothing that expects it is let through.
void check_gradient(const at::Tensor & tensor, const Label & what)
{
  const auto & recording = c10::AutogradState::get_tls_state();
  if (recording.get_grad_mode() && tensor.requires_grad())
    throw FatalError(what.text() + " requires a gradient, which compiled models do not record: give a " +
                     "detached tensor or call under no_grad; derivatives are had from jacobian, jvp and vjp");
  if (recording.get_fw_grad_mode() && tensor._fw_grad(0).defined())
    throw FatalError(what.text() + " is a dual tensor, and compiled models do not carry tangents along: " +
                     "give its primal, and its tangent to jvp");
}

} // namespace

void check_tensor(const at::Tensor & tensor, const Label & what, at::IntArrayRef trailing,
                  c10::ScalarType dtype, c10::Device device, bool may_record)
{
  if (!tensor.defined())
    throw FatalError(what.text() + " is an undefined tensor");
  if (!is_plain(tensor))
    throw FatalError(what.text() + " is no plain tensor with memory of its own (it may be sparse, nested, " +
                     "all zeros by definition, a tensor subclass, or come from a transformation such as " +
                     "torch.func.vmap)");
  if (tensor.scalar_type() != dtype)
    throw FatalError(what.text() + " has dtype " + dtype_name(tensor.scalar_type()) + ", expected " +
                     dtype_name(dtype) + "; convert it");
  if (tensor.device() != device)
    throw FatalError(what.text() + " is on the device '" + tensor.device().str() + "', expected '" +
                     device.str() + "'; move it");
  const auto sizes = tensor.sizes();
  if (sizes.size() < trailing.size() || sizes.slice(sizes.size() - trailing.size()) != trailing)
  {
    std::string expected = "(*batch";
    for (const auto extent : trailing)
      expected += ", " + std::to_string(extent);
    throw FatalError(what.text() + " has shape " + to_text(sizes) + ", expected " + expected + ")");
  }
  check_memory(tensor, what);
  if (!may_record && tensor.unsafeGetTensorImpl()->autograd_meta()) // few have any
    check_gradient(tensor, what);
}

bool broadcast_into(Shape & common, at::IntArrayRef shape)
{
  if (shape.size() > common.size())
    common.insert(common.begin(), shape.size() - common.size(), 1);
  const std::size_t lead = common.size() - shape.size();
  for (std::size_t i = 0; i < shape.size(); i++)
  {
    auto & extent = common[lead + i];
    if (extent == 1)
      extent = shape[i];
    else if (shape[i] != 1 && shape[i] != extent)
      return false;
  }
  return true;
}

namespace
{

std::int64_t product(at::IntArrayRef shape)
{
  std::int64_t count = 1;
  for (const auto extent : shape)
    count *= extent;
  return count;
}

/// Distance between the points of a batch that steps through memory evenly, or -1.
std::int64_t even_stride(at::IntArrayRef sizes, at::IntArrayRef strides)
{
  std::int64_t stride = -1;
  std::int64_t expected = -1;
  for (std::size_t i = sizes.size(); i-- > 0;)
  {
    if (sizes[i] == 1)
      continue;
    if (stride < 0)
      stride = strides[i];
    else if (strides[i] != expected)
      return -1;
    expected = strides[i] * sizes[i];
  }
  return std::max<std::int64_t>(stride, 0);
}

bool contiguous_rows(const at::Tensor & tensor, std::size_t trailing)
{
  std::int64_t expected = 1;
  for (std::size_t i = 0; i < trailing; i++)
  {
    const auto axis = static_cast<std::int64_t>(tensor.dim()) - 1 - static_cast<std::int64_t>(i);
    if (tensor.size(axis) != 1 && tensor.stride(axis) != expected)
      return false;
    expected *= tensor.size(axis);
  }
  return true;
}

/// Strides of a tensor over the batch `common`.
std::shared_ptr<const Strides> strides_of(const at::Tensor & tensor, std::size_t trailing,
                                          const Shape & common)
{
  auto strides = std::make_shared<Strides>();
  const auto batch = batch_shape(tensor, trailing);
  strides->batch.resize(common.size(), 0);
  const auto lead = common.size() - batch.size();
  for (std::size_t i = 0; i < batch.size(); i++)
    strides->batch[lead + i] = batch[i] == 1 ? 0 : tensor.stride(static_cast<std::int64_t>(i));
  if (contiguous_rows(tensor, trailing))
    return strides;
  strides->components.push_back(0);
  for (auto axis = static_cast<std::int64_t>(batch.size()); axis < tensor.dim(); axis++)
  {
    Shape finer;
    for (const auto place : strides->components)
      for (std::int64_t i = 0; i < tensor.size(axis); i++)
        finer.push_back(place + i * tensor.stride(axis));
    strides->components = std::move(finer);
  }
  return strides;
}

} // namespace

Argument as_rows(const at::Tensor & tensor, std::size_t trailing, std::int64_t components,
                 const Shape & common, bool follows_strides)
{
  const auto batch = batch_shape(tensor, trailing);
  Argument rows;
  rows.range.size = components;
  if (tensor.numel() == 0) // there is nothing to be read, whatever the strides say
    return rows;
  if (!tensor.is_neg() && contiguous_rows(tensor, trailing))
  {
    // several points, as many as the common batch has: the shapes differ at most by leading ones
    const auto count = product(batch);
    const auto stride = count == 1 ? 0 : even_stride(batch, tensor.strides().slice(0, batch.size()));
    if (stride >= 0 && (count == 1 || count == product(common)))
    {
      rows.data = const_cast<void *>(tensor.const_data_ptr()); // inputs are only ever read
      rows.stride = stride;
      return rows;
    }
  }
  if (follows_strides && !tensor.is_neg())
  {
    rows.data = const_cast<void *>(tensor.const_data_ptr());
    rows.strides = strides_of(tensor, trailing, common);
    return rows;
  }
  const bool one = product(batch) == 1; // the same for all points, of which there may be none
  Shape shape;
  if (!one)
    shape = common;
  shape.append(tensor.sizes().end() - static_cast<std::ptrdiff_t>(trailing), tensor.sizes().end());
  rows.keep = tensor.resolve_neg();
  rows.keep = (one ? rows.keep.reshape(shape) : rows.keep.expand(shape)).contiguous();
  rows.data = const_cast<void *>(rows.keep.const_data_ptr());
  rows.stride = one ? 0 : components;
  return rows;
}

} // namespace neml2::aoti
