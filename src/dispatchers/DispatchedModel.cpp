// SPDX-License-Identifier: MIT
#include "dispatchers/DispatchedModel.h"

#include "dispatchers/Cut.h"
#include "dispatchers/Failures.h"
#include "dispatchers/Worker.h"
#include "neml2/aoti/exceptions.h"

#include <ATen/ExpandUtils.h>
#include <ATen/Functions.h>
#include <chrono>
#include <condition_variable>

namespace neml2::dispatchers
{
namespace
{

using aoti::JacobianMap;
using aoti::Model;
using aoti::ValueMap;
using Shape = std::vector<std::int64_t>;

double seconds_since(std::chrono::steady_clock::time_point begin)
{
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Broadcasts the batch axes of a tensor with `trailing` others into `batch`; whether they fit.
bool broadcast(Shape & batch, const at::Tensor & tensor, std::size_t trailing)
{
  if (!tensor.defined() || tensor.dim() < std::int64_t(trailing))
    return false;
  const auto sizes = tensor.sizes().slice(0, static_cast<std::size_t>(tensor.dim()) - trailing);
  if (sizes.size() > batch.size())
    batch.insert(batch.begin(), sizes.size() - batch.size(), 1);
  for (std::size_t i = 0; i < sizes.size(); i++)
  {
    auto & extent = batch[batch.size() - sizes.size() + i];
    if (extent == 1)
      extent = sizes[i];
    else if (sizes[i] != 1 && sizes[i] != extent)
      return false;
  }
  return true;
}

} // namespace

/// A device, its model, and the thread that feeds it.
struct DispatchedModel::Place
{
  std::shared_ptr<Model> model;
  std::unique_ptr<Worker> worker; ///< where there are several devices
};

DispatchedModel::DispatchedModel(std::shared_ptr<Scheduler> scheduler,
                                 std::vector<std::shared_ptr<Model>> models)
    : _scheduler(std::move(scheduler))
{
  for (auto & model : models)
    _places.push_back(std::make_unique<Place>(
        Place{std::move(model), models.size() > 1 ? std::make_unique<Worker>() : nullptr}));
}

DispatchedModel::~DispatchedModel() = default;

void DispatchedModel::set_parameter(const std::string & name, const at::Tensor & value)
{
  _places[0]->model->set_parameter(name, value);
}

/// One call: how its batch is cut, and what every part needs.
class DispatchedModel::Call
{
public:
  Call(const DispatchedModel & dispatched, const ValueMap & inputs, const ValueMap & tangents = {})
      : _places(dispatched._places), _inputs(inputs), _tangents(tangents), _owner(*_places[0]->model),
        _parameters(_owner.parameters())
  {
    Shape batch;
    _regular = !inputs.empty() && inputs.size() == _owner.input_names().size();
    for (const auto & [name, shape] : _owner.input_base_shapes())
    {
      const auto given = inputs.find(name);
      _regular = _regular && given != inputs.end() && broadcast(batch, given->second, shape.size());
    }
    for (const auto & [name, value] : _parameters)
      _regular = _regular && broadcast(batch, value, trailing_of_parameter(name));
    _home = inputs.empty() || !inputs.begin()->second.defined() ? _owner.device()
                                                                 : inputs.begin()->second.device();
    _cut.emplace(std::move(batch));
    _schedule = dispatched._scheduler->schedule(_cut->points());
    _load.resize(_places.size(), 0);
    if (_regular)
      _next = _schedule->next(_load);
  }

  /// The model that gets the whole batch as it is, or null: where it is one part on its own device, and where
  /// something is wrong with the arguments, which the model says best.
  const Model * only()
  {
    const bool whole = !_next || _next->size() == _cut->points();
    if (!whole)
      return nullptr;
    const auto & model = *_places[_next ? _next->device : 0]->model;
    const bool owner = &model == &_owner;
    return !_regular || (model.device() == _home && (owner || _parameters.empty())) ? &model : nullptr;
  }

