// SPDX-License-Identifier: MIT
#pragma once

namespace neml2
{

/// Decides which device evaluates which part of a batch.
class Scheduler;

} // namespace neml2
