// SPDX-License-Identifier: MIT
#include "neml2/aoti/load_model.h"

#include "aoti/ModelImplementation.h"
#include "call/guard.h"
#include "neml2/aoti/exceptions.h"
#include "package/NearMatch.h"
#include "package/Stub.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <cstdlib>
#include <sstream>

namespace neml2::aoti
{
namespace
{

/// Gives a promoted parameter the numbers that the stub writes: one, or as many as it has components.
void set_from_text(const Model & model, const std::filesystem::path & stub, const std::string & name,
                   const std::string & text)
{
  const auto place = stub.string() + ": [Models/" + model.name() + "] option '" + name + "': ";
  const auto found = model.named_parameters().find(name);
  if (found == model.named_parameters().end())
  {
    std::vector<std::string> known;
    for (const auto & [other, tensor] : model.named_parameters())
      known.push_back(other);
    throw FatalError(place + "the model is compiled, and this is no promoted parameter of it" +
                     did_you_mean(name, known) + " (promoted are: " + quoted_list(known) + ")");
  }
  std::istringstream words(text);
  std::vector<double> numbers;
  for (std::string word; words >> word;)
  {
    char * end = nullptr;
    numbers.push_back(std::strtod(word.c_str(), &end));
    if (*end != '\0')
      throw FatalError(place + "'" + word + "' is no number");
  }
  const auto & value = found->second;
  if (numbers.size() != 1 && std::ssize(numbers) != value.numel())
    throw FatalError(place + std::to_string(numbers.size()) + " numbers for a parameter of " +
                     std::to_string(value.numel()));
  const auto given = at::tensor(numbers, at::kDouble);
  value.copy_(numbers.size() == 1 ? given[0] : given.reshape(value.sizes()));
}

/// The package for a device: "cpu", "cuda" or "cuda:1".
std::unique_ptr<const Engine> load_for(const Stub & contents, const std::filesystem::path & stub,
                                       const std::string & name, const std::string & device)
{
  const auto kind = device.substr(0, device.find(':'));
  c10::OptionalDeviceGuard present;
  if (kind != "cpu" && kind != device)
    present.reset_device(c10::Device(device));
  return load_engine(contents.metadata(stub, name, kind), contents.solvers);
}

} // namespace

ModelHandle load_model(const std::filesystem::path & stub, const std::string & name,
                       std::shared_ptr<Scheduler> scheduler, const std::string & device,
                       const SolverOptions & solvers)
{
  return guarded(
      [&]
      {
        auto contents = Stub::read(stub, name);
        contents.solvers.add(SolverOverrides(solvers));
        const auto load = [&](const std::string & place) { return load_for(contents, stub, name, place); };
        auto first =
            std::make_unique<Model::Implementation>(load(scheduler ? scheduler->devices().front() : device));
        if (scheduler)
        {
          std::vector<std::unique_ptr<const Engine>> others;
          for (std::size_t d = 1; d < scheduler->devices().size(); d++)
            others.push_back(load(scheduler->devices()[d]));
          first->dispatch(std::move(scheduler), std::move(others));
        }
        auto model = std::make_shared<Model>(std::move(first));
        for (const auto & [parameter, text] : contents.parameters)
          set_from_text(*model, stub, parameter, text);
        return ModelHandle(std::move(model));
      });
}

} // namespace neml2::aoti
