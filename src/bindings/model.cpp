// SPDX-License-Identifier: MIT
#include "bindings.h"
#include "tensors.h"

#include "neml2/aoti/load_model.h"

#include <memory>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace nb::literals;

namespace neml2::bindings
{
namespace
{

using aoti::Model;

/// The promoted parameters of a model, as a mapping that Python code can assign to.
struct Parameters
{
  std::shared_ptr<Model> model;

  at::Tensor at(const std::string & name) const
  {
    const auto found = model->named_parameters().find(name);
    if (found == model->named_parameters().end())
      throw nb::key_error(name.c_str());
    return found->second;
  }

  std::vector<std::string> names() const
  {
    std::vector<std::string> list;
    for (const auto & [name, tensor] : model->named_parameters())
      list.push_back(name);
    return list;
  }
};

/// Runs `compute` without the interpreter lock.
template <typename Function>
auto unlocked(Function && compute)
{
  const nb::gil_scoped_release released;
  return compute();
}

/// Inputs, then promoted parameters.
std::vector<std::string> argument_names(const Model & model)
{
  auto names = model.input_names();
  for (const auto & [name, value] : model.named_parameters())
    names.push_back(name);
  return names;
}

nb::dict forward(nb::handle self, nb::handle inputs)
{
  const auto & model = nb::cast<const Model &>(self);
  const auto values = to_values(inputs, "input");
  if (followed(values) || model.follows_parameters())
    return nb::cast<nb::dict>(nb::module_::import_("neml2.aoti.autograd")
                                  .attr("forward")(self, to_python(values, argument_names(model))));
  return to_python(unlocked([&] { return model.forward(values); }), model.output_names());
}

nb::dict forward_natural(const Model & model, nb::handle inputs)
{
  const auto values = to_values(inputs, "input");
  return to_python(unlocked([&] { return model.forward_natural(values); }), model.output_names());
}

nb::tuple jvp(const Model & model, nb::handle inputs, nb::handle tangents)
{
  const auto values = to_values(inputs, "input");
  const auto directions = to_values(tangents, "tangent");
  const auto [outputs, found] = unlocked([&] { return model.jvp(values, directions); });
  return nb::make_tuple(to_python(outputs, model.output_names()), to_python(found, model.output_names()));
}

nb::tuple vjp(const Model & model, nb::handle inputs, nb::handle cotangents)
{
  const auto values = to_values(inputs, "input");
  const auto directions = to_values(cotangents, "cotangent");
  const auto [outputs, found] = unlocked([&] { return model.vjp(values, directions); });
  return nb::make_tuple(to_python(outputs, model.output_names()), to_python(found, argument_names(model)));
}

nb::tuple jacobian(const Model & model, nb::handle inputs)
{
  const auto values = to_values(inputs, "input");
  const auto [outputs, blocks] = unlocked([&] { return model.jacobian(values); });
  return nb::make_tuple(to_python(outputs, model.output_names()),
                        to_python(blocks, model.derivative_pairs()));
}

void forward_into(const Model & model, nb::handle inputs, nb::handle outputs)
{
  const auto values = to_values(inputs, "input");
  const auto into = to_values(outputs, "output", Access::write);
  unlocked([&] { model.forward_into(values, into); });
}

void jvp_into(const Model & model, nb::handle inputs, nb::handle tangents, nb::handle outputs,
              nb::handle products)
{
  const auto values = to_values(inputs, "input");
  const auto directions = to_values(tangents, "tangent");
  const auto into = to_values(outputs, "output", Access::write);
  const auto products_into = to_values(products, "output tangent", Access::write);
  unlocked([&] { model.jvp_into(values, directions, into, products_into); });
}

void vjp_into(const Model & model, nb::handle inputs, nb::handle cotangents, nb::handle outputs,
              nb::handle found)
{
  const auto values = to_values(inputs, "input");
  const auto given = to_values(cotangents, "cotangent");
  const auto into = to_values(outputs, "output", Access::write);
  const auto found_into = to_values(found, "input cotangent", Access::write);
  unlocked([&] { model.vjp_into(values, given, into, found_into); });
}

void jacobian_into(const Model & model, nb::handle inputs, nb::handle outputs, nb::handle blocks)
{
  const auto values = to_values(inputs, "input");
  const auto into = to_values(outputs, "output", Access::write);
  const auto blocks_into = to_jacobian(blocks);
  unlocked([&] { model.jacobian_into(values, into, blocks_into); });
}

void set_parameter(Model & model, const std::string & name, nb::handle value)
{
  model.set_parameter(name, to_tensor(value, "parameter '" + name + "'", Access::share));
}

nb::object torch_dtype(const Model & model)
{
  return nb::module_::import_("torch").attr(model.dtype() == at::kDouble ? "float64" : "float32");
}

nb::object torch_device(const Model & model)
{
  return nb::module_::import_("torch").attr("device")(model.device().str());
}

/// Shapes by name, as tuples, in the order of `names`.
nb::dict shapes(const std::map<std::string, std::vector<std::int64_t>> & by_name,
                const std::vector<std::string> & names)
{
  nb::dict dict;
  for (const auto & name : names)
    dict[nb::cast(name)] = nb::tuple(nb::cast(by_name.at(name)));
  return dict;
}

} // namespace

void bind_model(nb::module_ & m)
{
  nb::class_<Parameters>(m, "Parameters",
                         "Promoted parameters by name. Assigning to one is Model.set_parameter.")
      .def(
          "__getitem__", [](const Parameters & p, const std::string & name) { return to_python(p.at(name)); },
          nb::sig("def __getitem__(self, name: str, /) -> torch.Tensor"))
      .def(
          "__setitem__", [](const Parameters & p, const std::string & name, nb::handle value)
          { set_parameter(*p.model, name, value); }, nb::arg(), nb::arg().none(),
          nb::sig("def __setitem__(self, name: str, value: torch.Tensor, /) -> None"))
      .def("__contains__",
           [](const Parameters & p, nb::handle name)
           {
             return nb::isinstance<nb::str>(name) &&
                    p.model->named_parameters().contains(nb::cast<std::string>(name));
           })
      .def("__len__", [](const Parameters & p) { return p.model->named_parameters().size(); })
      .def(
          "__iter__", [](const Parameters & p) { return nb::iter(nb::cast(p.names())); },
          nb::sig("def __iter__(self) -> collections.abc.Iterator[str]"))
      .def("keys", &Parameters::names)
      .def(
          "values",
          [](const Parameters & p) { return to_python(p.model->named_parameters(), p.names()).values(); },
          nb::sig("def values(self) -> list[torch.Tensor]"))
      .def(
          "items",
          [](const Parameters & p) { return to_python(p.model->named_parameters(), p.names()).items(); },
          nb::sig("def items(self) -> list[tuple[str, torch.Tensor]]"))
      .def("__repr__",
           [](const Parameters & p) { return nb::repr(to_python(p.model->named_parameters(), p.names())); });

  nb::class_<Model>(
      m, "Model",
      "A compiled model: a material law for whole batches of material points, with derivatives.\n\n"
      "A variable is (*batch, *base); the batch axes of all inputs and parameters are broadcast against "
      "one another. Inputs are torch tensors, or arrays that speak DLPack, of the model's dtype and "
      "device; nothing is converted, and nothing is copied but arrays that torch cannot describe. "
      "A promoted parameter among the inputs has that value for the call.",
      nb::is_weak_referenceable())
      .def(
          "__init__",
          [](Model * self, const std::filesystem::path & metadata, const aoti::SolverOptions & solvers)
          {
            const nb::gil_scoped_release released;
            new (self) Model(metadata, solvers);
          },
          "metadata"_a, "solvers"_a = aoti::SolverOptions(),
          "Load <device>/<name>_meta.json and the graphs beside it. A package is code: load only what you "
          "would run.")
      .def_static(
          "from_stub",
          [](const std::filesystem::path & stub, const std::string & name, const std::string & device,
             std::shared_ptr<Scheduler> scheduler, const aoti::SolverOptions & solvers)
          {
            return unlocked(
                [&] { return aoti::load_model(stub, name, std::move(scheduler), device, solvers).model(); });
          },
          "stub"_a, "name"_a, "device"_a = "cpu", "scheduler"_a.none() = nb::none(),
          "solvers"_a = aoti::SolverOptions(),
          "Load the compiled model that block [Models]/<name> of an input file refers to. A scheduler "
          "spreads "
          "its batches over devices; `solvers` replace options of the package and of the file.")
      .def(
          "forward", &forward, "inputs"_a.none(),
          nb::sig("def forward(self, inputs: collections.abc.Mapping[str, torch.Tensor]) -> dict[str, "
                  "torch.Tensor]"),
          "The outputs by name, each (*batch, *base). They know their derivatives by the inputs and promoted "
          "parameters that require gradients, and by those that torch.func follows.")
      .def("forward_natural", &forward_natural, "inputs"_a.none(),
           nb::sig(
               "def forward_natural(self, inputs: collections.abc.Mapping[str, torch.Tensor]) -> dict[str, "
               "torch.Tensor]"),
           "The outputs by name, each with only the batch axes it has of itself.")
      .def("jvp", &jvp, "inputs"_a.none(), "tangents"_a.none(),
           nb::sig("def jvp(self, inputs: collections.abc.Mapping[str, torch.Tensor], tangents: "
                   "collections.abc.Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, "
                   "torch.Tensor]]"),
           "The outputs, and their derivatives in the direction of the tangents; missing tangents are zero.")
      .def("vjp", &vjp, "inputs"_a.none(), "cotangents"_a.none(),
           nb::sig("def vjp(self, inputs: collections.abc.Mapping[str, torch.Tensor], cotangents: "
                   "collections.abc.Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, "
                   "torch.Tensor]]"),
           "The outputs, and what the inputs and promoted parameters get from the cotangents of outputs, "
           "each in "
           "its own shape: summed over the points that share a value. Missing cotangents are zero.")
      .def(
          "jacobian", &jacobian, "inputs"_a.none(),
          nb::sig("def jacobian(self, inputs: collections.abc.Mapping[str, torch.Tensor]) -> tuple[dict[str, "
                  "torch.Tensor], dict[str, dict[str, torch.Tensor]]]"),
          "The outputs, and J[output][input], (*batch, *output_base, *input_base), or without batch axes "
          "where it is "
          "the same for all points.")
      .def("forward_into", &forward_into, "inputs"_a.none(), "outputs"_a.none(),
           nb::sig("def forward_into(self, inputs: collections.abc.Mapping[str, torch.Tensor], outputs: "
                   "collections.abc.Mapping[str, torch.Tensor]) -> None"),
           "forward, into tensors of the caller. What is not given is not stored. A tensor may lie on an "
           "input (it is then written last, if the call succeeds), not on another output.")
      .def("jvp_into", &jvp_into, "inputs"_a.none(), "tangents"_a.none(), "outputs"_a.none(),
           "output_tangents"_a.none(),
           nb::sig("def jvp_into(self, inputs: collections.abc.Mapping[str, torch.Tensor], tangents: "
                   "collections.abc.Mapping[str, torch.Tensor], outputs: collections.abc.Mapping[str, "
                   "torch.Tensor], "
                   "output_tangents: collections.abc.Mapping[str, torch.Tensor]) -> None"),
           "jvp, into tensors of the caller. What is not given is not stored or computed.")
      .def("vjp_into", &vjp_into, "inputs"_a.none(), "cotangents"_a.none(), "outputs"_a.none(),
           "input_cotangents"_a.none(),
           nb::sig("def vjp_into(self, inputs: collections.abc.Mapping[str, torch.Tensor], cotangents: "
                   "collections.abc.Mapping[str, torch.Tensor], outputs: collections.abc.Mapping[str, "
                   "torch.Tensor], "
                   "input_cotangents: collections.abc.Mapping[str, torch.Tensor]) -> None"),
           "vjp, into tensors of the caller. What is not given is not stored or computed.")
      .def("jacobian_into", &jacobian_into, "inputs"_a.none(), "outputs"_a.none(), "blocks"_a.none(),
           nb::sig("def jacobian_into(self, inputs: collections.abc.Mapping[str, torch.Tensor], outputs: "
                   "collections.abc.Mapping[str, torch.Tensor], blocks: collections.abc.Mapping[str, "
                   "collections.abc.Mapping[str, torch.Tensor]]) -> None"),
           "jacobian, into tensors of the caller. What is not given is not stored or computed.")
      .def(
          "named_parameters", [](std::shared_ptr<Model> model) { return Parameters{std::move(model)}; },
          "The promoted parameters. Changing one in place changes the next call.")
      .def("set_parameter", &set_parameter, "name"_a, "value"_a.none(),
           nb::sig("def set_parameter(self, name: str, value: torch.Tensor) -> None"),
           "Put another tensor in the place of a promoted parameter; it is shared, not copied.")
      .def_prop_ro("name", &Model::name)
      .def_prop_ro("input_names", &Model::input_names)
      .def_prop_ro("output_names", &Model::output_names)
      .def_prop_ro(
          "input_base_shapes",
          [](const Model & model) { return shapes(model.input_base_shapes(), model.input_names()); },
          nb::sig("def input_base_shapes(self) -> dict[str, tuple[int, ...]]"))
      .def_prop_ro(
          "output_base_shapes",
          [](const Model & model) { return shapes(model.output_base_shapes(), model.output_names()); },
          nb::sig("def output_base_shapes(self) -> dict[str, tuple[int, ...]]"))
      .def_prop_ro(
          "parameter_base_shapes",
          [](const Model & model)
          {
            std::vector<std::string> names;
            for (const auto & [name, value] : model.named_parameters())
              names.push_back(name);
            return shapes(model.parameter_base_shapes(), names);
          },
          nb::sig("def parameter_base_shapes(self) -> dict[str, tuple[int, ...]]"))
      .def("history", &Model::history, "The inputs X~k, each with the variable X whose earlier value it is.")
      .def_prop_ro("derivative_pairs", &Model::derivative_pairs,
                   "Pairs (output, input) that have derivatives.")
      .def_prop_ro("device", &torch_device, nb::sig("def device(self) -> torch.device"))
      .def_prop_ro("dtype", &torch_dtype, nb::sig("def dtype(self) -> torch.dtype"));
}

} // namespace neml2::bindings
