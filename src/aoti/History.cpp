// SPDX-License-Identifier: MIT
#include "neml2/aoti/History.h"

#include "aoti/HistoryFile.h"
#include "call/Arguments.h"
#include "call/Memory.h"
#include "call/guard.h"
#include "neml2/aoti/exceptions.h"
#include "package/NearMatch.h"

#include <ATen/ATen.h>
#include <algorithm>

namespace neml2::aoti
{
History::History(ModelHandle model, std::int64_t points, const Pairs & tangents)
    : _model(std::move(model)), _points(points)
{
  guarded(
      [&]
      {
        if (points < 0)
          throw FatalError("a history of " + std::to_string(points) + " points: there can be none or more");
        _variables.reserve(_model.output_names().size() + _model.input_names().size());
        for (const auto & name : _model.output_names())
          add(name, _model.output_base_shapes().at(name), true, 1);
        std::map<std::string, HistoryPair> lagged;
        for (const auto & pair : _model.history())
          lagged.emplace(pair.old, pair);
        for (const auto & name : _model.input_names())
        {
          const auto & base = _model.input_base_shapes().at(name);
          const auto found = lagged.find(name);
          const auto steps = found == lagged.end() ? 0 : found->second.steps;
          auto & variable = add(steps ? found->second.current : name, base, false, steps);
          variable.bound.emplace_back(&_inputs[name],
                                      variable.state ? std::max<std::int64_t>(steps, 1) : steps);
        }
        const auto options = at::device(_model.device()).dtype(_model.dtype());
        for (auto & variable : _variables)
        {
          if (variable.state)
          {
            variable.bound.emplace_back(&_outputs[variable.name], 0);
            for (auto & array : variable.steps)
              array.tensor = at::zeros(full_shape(variable), options);
          }
          else
            start(variable, at::zeros(full_shape(variable), options), 0);
          bind(variable);
        }
        for (const auto & pair : tangents)
        {
          const auto & known = _model.derivative_pairs();
          if (std::find(known.begin(), known.end(), pair) == known.end())
            throw FatalError("the derivative '" + pair.first + ":" + pair.second +
                             "' was not compiled into '" + _model.name() + "'; compile it with -d " +
                             pair.first + ":" + pair.second);
          auto shape = full_shape(find(pair.first));
          const auto & given = _model.input_base_shapes();
          const auto input = given.find(pair.second);
          const auto parameter = _model.named_parameters().find(pair.second);
          if (input == given.end() && parameter->second.dim() > 0)
            throw FatalError("the tangent by the parameter '" + pair.second +
                             "', which is no single number: call the model's jacobian for it");
          if (input != given.end())
            shape.insert(shape.end(), input->second.begin(), input->second.end());
          _blocks[pair.first][pair.second] = at::zeros(shape, options);
        }
      });
}

History::Variable & History::add(const std::string & name, const std::vector<std::int64_t> & base, bool state,
                                 std::int64_t steps)
{
  const auto found = std::find_if(_variables.begin(), _variables.end(),
                                  [&](const Variable & variable) { return variable.name == name; });
  if (found == _variables.end())
  {
    _variables.push_back({name, base, state, std::vector<Array>(1 + std::max<std::int64_t>(steps, 1))});
    return _variables.back();
  }
  if (found->base != base)
    throw FatalError("'" + name + "' of '" + _model.name() + "' has the shape " + to_text(found->base) +
                     " at one step and " + to_text(base) + " at another");
  if (std::ssize(found->steps) <= steps)
    found->steps.resize(1 + steps);
  return *found;
}

const History::Variable & History::find(const std::string & name) const
{
  std::vector<std::string> known;
  for (const auto & variable : _variables)
  {
    if (variable.name == name)
      return variable;
    known.push_back(variable.name);
  }
  throw FatalError("the history of '" + _model.name() + "' has no variable '" + name + "'" +
                   did_you_mean(name, known) + " (there are: " + quoted_list(known) + ")");
}

History::Variable & History::find(const std::string & name)
{
  return const_cast<Variable &>(std::as_const(*this).find(name));
}

History::Variable & History::force(const std::string & name)
{
  auto & variable = find(name);
  if (variable.state)
    throw FatalError("'" + name + "' is an output of '" + _model.name() +
                     "': evaluations give it its value; to give it another before the first step, start it");
  return variable;
}

History::Array & History::step(Variable & variable, std::int64_t steps) const
{
  if (steps < 0 || steps >= std::ssize(variable.steps))
    throw FatalError("'" + variable.name + "' of " + std::to_string(steps) + " steps ago is not kept; '" +
                     _model.name() + "' reads " + std::to_string(variable.steps.size() - 1) +
                     " at most, of which at least one is");
  return variable.steps[static_cast<std::size_t>(steps)];
}

std::vector<std::string> History::names(bool state) const
{
  std::vector<std::string> list;
  for (const auto & variable : _variables)
    if (variable.state == state)
      list.push_back(variable.name);
  return list;
}

std::vector<std::int64_t> History::full_shape(const Variable & variable) const
{
  std::vector<std::int64_t> shape{_points};
  shape.insert(shape.end(), variable.base.begin(), variable.base.end());
  return shape;
}

const at::Tensor & History::current(const std::string & name)
{
  auto & variable = find(name);
  if (!variable.state) // it is as old as the last step until it can be changed
  {
    const auto shape = full_shape(variable);
    const auto value = variable.steps[0].tensor;
    const auto tensor = guarded([&] { return claim(variable, shape); });
    if (!tensor.is_same(value))
      guarded([&] { tensor.copy_(converted(variable, value)); });
    put(variable, tensor);
  }
  return variable.steps[0].tensor;
}

const at::Tensor & History::old(const std::string & name, std::int64_t steps) const
{
  if (steps == 0)
    throw FatalError("'" + name + "' of 0 steps ago is the current value: ask for that");
  return step(const_cast<Variable &>(find(name)), steps).tensor;
}

const at::Tensor & History::tangent(const std::string & output, const std::string & input) const
{
  if (const auto row = _blocks.find(output); row != _blocks.end())
    if (const auto block = row->second.find(input); block != row->second.end())
      return block->second;
  throw FatalError("this history was not asked for the tangent '" + output + ":" + input +
                   "': name the pair when you make it");
}

/// An array of the object's own that no other step needs.
at::Tensor History::claim(Variable & variable, at::IntArrayRef shape) const
{
  auto & [now, own] = variable.steps[0];
  if (own && !now.is_same(variable.steps[1].tensor) && now.sizes() == shape)
    return now;
  if (variable.spare.tensor.defined() && variable.spare.tensor.sizes() == shape)
    return variable.spare.tensor;
  return at::empty(shape, now.options());
}

/// Makes an array of the object's own the current one.
void History::put(Variable & variable, const at::Tensor & value)
{
  if (variable.spare.tensor.is_same(value))
    variable.spare = {};
  auto & now = variable.steps[0];
  if (!now.tensor.is_same(value))
  {
    if (now.own && !now.tensor.is_same(variable.steps[1].tensor))
      variable.spare = now;
    now = {value, true};
  }
  bind(variable);
  _evaluated = false;
}

/// A caller's value, seen with the axes that it is to have: (points, *base), or (*base) for all points.
at::Tensor History::converted(const Variable & variable, const at::Tensor & value) const
{
  const auto base = std::ssize(variable.base);
  if (value.defined() && value.dim() == base && value.sizes() == at::IntArrayRef(variable.base))
    return value;
  if (value.defined() && value.sizes() == at::IntArrayRef(full_shape(variable)))
    return value;
  throw FatalError("'" + variable.name + "' is given as " +
                   (value.defined() ? to_text(value.sizes()) : std::string("nothing")) + ", expected " +
                   to_text(full_shape(variable)) + ", or " + to_text(variable.base) + " for all points");
}

at::Tensor History::number(const Variable & variable, double value) const
{
  return at::full(variable.base, value, variable.steps[0].tensor.options());
}

void History::set(const std::string & name, double value)
{
  auto & variable = force(name);
  guarded([&] { put(variable, number(variable, value)); });
}

void History::set(const std::string & name, const at::Tensor & value)
{
  auto & variable = force(name);
  guarded(
      [&]
      {
        const auto given = converted(variable, value);
        const auto target = claim(variable, given.sizes());
        target.copy_(given);
        put(variable, target);
      });
}

const at::Tensor & History::fresh(const std::string & name)
{
  auto & variable = force(name);
  guarded([&] { put(variable, claim(variable, full_shape(variable))); });
  return variable.steps[0].tensor;
}

void History::start(const std::string & name, double value)
{
  start(name, guarded([&] { return number(find(name), value); }));
}

void History::start(const std::string & name, const at::Tensor & value)
{
  auto & variable = find(name);
  guarded([&] { start(variable, converted(variable, value), 0); });
  _evaluated = false;
}

/// Fills the arrays of `steps` steps ago and more; those of a force become one.
void History::start(Variable & variable, const at::Tensor & value, std::int64_t steps)
{
  const auto begin = variable.steps.begin() + steps;
  if (variable.state)
    std::for_each(begin, variable.steps.end(), [&](Array & array) { array.tensor.copy_(value); });
  else
    std::fill(begin, variable.steps.end(), Array{value.clone(), true});
  bind(variable);
}

void History::use(const std::string & name, const at::Tensor & array, std::int64_t steps)
{
  auto & variable = find(name);
  auto & place = step(variable, steps);
  guarded(
      [&]
      {
        const std::string what = "the array for '" + name + "'";
        check_tensor(array, {"array for", name}, variable.base, _model.dtype(), _model.device());
        if (array.sizes() != at::IntArrayRef(full_shape(variable)))
          throw FatalError(what + " is " + to_text(array.sizes()) + ", expected " +
                           to_text(full_shape(variable)));
        for (std::size_t k = 0; k < variable.steps.size(); k++)
          if (const auto & other = variable.steps[k];
              &other != &place && may_overlap(Region(other.tensor), Region(array)))
            throw FatalError(what + " holds the value of " + std::to_string(k) +
                             " steps ago, which the model still needs: give another");
      });
  place = {array, false};
  bind(variable);
  _evaluated = _evaluated && steps != 0;
}

void History::evaluate()
{
  _evaluated = false;
  _model.forward_into(_inputs, _outputs);
  _evaluated = true;
}

void History::evaluate_with_tangents()
{
  if (_blocks.empty())
    throw FatalError(
        "this history was asked for no tangents: name pairs of outputs and inputs when you make it");
  _evaluated = false;
  _model.jacobian_into(_inputs, _outputs, _blocks);
  _evaluated = true;
}

void History::accept()
{
  if (!_evaluated)
    throw FatalError("there is no step to accept: no evaluation has succeeded since the forces were given");
  for (auto & variable : _variables)
  {
    auto & steps = variable.steps;
    std::rotate(steps.begin(), steps.end() - 1, steps.end());
    if (!variable.state) // it keeps its value until another is given
    {
      const auto freed = std::exchange(steps[0], steps[1]);
      const bool needed = std::any_of(steps.begin(), steps.end(), [&](const Array & array)
                                      { return array.tensor.is_same(freed.tensor); });
      if (freed.own && !needed)
        variable.spare = freed;
    }
    bind(variable);
  }
  _evaluated = false;
}

void History::revert()
{
  guarded([&] { std::for_each(_variables.begin(), _variables.end(), &History::back); });
  _evaluated = false;
}

void History::back(Variable & variable)
{
  auto & [now, own] = variable.steps[0];
  const auto & before = variable.steps[1];
  if (variable.state)
    now.copy_(before.tensor);
  else if (!now.is_same(before.tensor))
  {
    if (own)
      variable.spare = variable.steps[0];
    variable.steps[0] = before;
  }
  bind(variable);
}

void History::bind(Variable & variable)
{
  for (const auto & [argument, steps] : variable.bound)
    *argument = variable.steps[steps].tensor;
}

void History::write(const std::filesystem::path & path) const
{
  guarded(
      [&]
      {
        HistoryFile file{_model.name(), _model.dtype(), _points, {}};
        for (const auto & variable : _variables)
          for (std::size_t k = 1; k < variable.steps.size(); k++)
            file.arrays.push_back({variable.name, static_cast<std::int64_t>(k), variable.steps[k].tensor});
        file.write(path);
      });
}

void History::read(const std::filesystem::path & path)
{
  guarded(
      [&]
      {
        const auto file = HistoryFile::read(path);
        const auto refuse = [&](const std::string & why)
        { throw FatalError(path.string() + ": this history is of another model or block: " + why); };
        if (file.model != _model.name())
          refuse("it was written for '" + file.model + "', not for '" + _model.name() + "'");
        if (file.dtype != _model.dtype())
          refuse(std::string("its numbers are ") + c10::toString(file.dtype) + ", the model's " +
                 c10::toString(_model.dtype()));
        if (file.points != _points)
          refuse("it has " + std::to_string(file.points) + " points, not " + std::to_string(_points));
        std::vector<Array *> places;
        auto rest = file.arrays.begin();
        for (auto & variable : _variables)
          for (std::size_t k = 1; k < variable.steps.size(); k++, ++rest)
          {
            const auto expected = variable.name + "~" + std::to_string(k);
            if (rest == file.arrays.end())
              refuse("it ends before '" + expected + "'");
            if (rest->name != variable.name || rest->steps != static_cast<std::int64_t>(k))
              refuse("it has '" + rest->name + "~" + std::to_string(rest->steps) + "' where '" + expected +
                     "' is expected");
            const bool fits = rest->value.sizes() == at::IntArrayRef(full_shape(variable));
            if (!fits && (variable.state || rest->value.sizes() != at::IntArrayRef(variable.base)))
              refuse("'" + expected + "' is " + to_text(rest->value.sizes()) + ", not " +
                     to_text(full_shape(variable)));
            places.push_back(&variable.steps[k]);
          }
        if (rest != file.arrays.end())
          refuse("'" + rest->name + "' is no variable of '" + _model.name() + "'");
        std::size_t next = 0;
        for (auto & variable : _variables)
        {
          for (std::size_t k = 1; k < variable.steps.size(); k++, next++)
            if (variable.state)
              places[next]->tensor.copy_(file.arrays[next].value);
            else
              *places[next] = {file.arrays[next].value.to(_model.device()), true};
          back(variable);
        }
      });
  _evaluated = false;
}

} // namespace neml2::aoti
