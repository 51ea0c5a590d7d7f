// SPDX-License-Identifier: MIT
#include "bindings.h"
#include "tensors.h"

#include "neml2/aoti/History.h"

#include <nanobind/stl/filesystem.h>
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

using aoti::History;

/// A number, or an array.
template <typename Number, typename Tensor>
void give(const std::string & name, nb::handle value, Number && number, Tensor && tensor)
{
  double one = 0;
  if (nb::isinstance<nb::float_>(value) || nb::isinstance<nb::int_>(value))
    number(nb::try_cast(value, one) ? one : nb::cast<double>(value));
  else
    tensor(to_tensor(value, "the value of '" + name + "'"));
}

} // namespace

void bind_history(nb::module_ & m)
{
  nb::class_<aoti::HistoryPair>(m, "HistoryPair",
                                "An input `old`, X~k, that is the value of `current`, X, `steps` steps ago; "
                                "`state`: X is an output.")
      .def_ro("old", &aoti::HistoryPair::old)
      .def_ro("current", &aoti::HistoryPair::current)
      .def_ro("steps", &aoti::HistoryPair::steps)
      .def_ro("state", &aoti::HistoryPair::state)
      .def("__repr__", [](const aoti::HistoryPair & pair)
           { return "HistoryPair('" + pair.old + "' of '" + pair.current + "')"; });

  nb::class_<History>(
      m, "History",
      "The arrays that a host carries from step to step for all material points of a block: of each output "
      "of a model (the state) and each force, the value of this step and those accepted before.\n\n"
      "Arrays are (points, *base) and start at zero. accept() exchanges them and copies nothing: ask for "
      "them "
      "again after it. An evaluation, failed or not, changes nothing but the current state and the tangents.")
      .def(
          "__init__",
          [](History * self, std::shared_ptr<aoti::Model> model, std::int64_t points,
             const History::Pairs & tangents)
          { new (self) History(aoti::ModelHandle(std::move(model)), points, tangents); },
          "model"_a, "points"_a, "tangents"_a = History::Pairs(),
          "tangents: the pairs (output, input) whose derivatives are wanted.")
      .def_prop_ro("points", &History::points)
      .def_prop_ro("state_names", &History::state_names)
      .def_prop_ro("force_names", &History::force_names)
      .def(
          "current", [](History & h, const std::string & name) { return to_python(h.current(name)); },
          "name"_a, nb::sig("def current(self, name: str) -> torch.Tensor"),
          "The value of this step. That of a force may be changed in place.")
      .def(
          "old", [](const History & h, const std::string & name, std::int64_t steps)
          { return to_python(h.old(name, steps)); }, "name"_a, "steps"_a = 1,
          nb::sig("def old(self, name: str, steps: int = 1) -> torch.Tensor"),
          "The value that was accepted so many steps ago; not to be written to.")
      .def(
          "tangent", [](const History & h, const std::string & output, const std::string & input)
          { return to_python(h.tangent(output, input)); }, "output"_a, "input"_a,
          nb::sig("def tangent(self, output: str, input: str) -> torch.Tensor"),
          "d output / d input, (points, *output_base, *input_base).")
      .def(
          "set",
          [](History & h, const std::string & name, nb::handle value)
          {
            give(
                name, value, [&](double number) { h.set(name, number); },
                [&](const at::Tensor & tensor) { h.set(name, tensor); });
          },
          "force"_a, "value"_a.none(),
          nb::sig("def set(self, force: str, value: float | torch.Tensor) -> None"),
          "Give a force the value of this step, which is copied: a number, (*base) or (points, *base).")
      .def(
          "fresh", [](History & h, const std::string & name) { return to_python(h.fresh(name)); }, "force"_a,
          nb::sig("def fresh(self, force: str) -> torch.Tensor"),
          "The current array of a force, to be filled completely; what it holds is unspecified.")
      .def(
          "start",
          [](History & h, const std::string & name, nb::handle value)
          {
            give(
                name, value, [&](double number) { h.start(name, number); },
                [&](const at::Tensor & tensor) { h.start(name, tensor); });
          },
          "name"_a, "value"_a.none(),
          nb::sig("def start(self, name: str, value: float | torch.Tensor) -> None"),
          "Give a variable its value before the first step.")
      .def(
          "use", [](History & h, const std::string & name, nb::handle array, std::int64_t steps)
          { h.use(name, to_tensor(array, "the array for '" + name + "'", Access::share), steps); }, "name"_a,
          "array"_a.none(), "steps"_a = 0,
          nb::sig("def use(self, name: str, array: torch.Tensor, steps: int = 0) -> None"),
          "Put an array of yours in the place of the value of so many steps ago. Those of states change "
          "roles "
          "with accept().")
      .def("evaluate", &History::evaluate, nb::call_guard<nb::gil_scoped_release>(),
           "The state of this step.")
      .def("evaluate_with_tangents", &History::evaluate_with_tangents,
           nb::call_guard<nb::gil_scoped_release>(), "The state of this step, and the tangents.")
      .def("accept", &History::accept, "End the step: what is current becomes the value of one step ago.")
      .def("revert", &History::revert,
           "Take the step back: state and forces are what they were at its start.")
      .def("write", &History::write, "path"_a, "Write what has been accepted to a file, which appears whole.")
      .def("read", &History::read, "path"_a,
           "Read such a file; damaged ones and those of others are refused.");
}

} // namespace neml2::bindings