  /// Runs what only() is asked for, and tells the schedule how long it took.
  template <typename Operation>
  auto timed(Operation && operation)
  {
    const auto begin = std::chrono::steady_clock::now();
    const Finish finish{[&] {
      if (_next)
        _schedule->finished(*_next, seconds_since(begin));
    }};
    return operation();
  }

  /// Evaluates all parts. Throws what failed.
  template <typename Evaluate>
  void run(const Evaluate & evaluate)
  {
    if (_places.size() == 1)
      for (; _next && !_failures.fatal(); _next = _schedule->next(_load))
        evaluate_part(*_next, evaluate);
    else
      run_on_workers(evaluate);
    _failures.raise();
  }

  const Cut & cut() const { return *_cut; }
  c10::Device home() const { return _home; }
  const Model & owner() const { return _owner; }

private:
  struct Finish
  {
    std::function<void()> function;
    ~Finish() { function(); }
  };

  std::size_t trailing_of_parameter(const std::string & name) const
  {
    return _owner.parameter_base_shapes().at(name).size();
  }

  template <typename Evaluate>
  void run_on_workers(const Evaluate & evaluate)
  {
    std::unique_lock lock(_guard);
    while (_next || _working > 0)
    {
      if (_next)
      {
        const auto part = *_next;
        _load[part.device] += part.size();
        _working++;
        _places[part.device]->worker->post(
            [this, part, &evaluate]
            {
              evaluate_part(part, evaluate);
              const std::lock_guard inner(_guard);
              _load[part.device] -= part.size();
              _working--;
              _changed.notify_one();
            });
      }
      else
        _changed.wait(lock);
      _next = _failures.fatal() ? std::nullopt : _schedule->next(_load);
    }
  }

  /// Evaluates a part and keeps what goes wrong.
  template <typename Evaluate>
  void evaluate_part(const Part & part, const Evaluate & evaluate)
  {
    const auto per_row = _cut->points_per_row();
    const auto row = [&](std::int64_t point) { return (point + per_row - 1) / std::max<std::int64_t>(per_row, 1); };
    const auto begin = row(part.begin), end = row(part.end);
    const auto start = std::chrono::steady_clock::now();
    try
    {
      if (end > begin)
      {
        const auto & model = *_places[part.device]->model;
        evaluate(model, slice(_inputs, model, begin, end, true), slice(_tangents, model, begin, end, false), begin,
                 end);
      }
    }
    catch (...)
    {
      const std::lock_guard lock(_guard);
      _failures.keep(*_cut, begin, end - begin);
    }
    const std::lock_guard lock(_guard);
    _schedule->finished(part, seconds_since(start));
  }

  /// Rows of inputs, on the device of a model, and of the parameters that it does not have of itself.
  ValueMap slice(const ValueMap & values, const Model & model, std::int64_t begin, std::int64_t end,
                 bool with_parameters) const
  {
    ValueMap part;
    for (const auto & [name, value] : values)
      part[name] =
          _cut->slice(value, _owner.input_base_shapes().at(name).size(), begin, end).to(model.device());
    if (with_parameters)
      for (const auto & [name, value] : _parameters)
      {
        const auto trailing = trailing_of_parameter(name);
        if (&model != &_owner || _cut->extends(value, trailing))
          part[name] = _cut->slice(value, trailing, begin, end).to(model.device());
      }
    return part;
  }

  const std::vector<std::unique_ptr<Place>> & _places;
  const ValueMap & _inputs;
  const ValueMap & _tangents;
  const Model & _owner;
  ValueMap _parameters;
  c10::Device _home = c10::kCPU;
  bool _regular = true;
  std::optional<Cut> _cut;
  std::unique_ptr<Schedule> _schedule;
  std::vector<std::int64_t> _load;
  std::optional<Part> _next;
  std::mutex _guard;
  std::condition_variable _changed;
  std::int64_t _working = 0;
  Failures _failures;
};

} // namespace neml2::dispatchers
