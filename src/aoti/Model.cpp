// SPDX-License-Identifier: MIT
#include "neml2/aoti/Model.h"

#include "aoti/ModelImplementation.h"
#include "call/NaturalShapes.h"
#include "call/followed.h"
#include "call/guard.h"
#include "neml2/aoti/exceptions.h"

#include <algorithm>

namespace neml2::aoti
{

Model::Model(const std::filesystem::path & metadata, const SolverOptions & solvers)
    : _impl(guarded(
          [&] { return std::make_unique<Implementation>(load_engine(metadata, SolverOverrides(solvers))); }))
{
}

Model::Model(std::unique_ptr<Implementation> implementation) : _impl(std::move(implementation)) {}

Model::~Model() = default;

ValueMap Model::forward(const ValueMap & inputs) const
{
  return guarded(
      [&]
      {
        DispatchedCall call(_impl->signature, inputs, _impl->present());
        _impl->bind(call);
        auto outputs = _impl->make_outputs(call);
        _impl->run(call);
        return outputs;
      });
}

ValueMap Model::forward_natural(const ValueMap & inputs) const
{
  return guarded(
      [&]
      {
        DispatchedCall call(_impl->signature, inputs, _impl->present());
        _impl->bind(call);
        auto outputs = _impl->make_outputs(call);
        std::atomic<std::uint64_t> iterated = 0;
        call.job.iterated = &iterated;
        _impl->run(call);
        const NaturalShapes natural(_impl->metadata(), call, iterated);
        for (const auto & slot : _impl->signature.outputs)
          outputs[slot.name] = natural.reduce(outputs[slot.name], slot, call.batch());
        return outputs;
      });
}

void Model::forward_into(const ValueMap & inputs, const ValueMap & outputs) const
{
  return guarded(
      [&]
      {
        DispatchedCall call(_impl->signature, inputs, _impl->present());
        _impl->bind(call);
        _impl->own_outputs(call, outputs);
        _impl->run(call);
      });
}

std::pair<ValueMap, ValueMap> Model::jvp(const ValueMap & inputs, const ValueMap & tangents) const
{
  return guarded(
      [&]
      {
        _impl->need_derivatives("jvp");
        DispatchedCall call(_impl->signature, inputs, _impl->present());
        _impl->want_tangents(call, tangents, _impl->differentiated);
        _impl->bind(call);
        auto outputs = _impl->make_outputs(call);
        ValueMap products;
        for (const auto i : _impl->differentiated)
        {
          const auto & output = _impl->signature.outputs[i];
          const auto & tensor = products.emplace(output.name, call.make(output.trailing, true)).first->second;
          call.add_sink(tensor, output.trailing.size(), true, {Result::tangent, i}, output.range.size);
        }
        _impl->run(call);
        return std::pair(std::move(outputs), std::move(products));
      });
}

void Model::jvp_into(const ValueMap & inputs, const ValueMap & tangents, const ValueMap & outputs,
                     const ValueMap & output_tangents) const
{
  return guarded(
      [&]
      {
        _impl->need_derivatives("jvp");
        DispatchedCall call(_impl->signature, inputs, _impl->present());
        std::vector<std::size_t> wanted;
        for (const auto & [name, tensor] : output_tangents)
        {
          wanted.push_back(_impl->output_number(name, "output"));
          const auto & known = _impl->differentiated;
          if (std::find(known.begin(), known.end(), wanted.back()) == known.end())
            throw FatalError("no derivative of '" + name + "' was compiled; compile the model with -d " +
                             name + ":");
        }
        _impl->want_tangents(call, tangents, wanted);
        _impl->bind(call);
        _impl->own_outputs(call, outputs);
        for (const auto i : wanted)
        {
          const auto & output = _impl->signature.outputs[i];
          const auto tensor = call.own(output_tangents.at(output.name), {"output tangent", output.name},
                                       output.trailing, true);
          call.add_sink(tensor, output.trailing.size(), true, {Result::tangent, i}, output.range.size);
        }
        _impl->run(call);
      });
}

std::pair<ValueMap, ValueMap> Model::vjp(const ValueMap & inputs, const ValueMap & cotangents) const
{
  return guarded(
      [&]
      {
        _impl->need_derivatives("vjp");
        DispatchedCall call(_impl->signature, inputs, _impl->present());
        _impl->want_cotangents(call, cotangents, _impl->wrt);
        _impl->bind(call);
        auto outputs = _impl->make_outputs(call);
        ValueMap found;
        for (const auto i : _impl->wrt)
          call.add_cotangent_sink(found.emplace(_impl->slot(i).name, call.make_cotangent(i)).first->second,
                                  i);
        _impl->run(call);
        return std::pair(std::move(outputs), std::move(found));
      });
}

void Model::vjp_into(const ValueMap & inputs, const ValueMap & cotangents, const ValueMap & outputs,
                     const ValueMap & input_cotangents) const
{
  return guarded(
      [&]
      {
        _impl->need_derivatives("vjp");
        DispatchedCall call(_impl->signature, inputs, _impl->present());
        std::vector<std::size_t> wanted;
        for (const auto & [name, tensor] : input_cotangents)
          wanted.push_back(_impl->wrt_number(name));
        _impl->want_cotangents(call, cotangents, wanted);
        _impl->bind(call);
        _impl->own_outputs(call, outputs);
        for (const auto i : wanted)
        {
          const auto & name = _impl->slot(i).name;
          call.add_cotangent_sink(call.own_cotangent(input_cotangents.at(name), {"input cotangent", name}, i),
                                  i);
        }
        _impl->run(call);
      });
}

std::pair<ValueMap, JacobianMap> Model::jacobian(const ValueMap & inputs) const
{
  return guarded(
      [&]
      {
        _impl->need_derivatives("jacobian");
        DispatchedCall call(_impl->signature, inputs, _impl->present());
        const auto use = _impl->want_blocks(call, std::vector<char>(_impl->pairs.size(), 1));
        _impl->bind(call);
        auto outputs = _impl->make_outputs(call);
        JacobianMap blocks;
        for (std::size_t p = 0; p < use.size(); p++)
        {
          const bool batched = use[p] == PairUse::batched;
          const auto shape = _impl->block_shape(p);
          const auto & [output, input] = _impl->pairs[p];
          const auto & tensor = blocks[output].emplace(input, call.make(shape, batched)).first->second;
          call.add_sink(tensor, shape.size(), batched, {Result::block, p}, _impl->block_size(p));
        }
        _impl->run(call);
        return std::pair(std::move(outputs), std::move(blocks));
      });
}

void Model::jacobian_into(const ValueMap & inputs, const ValueMap & outputs, const JacobianMap & blocks) const
{
  return guarded(
      [&]
      {
        _impl->need_derivatives("jacobian");
        DispatchedCall call(_impl->signature, inputs, _impl->present());
        std::vector<const at::Tensor *> tensors(_impl->pairs.size(), nullptr);
        std::vector<char> wanted(_impl->pairs.size(), 0);
        for (const auto & [output, row] : blocks)
          for (const auto & [input, tensor] : row)
          {
            const auto p = _impl->pair_number(output, input);
            tensors[p] = &tensor;
            wanted[p] = 1;
          }
        const auto use = _impl->want_blocks(call, wanted);
        _impl->bind(call);
        _impl->own_outputs(call, outputs);
        for (std::size_t p = 0; p < use.size(); p++)
          if (wanted[p])
          {
            const auto shape = _impl->block_shape(p);
            const auto tensor =
                call.own(*tensors[p], {"block", _impl->pair_names[p]}, shape, use[p] == PairUse::batched);
            const bool batched = tensor.dim() > std::ssize(shape);
            call.add_sink(tensor, shape.size(), batched, {Result::block, p}, _impl->block_size(p));
          }
        _impl->run(call);
      });
}

const ValueMap & Model::named_parameters() const
{
  return _impl->parameters;
}

void Model::set_parameter(const std::string & name, const at::Tensor & value)
{
  guarded([&] { _impl->set_parameter(name, value); });
}

const std::string & Model::name() const
{
  return _impl->metadata().name;
}

const std::vector<std::string> & Model::input_names() const
{
  return _impl->input_names;
}

const std::vector<std::string> & Model::output_names() const
{
  return _impl->output_names;
}

const std::map<std::string, std::vector<std::int64_t>> & Model::input_base_shapes() const
{
  return _impl->input_shapes;
}

const std::map<std::string, std::vector<std::int64_t>> & Model::output_base_shapes() const
{
  return _impl->output_shapes;
}

const std::map<std::string, std::vector<std::int64_t>> & Model::parameter_base_shapes() const
{
  return _impl->parameter_shapes;
}

bool Model::follows_parameters() const
{
  const auto values = _impl->present();
  return std::any_of(values->begin(), values->end(), is_followed);
}

const std::vector<HistoryPair> & Model::history() const
{
  return _impl->history;
}

const std::vector<std::pair<std::string, std::string>> & Model::derivative_pairs() const
{
  return _impl->pairs;
}

at::Device Model::device() const
{
  return _impl->signature.device;
}

at::ScalarType Model::dtype() const
{
  return _impl->signature.dtype;
}

} // namespace neml2::aoti
