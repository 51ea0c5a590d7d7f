// SPDX-License-Identifier: MIT
#include "neml2/dispatchers/Scheduler.h"

#include "dispatchers/sizes.h"
#include "neml2/aoti/exceptions.h"

#include <algorithm>
#include <c10/core/Device.h>

namespace neml2
{

Schedule::~Schedule() = default;
void Schedule::finished(const Part &, double) {}
Scheduler::~Scheduler() = default;

Scheduler::Scheduler(std::vector<std::string> devices) : _devices(std::move(devices))
{
  if (_devices.empty())
    throw aoti::FatalError("a scheduler needs at least one device, for example \"cpu\"");
  for (const auto & device : _devices)
  {
    try
    {
      if (const c10::Device parsed(device); !parsed.is_cpu() && !parsed.is_cuda())
        throw aoti::FatalError("'" + device + "' is no device to compute on; expected cpu or cuda");
    }
    catch (const c10::Error &)
    {
      throw aoti::FatalError("'" + device + "' is no device; expected for example \"cpu\" or \"cuda:0\"");
    }
    if (std::count(_devices.begin(), _devices.end(), device) > 1)
      throw aoti::FatalError("the device '" + device + "' is named twice");
  }
}

std::vector<std::int64_t> sizes_by_device(std::vector<std::int64_t> sizes, std::size_t devices,
                                          const std::string & what)
{
  if (sizes.size() == 1)
    sizes.resize(devices, sizes[0]);
  if (sizes.size() != devices)
    throw aoti::FatalError(std::to_string(sizes.size()) + " " + what + " for " + std::to_string(devices) +
                           " devices: give one for each, or one for all");
  for (const auto size : sizes)
    if (size < 1)
      throw aoti::FatalError(what + " must be 1 or more, not " + std::to_string(size));
  return sizes;
}

} // namespace neml2
