// SPDX-License-Identifier: MIT
#pragma once

#include "package/Metadata.h"

#include <ATen/core/TensorBody.h>
#include <c10/util/SmallVector.h>
#include <map>
#include <memory>
#include <string>

namespace neml2::aoti
{

using Shape = c10::SmallVector<std::int64_t, 5>;

/// Where the elements of an array are that does not lie in evenly spaced rows.
struct Strides
{
  Shape batch;      ///< elements from point to point along each axis of the batch
  Shape components; ///< place of each component behind the point's; empty: side by side
};

/// A caller's array of points, checked and ready to be read or written: row p starts at data + p * stride,
/// counted in elements. A stride of 0 gives every point of the batch the same row.
struct Argument
{
  void * data = nullptr;
  std::int64_t stride = 0;
  Range range;                                 ///< of the state, or of another array in block layout
  at::Tensor keep = {};                        ///< keeps a copy alive where one had to be made
  std::shared_ptr<const Strides> strides = {}; ///< in place of `stride`, if not null
};

/// What a tensor is, in messages: kind and name, as in "input 'strain'".
struct Label
{
  const char * kind;
  const std::string & name;

  std::string text() const { return kind + (" '" + name + "'"); }
};

/// Throws FatalError unless `tensor` is a plain tensor of the given dtype and device whose last axes have the
/// shape `trailing`, whose elements all lie in memory, and which, unless it `may_record`, autograd expects
/// nothing of.
void check_tensor(const at::Tensor & tensor, const Label & what, at::IntArrayRef trailing,
                  c10::ScalarType dtype, c10::Device device, bool may_record = false);

/// Axes of a tensor before the last `trailing` ones.
inline at::IntArrayRef batch_shape(const at::Tensor & tensor, std::size_t trailing)
{
  return tensor.sizes().slice(0, static_cast<std::size_t>(tensor.dim()) - trailing);
}

/// Broadcasts `common` against `shape` in place. Returns false where they do not fit.
bool broadcast_into(Shape & common, at::IntArrayRef shape);

/// A checked tensor seen as rows over the batch `common`. What has no such view is described by its strides
/// if these can be followed, else copied.
Argument as_rows(const at::Tensor & tensor, std::size_t trailing, std::int64_t components,
                 const Shape & common, bool follows_strides);

/// "(2, 3)"
std::string to_text(at::IntArrayRef shape);

} // namespace neml2::aoti
