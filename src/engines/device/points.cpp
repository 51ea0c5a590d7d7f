// SPDX-License-Identifier: MIT
#include "engines/device/points.h"

namespace neml2::aoti
{

MatrixEntries::MatrixEntries(const EntriesInfo & entries, std::int64_t size, c10::ScalarType dtype,
                             c10::Device device)
    : _size(size)
{
  std::vector<std::int64_t> components, constant;
  std::vector<double> constants;
  for (const auto index : entries.index)
  {
    components.push_back(index < 0 ? 0 : index);
    constant.push_back(index < 0);
    constants.push_back(index < 0 ? entries.constants[static_cast<std::size_t>(-index - 1)] : 0);
  }
  _components = to_device(components, at::kLong, device);
  _constant = to_device(constant, at::kBool, device).view({1, -1, 1});
  _constants = to_device(constants, dtype, device).view({1, -1, 1});
}

at::Tensor MatrixEntries::of(const at::Tensor & output) const
{
  const auto entries = at::where(_constant, _constants, output.index_select(1, _components));
  return by_point(entries).view({-1, _size, _size});
}

} // namespace neml2::aoti
