// SPDX-License-Identifier: MIT
#include "aoti/Arguments.h"

#include "neml2/aoti/exceptions.h"

#include <ATen/Functions.h>
#include <algorithm>

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

} // namespace

void check_tensor(const at::Tensor & tensor, const Label & what, at::IntArrayRef trailing,
                  c10::ScalarType dtype, c10::Device device)
{
  if (!tensor.defined())
    throw FatalError(what.text() + " is an undefined tensor");
  if (tensor.scalar_type() != dtype)
    throw FatalError(what.text() + " has dtype " + dtype_name(tensor.scalar_type()) + ", expected " +
                     dtype_name(dtype) + "; convert it");
  if (tensor.device() != device)
    throw FatalError(what.text() + " is on the device '" + tensor.device().str() + "', expected '" +
                     device.str() + "'; move it");
  if (tensor.layout() != c10::kStrided || !tensor.has_storage() ||
      tensor.unsafeGetTensorImpl()->is_python_dispatch())
    throw FatalError(what.text() +
                     " is no plain tensor with memory of its own (it may be sparse, a tensor subclass, " +
                     "or come from a transformation such as torch.func.vmap)");
  const auto sizes = tensor.sizes();
  if (sizes.size() < trailing.size() || sizes.slice(sizes.size() - trailing.size()) != trailing)
  {
    std::string expected = "(*batch";
    for (const auto extent : trailing)
      expected += ", " + std::to_string(extent);
    throw FatalError(what.text() + " has shape " + to_text(sizes) + ", expected " + expected + ")");
  }
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
  Shape shape(common);
  shape.append(tensor.sizes().end() - static_cast<std::ptrdiff_t>(trailing), tensor.sizes().end());
  rows.keep = tensor.resolve_neg().expand(shape).contiguous();
  rows.data = const_cast<void *>(rows.keep.const_data_ptr());
  rows.stride = components;
  return rows;
}

} // namespace neml2::aoti
