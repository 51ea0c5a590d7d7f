// SPDX-License-Identifier: MIT
#pragma once

#include <nanobind/nanobind.h>

namespace neml2::solvers
{
/// Adds `newton` to the extension module.
void bind_newton(nanobind::module_ & m);
} // namespace neml2::solvers
