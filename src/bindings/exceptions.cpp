// SPDX-License-Identifier: MIT
#include "bindings.h"

#include "neml2/aoti/exceptions.h"

#include <c10/util/Exception.h>
#include <nanobind/stl/string.h>

namespace nb = nanobind;

namespace neml2::bindings
{
namespace
{

/// Python classes of the exceptions; they live as long as the interpreter.
struct Classes
{
  PyObject * base;
  PyObject * convergence;
  PyObject * fatal;
  PyObject * aggregate;
};

Classes & classes()
{
  static Classes all{};
  return all;
}

/// A class that users find as neml2.aoti.<name>.
PyObject * make_class(nb::module_ & m, const char * name, PyObject * base, bool recoverable, const char * doc)
{
  nb::dict members;
  members["recoverable"] = recoverable;
  members["__doc__"] = doc;
  PyObject * made = PyErr_NewException(("neml2.aoti." + std::string(name)).c_str(), base, members.ptr());
  if (!made)
    throw nb::python_error();
  m.attr(name) = nb::handle(made);
  return made;
}

nb::object to_python(const std::exception_ptr & error);

nb::object make(PyObject * type, const aoti::Exception & error)
{
  auto instance = nb::handle(type)(error.what());
  instance.attr("recoverable") = error.recoverable();
  return instance;
}

nb::object make(const aoti::ConvergenceError & error)
{
  auto instance = make(classes().convergence, error);
  const auto failed_point = nb::module_::import_("neml2.failures").attr("FailedPoint");
  nb::list points;
  for (const auto & point : error.points())
    points.append(failed_point(point.index, point.iterations, point.residual, aoti::to_text(point.reason)));
  instance.attr("points") = points;
  return instance;
}

nb::object make(const aoti::AggregateError & error)
{
  auto instance = make(classes().aggregate, error);
  nb::list errors;
  for (const auto & part : error.errors())
    errors.append(to_python(part));
  instance.attr("errors") = errors;
  return instance;
}

nb::object to_python(const std::exception_ptr & error)
{
  try
  {
    std::rethrow_exception(error);
  }
  catch (const aoti::ConvergenceError & e)
  {
    return make(e);
  }
  catch (const aoti::AggregateError & e)
  {
    return make(e);
  }
  catch (const aoti::FatalError & e)
  {
    return make(classes().fatal, e);
  }
  catch (const std::exception & e)
  {
    return nb::handle(classes().fatal)(e.what());
  }
}

void translate(const std::exception_ptr & error, void *)
{
  try
  {
    std::rethrow_exception(error);
  }
  catch (const aoti::Exception &)
  {
    const auto instance = to_python(error);
    PyErr_SetObject(reinterpret_cast<PyObject *>(Py_TYPE(instance.ptr())), instance.ptr());
  }
  catch (const c10::Error & torch_error) // of the bindings themselves: one line, without C++ frames
  {
    const std::string text = torch_error.what_without_backtrace();
    PyErr_SetString(classes().fatal, text.substr(0, text.find('\n')).c_str());
  }
}

} // namespace

void bind_exceptions(nb::module_ & m)
{
  auto & all = classes();
  all.base = make_class(
      m, "Exception", PyExc_RuntimeError, false,
      "Base of the errors of compiled models. `recoverable` tells whether the caller can go on, for "
      "example with a smaller time step.");
  all.convergence =
      make_class(m, "ConvergenceError", all.base, true,
                 "Some material points did not converge. `points` lists them as neml2.failures.FailedPoint: "
                 "(index in the flattened batch, iterations, residual), and the reason.");
  all.fatal = make_class(m, "FatalError", all.base, false, "A call or a package that cannot work as it is.");
  all.aggregate = make_class(m, "AggregateError", all.base, false,
                             "Several parts of one dispatched call failed; `errors` lists them.");
  nb::register_exception_translator(translate);
}

} // namespace neml2::bindings
