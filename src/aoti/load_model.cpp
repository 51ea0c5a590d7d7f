// SPDX-License-Identifier: MIT
#include "neml2/aoti/load_model.h"

#include "aoti/ModelImplementation.h"
#include "aoti/Stub.h"
#include "aoti/guard.h"
#include "neml2/aoti/exceptions.h"

namespace neml2::aoti
{

ModelHandle load_model(const std::filesystem::path & stub, const std::string & name,
                       std::shared_ptr<Scheduler> scheduler, const std::string & device)
{
  if (scheduler)
    throw FatalError("this version of neml2 has no schedulers: load the model without one");
  return guarded(
      [&]
      {
        const auto contents = Stub::read(stub, name);
        return ModelHandle(std::make_shared<Model>(std::make_unique<Model::Implementation>(
            contents.metadata(stub, name, device), contents.solvers)));
      });
}

} // namespace neml2::aoti
