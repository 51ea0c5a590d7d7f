// SPDX-License-Identifier: MIT
#include "neml2/aoti/exceptions.h"
#include "neml2/version.h"
#include "package/Metadata.h"

#include <ATen/Context.h>
#include <ATen/Version.h>
#include <cstdint>
#include <string>
#include <string_view>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>

namespace neml2::aoti
{
namespace
{

/// "2.13.0+cpu" -> "2.13.0": builds of one release share the interface that compiled graphs call.
std::string_view release(std::string_view version)
{
  return version.substr(0, version.find('+'));
}

/// The torch that this process runs, as opposed to the one that the library was built against.
std::string running_torch()
{
  const std::uint64_t version = aoti_torch_abi_version();
  const auto part = [version](int byte) { return std::to_string((version >> (8 * byte)) & 0xff); };
  return part(7) + "." + part(6) + "." + part(5);
}

/// 0 for code that any processor of the family runs, larger for more; -1 for an unknown name.
int isa_rank(std::string_view isa)
{
  return isa == "generic" ? 0 : isa == "avx2" ? 1 : isa == "avx512" ? 2 : -1;
}

/// What ATen found on this processor; ATEN_CPU_CAPABILITY lowers it.
int processor_rank()
{
  const auto capability = at::get_cpu_capability();
  return capability.starts_with("AVX512") ? 2 : capability.starts_with("AVX2") ? 1 : 0;
}

} // namespace

void check_runnable(const Metadata & metadata)
{
  const auto who = metadata.path.string() + " cannot be run here: ";
  const auto running = running_torch();
  if (release(NEML2_TORCH_VERSION) != running)
    throw FatalError("neml2 was built against torch " NEML2_TORCH_VERSION ", but torch " + running +
                     " is loaded: install that torch, or build neml2 again");
  const bool compiled_by_torch = metadata.backend != "native";
  if (compiled_by_torch && release(metadata.torch_version) != running)
    throw FatalError(who + "it was compiled with torch " + metadata.torch_version + ", and this is torch " +
                     running + "; compile the model again");
  if (metadata.device.starts_with("cuda") && metadata.backend == "aoti")
  {
    if (!at::hasCUDA())
      throw FatalError(who + "it was compiled for the device 'cuda', and this torch " +
                       (at::Context::hasCUDART() ? "finds no GPU" : "was built without CUDA"));
    return;
  }
  if (metadata.device != "cpu")
    throw FatalError(who + "it was compiled for the device '" + metadata.device +
                     "', and this library runs 'cpu' and 'cuda'");
  const int needed = isa_rank(metadata.isa);
  if (needed < 0)
    throw FatalError(who + "it uses the unknown instruction set '" + metadata.isa + "'; update neml2");
  if (needed > processor_rank())
    throw FatalError(who + "it uses " + metadata.isa + " instructions, which this CPU lacks (it offers " +
                     at::get_cpu_capability() + "); compile the model again on this machine");
}

} // namespace neml2::aoti
