// SPDX-License-Identifier: MIT
#include "call/guard.h"

#include "neml2/aoti/exceptions.h"

#include <c10/util/Exception.h>
#include <new>
#include <string_view>

namespace neml2::aoti
{
namespace
{

constexpr c10::DispatchKeySet modes =
    c10::autograd_dispatch_keyset_with_ADInplaceOrView | c10::python_ks |
    c10::DispatchKeySet({c10::DispatchKey::FuncTorchDynamicLayerFrontMode,
                         c10::DispatchKey::FuncTorchDynamicLayerBackMode, c10::DispatchKey::FuncTorchVmapMode,
                         c10::DispatchKey::VmapMode, c10::DispatchKey::Functionalize,
                         c10::DispatchKey::Tracer});

std::string first_line(std::string_view text)
{
  return std::string(text.substr(0, text.find('\n')));
}

/// The message of an error of torch's, without where it was raised.
std::string message(const c10::Error & error)
{
  const auto text = first_line(error.what_without_backtrace());
  constexpr std::string_view refused = "can't allocate memory: ";
  const auto found = text.find(refused);
  return found == std::string::npos ? text : "out of memory: " + text.substr(found + refused.size());
}

} // namespace

PlainTensors::PlainTensors() : _excluded(modes) {}

void throw_as_exception()
{
  try
  {
    throw;
  }
  catch (const Exception &)
  {
    throw;
  }
  catch (const c10::Error & error)
  {
    throw FatalError(message(error));
  }
  catch (const std::bad_alloc &)
  {
    throw FatalError("out of memory");
  }
  catch (const std::exception & error)
  {
    throw FatalError(first_line(error.what()));
  }
  catch (...)
  {
    throw FatalError("something was thrown that is no exception");
  }
}

} // namespace neml2::aoti
