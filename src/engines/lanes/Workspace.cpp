// SPDX-License-Identifier: MIT
#include "engines/lanes/Workspace.h"

#include <ATen/EmptyTensor.h>
#include <ATen/Functions.h>
#include <array>

namespace neml2::aoti
{

Workspace::Workspace(const WorkspaceLayout & layout)
    : _lanes(layout.lanes), _dtype(layout.dtype), _device(layout.device),
      _arrays(static_cast<std::size_t>(layout.arrays))
{
  _runners.reserve(layout.graphs.size());
  for (const auto & graph : layout.graphs)
    _runners.push_back(std::make_unique<GraphRunner>(graph));
}

const at::Tensor & Workspace::array(ArrayId id, std::int64_t components)
{
  auto & array = _arrays[static_cast<std::size_t>(id)];
  if (array.blocks == _blocks && array.components == components)
    return array.tensor;
  const std::array<std::int64_t, 3> shape = {_blocks, components, _lanes};
  const auto elements = _blocks * components * _lanes;
  if (elements > array.capacity || !array.tensor.defined())
  {
    array.tensor = _device.is_cpu() ? at::detail::empty_cpu(shape, _dtype, false, std::nullopt)
                                    : at::empty(shape, at::device(_device).dtype(_dtype));
    array.capacity = elements;
  }
  else
    array.tensor.unsafeGetTensorImpl()->set_sizes_contiguous(shape);
  array.blocks = _blocks;
  array.components = components;
  return array.tensor;
}

void Workspace::release()
{
  if (!_device.is_cpu())
    _arrays.assign(_arrays.size(), {});
}

std::unique_ptr<Workspace> WorkspacePool::take()
{
  {
    const std::lock_guard lock(_guard);
    if (!_free.empty())
    {
      auto workspace = std::move(_free.back());
      _free.pop_back();
      return workspace;
    }
  }
  return std::make_unique<Workspace>(_layout);
}

void WorkspacePool::give(std::unique_ptr<Workspace> workspace)
{
  workspace->release();
  const std::lock_guard lock(_guard);
  _free.push_back(std::move(workspace));
}

} // namespace neml2::aoti
