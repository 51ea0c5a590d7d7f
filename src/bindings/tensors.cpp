// SPDX-License-Identifier: MIT
#include "tensors.h"

#include "neml2/aoti/exceptions.h"

#include <torch/csrc/autograd/python_variable.h>

namespace nb = nanobind;

namespace neml2::bindings
{
namespace
{

std::string class_name(nb::handle object)
{
  return nb::cast<std::string>(
      nb::str(nb::handle(reinterpret_cast<PyObject *>(Py_TYPE(object.ptr()))).attr("__name__")));
}

nb::dict as_dict(nb::handle mapping, const std::string & what)
{
  if (nb::isinstance<nb::dict>(mapping))
    return nb::borrow<nb::dict>(mapping);
  if (nb::hasattr(mapping, "keys") && nb::hasattr(mapping, "__getitem__"))
    return nb::borrow<nb::dict>(nb::handle(reinterpret_cast<PyObject *>(&PyDict_Type))(mapping));
  throw aoti::FatalError("the " + what + "s are a '" + class_name(mapping) +
                         "', expected a dict of names and tensors");
}

std::string as_name(nb::handle key, const std::string & what)
{
  if (!nb::isinstance<nb::str>(key))
    throw aoti::FatalError("the name of an " + what + " is a '" + class_name(key) + "', expected a string");
  return nb::cast<std::string>(key);
}

} // namespace

at::Tensor to_tensor(nb::handle object, const std::string & what)
{
  if (THPVariable_Check(object.ptr()))
    return THPVariable_Unpack(object.ptr());
  if (!nb::hasattr(object, "__dlpack__"))
    throw aoti::FatalError(what + " is a '" + class_name(object) +
                           "', expected a torch tensor or another array that speaks DLPack");
  try
  {
    return THPVariable_Unpack(nb::module_::import_("torch").attr("from_dlpack")(object).ptr());
  }
  catch (const nb::python_error & error)
  {
    throw aoti::FatalError(what + " is a '" + class_name(object) +
                           "' that torch cannot share: " + nb::cast<std::string>(nb::str(error.value())));
  }
}

aoti::ValueMap to_values(nb::handle mapping, const char * kind)
{
  aoti::ValueMap values;
  for (const auto & [key, value] : as_dict(mapping, kind))
  {
    auto name = as_name(key, kind);
    if (THPVariable_Check(value.ptr())) // the usual case, without composing a message
      values.emplace(std::move(name), THPVariable_Unpack(value.ptr()));
    else
      values.emplace(name, to_tensor(value, kind + (" '" + name + "'")));
  }
  return values;
}

aoti::JacobianMap to_jacobian(nb::handle mapping)
{
  aoti::JacobianMap blocks;
  for (const auto & [key, row] : as_dict(mapping, "block"))
    blocks.emplace(as_name(key, "output"), to_values(row, "block"));
  return blocks;
}

nb::object to_python(const at::Tensor & tensor)
{
  return nb::steal(THPVariable_Wrap(tensor));
}

nb::dict to_python(const aoti::ValueMap & values, const std::vector<std::string> & order)
{
  nb::dict dict;
  for (const auto & name : order)
    if (const auto found = values.find(name); found != values.end())
      dict[nb::str(name.c_str(), name.size())] = to_python(found->second);
  return dict;
}

nb::dict to_python(const aoti::JacobianMap & blocks,
                   const std::vector<std::pair<std::string, std::string>> & pairs)
{
  nb::dict dict;
  for (const auto & [output, input] : pairs)
  {
    const nb::str key(output.c_str(), output.size());
    if (!dict.contains(key))
      dict[key] = nb::dict();
    nb::cast<nb::dict>(dict[key])[nb::str(input.c_str(), input.size())] =
        to_python(blocks.at(output).at(input));
  }
  return dict;
}

} // namespace neml2::bindings
