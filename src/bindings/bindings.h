// SPDX-License-Identifier: MIT
#pragma once

#include <nanobind/nanobind.h>

namespace neml2::bindings
{

void bind_exceptions(nanobind::module_ & m);
void bind_model(nanobind::module_ & m);
void bind_schedulers(nanobind::module_ & m);
void bind_history(nanobind::module_ & m);

} // namespace neml2::bindings
