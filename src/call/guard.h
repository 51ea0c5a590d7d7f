// SPDX-License-Identifier: MIT
#pragma once

#include <c10/core/impl/LocalDispatchKeySet.h>

namespace neml2::aoti
{

/// Within, tensors are made and copied as they are: no gradient is recorded, and no mode or transformation of
/// torch that is active in this thread sees them.
class PlainTensors
{
public:
  PlainTensors();

private:
  c10::impl::ExcludeDispatchKeyGuard _excluded;
};

/// In a handler: throws the exception at hand again, as an Exception of this project whose message is one
/// line.
[[noreturn]] void throw_as_exception();

/// Runs an operation of the public interface; every one of them goes through here.
template <typename Operation>
auto guarded(Operation && operation) -> decltype(operation())
{
  try
  {
    const PlainTensors plain;
    return operation();
  }
  catch (...)
  {
    throw_as_exception();
  }
}

} // namespace neml2::aoti
