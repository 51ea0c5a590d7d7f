// SPDX-License-Identifier: MIT
#include "bindings.h"

#include "neml2/version.h"
#include "newton.h"

NB_MODULE(_neml2, m)
{
  m.doc() = "C++ runtime of compiled models";
  nanobind::module_::import_("torch"); // its Python side must be up before a tensor is wrapped
  m.attr("__version__") = NEML2_VERSION;
  m.attr("torch_version") = NEML2_TORCH_VERSION;
  neml2::bindings::bind_exceptions(m);
  neml2::bindings::bind_schedulers(m);
  neml2::bindings::bind_model(m);
  neml2::bindings::bind_history(m);
  neml2::solvers::bind_newton(m);
}
