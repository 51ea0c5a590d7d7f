// SPDX-License-Identifier: MIT
#include "engines/Engine.h"

#include "engines/device/DeviceEngine.h"
#include "engines/lanes/LanesEngine.h"
#include "engines/native/NativeEngine.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <cstdlib>
#include <string_view>

namespace neml2::aoti
{
namespace
{

/// The device a package is for, with a number: the present one where it says none.
c10::Device device_of(const Metadata & metadata)
{
  const c10::Device device(metadata.device);
  return device.is_cpu() || device.has_index() ? device
                                               : c10::impl::VirtualGuardImpl(device.type()).getDevice();
}

/// NEML2_ENGINE=device runs CPU packages in the way of other devices, so that it can be tested without any.
bool runs_as_device(const Metadata & metadata)
{
  const char * chosen = std::getenv("NEML2_ENGINE");
  return metadata.device != "cpu" || (chosen && std::string_view(chosen) == "device");
}

} // namespace

std::unique_ptr<const Engine> make_engine(Metadata metadata)
{
  check_runnable(metadata);
  if (metadata.backend == "native")
    return std::make_unique<NativeEngine>(std::move(metadata));
  metadata.device = device_of(metadata).str();
  if (runs_as_device(metadata))
    return std::make_unique<DeviceEngine>(std::move(metadata));
  return std::make_unique<LanesEngine>(std::move(metadata));
}

} // namespace neml2::aoti
