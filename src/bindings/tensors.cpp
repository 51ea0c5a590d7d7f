// SPDX-License-Identifier: MIT
#include "tensors.h"

#include "call/followed.h"

#include "neml2/aoti/exceptions.h"

#include <ATen/DLConvertor.h>
#include <ATen/Functions.h>
#include <algorithm>
#include <cstdint>
#include <nanobind/ndarray.h>
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

std::string first_line(const nb::python_error & error)
{
  const auto text = nb::cast<std::string>(nb::str(error.value()));
  return text.substr(0, text.find('\n'));
}

/// An array's memory as its exporter describes it.
using Array = nb::ndarray<nb::ro>;

/// Why an array cannot be had, in its exporter's words.
std::string reason(nb::handle object)
{
  try
  {
    object.attr("__dlpack__")(nb::arg("max_version") = nb::make_tuple(1, 0));
  }
  catch (const nb::python_error & error)
  {
    return first_line(error);
  }
  return "its elements are no numbers at even distances";
}

Array describe(nb::handle object, const std::string & what, Access access)
{
  const auto fail = [&](const std::string & why)
  {
    throw aoti::FatalError(what + " is a '" + class_name(object) + "' that torch cannot share: " + why +
                           "; give a copy");
  };
  Array array;
  if (!nb::try_cast(object, array, false))
  {
    // a field of NumPy records may have strides that are no multiple of its elements; a copy has not
    if (access != Access::read || !nb::hasattr(object, "__array_interface__") ||
        !nb::try_cast(object.attr("copy")(), array, false))
      fail(reason(object));
    return array;
  }
  nb::ndarray<> writable;
  if (access != Access::read && array.device_type() == nb::device::cpu::value &&
      !nb::try_cast(object, writable, false))
    fail(access == Access::write ? "it is read-only, and results would be written to it"
                                 : "it is read-only, and parameters can be changed in place");
  return array;
}

/// An array in the memory of the CPU as a tensor.
at::Tensor share(const Array & array, const std::string & what, Access access)
{
  std::vector<std::int64_t> shape, strides, reversed;
  bool empty = false;
  for (std::size_t axis = 0; axis < array.ndim(); axis++)
  {
    shape.push_back(static_cast<std::int64_t>(array.shape(axis)));
    strides.push_back(array.stride(axis));
    empty = empty || shape.back() == 0;
  }
  const auto type = array.dtype();
  const auto dtype = at::toScalarType({type.code, type.bits, type.lanes});
  if (empty)
    return at::empty(shape, dtype);
  const auto bytes = static_cast<std::int64_t>(c10::elementSize(dtype));
  auto * data = static_cast<char *>(const_cast<void *>(array.data()));
  for (std::size_t axis = 0; axis < shape.size(); axis++)
    if (strides[axis] < 0)
    {
      data += (shape[axis] - 1) * strides[axis] * bytes;
      strides[axis] = -strides[axis];
      reversed.push_back(static_cast<std::int64_t>(axis));
    }
  const bool aligned = reinterpret_cast<std::uintptr_t>(data) % static_cast<std::uintptr_t>(bytes) == 0;
  const auto tensor = at::for_blob(data, shape)
                          .strides(strides)
                          .options(at::device(at::kCPU).dtype(dtype))
                          .target_device(at::kCPU)
                          .deleter([array](void *) {}) // holds the array until then
                          .make_tensor();
  if (reversed.empty() && aligned)
    return tensor;
  if (access != Access::read)
    throw aoti::FatalError(what + (aligned ? " has a negative stride" : " is not aligned to its elements") +
                           ", which torch cannot share; give a copy");
  return reversed.empty() ? tensor.clone() : tensor.flip(reversed);
}

} // namespace

at::Tensor to_tensor(nb::handle object, const std::string & what, Access access)
{
  if (THPVariable_Check(object.ptr()))
    return THPVariable_Unpack(object.ptr());
  if (!nb::hasattr(object, "__dlpack__"))
    throw aoti::FatalError(what + " is a '" + class_name(object) +
                           "', expected a torch tensor or another array that speaks DLPack");
  const auto array = describe(object, what, access);
  if (array.device_type() == nb::device::cpu::value)
    return share(array, what, access);
  try // in the order of the device's streams, which torch looks after
  {
    return THPVariable_Unpack(nb::module_::import_("torch").attr("from_dlpack")(object).ptr());
  }
  catch (const nb::python_error & error)
  {
    throw aoti::FatalError(what + " is a '" + class_name(object) +
                           "' that torch cannot share: " + first_line(error));
  }
}

aoti::ValueMap to_values(nb::handle mapping, const char * kind, Access access)
{
  aoti::ValueMap values;
  for (const auto & [key, value] : as_dict(mapping, kind))
  {
    auto name = as_name(key, kind);
    if (THPVariable_Check(value.ptr())) // the usual case, without composing a message
      values.emplace(std::move(name), THPVariable_Unpack(value.ptr()));
    else
      values.emplace(name, to_tensor(value, kind + (" '" + name + "'"), access));
  }
  return values;
}

bool followed(const aoti::ValueMap & values)
{
  constexpr c10::DispatchKeySet transforms(
      {c10::DispatchKey::FuncTorchBatched, c10::DispatchKey::FuncTorchGradWrapper});
  return std::any_of(values.begin(), values.end(),
                     [](const auto & given)
                     {
                       const auto & tensor = given.second;
                       return tensor.defined() &&
                              (tensor.key_set().has_any(transforms) || aoti::is_followed(tensor));
                     });
}

aoti::JacobianMap to_jacobian(nb::handle mapping)
{
  aoti::JacobianMap blocks;
  for (const auto & [key, row] : as_dict(mapping, "block"))
    blocks.emplace(as_name(key, "output"), to_values(row, "block", Access::write));
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
