// SPDX-License-Identifier: MIT
#include <nanobind/nanobind.h>

#include "neml2/version.h"
#include "newton.h"

namespace nb = nanobind;

NB_MODULE(_neml2, m)
{
  nb::module_::import_("torch");
  m.attr("__version__") = NEML2_VERSION;
  m.attr("torch_version") = NEML2_TORCH_VERSION;
  neml2::solvers::bind_newton(m);
}
