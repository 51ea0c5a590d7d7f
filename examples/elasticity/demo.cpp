// SPDX-License-Identifier: MIT
// The compiled elasticity model from C++: no Python in this process.
#include "neml2/csrc/aoti/Model.h"
#include "neml2/csrc/dispatchers/factory.h"

#include <ATen/ATen.h>
#include <iostream>

int main()
{
  const auto strain =
      at::tensor({0.01, 0.0, 0.0, 0.0, 0.0, 0.0, 0.005, -0.002, 0.0, 0.0, 0.0, 0.001}, at::kDouble)
          .reshape({2, 6});

  auto model = neml2::aoti::load_model("aoti/elasticity_aoti.i", "elasticity");
  const auto outputs = model.forward({{"strain", strain}});
  std::cout << "stress:\n" << outputs.at("stress") << "\n";

  auto [outs, J] = model.jacobian({{"strain", strain}});
  std::cout << "J[stress][strain]:\n" << J.at("stress").at("strain") << "\n";

  // The bare model, from its metadata; a promoted parameter is mutable in place.
  const neml2::aoti::Model promoted("aoti_promoted/elasticity/cpu/elasticity_meta.json");
  const auto before = promoted.forward({{"strain", strain}}).at("stress");
  promoted.named_parameters().at("E").fill_(100e3);
  const auto after = promoted.forward({{"strain", strain}}).at("stress");
  std::cout << "stress[0,0] with E = 200e3: " << before[0][0].item<double>()
            << ", with E = 100e3: " << after[0][0].item<double>() << "\n";
}
