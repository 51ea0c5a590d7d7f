// SPDX-License-Identifier: MIT
// A program of somebody else's: knows neml2 from its installed headers alone. Argument: a stub of linear
// elasticity.
#include "neml2/csrc/aoti/Model.h"
#include "neml2/csrc/dispatchers/factory.h"
#include "neml2/version.h"

#include <ATen/ATen.h>
#include <fstream>
#include <iostream>
#include <string>

int main(int argc, char ** argv)
{
  if (argc != 2)
    return 2;
  auto model = neml2::aoti::load_model(argv[1], "elasticity");
  const auto strain = at::tensor({0.01, 0.0, 0.0, 0.0, 0.0, 0.0}, at::kDouble).reshape({1, 6});
  const auto stress = model.forward({{"strain", strain}}).at("stress");
  const auto expected =
      at::tensor({35000 / 13., 15000 / 13., 15000 / 13., 0., 0., 0.}, at::kDouble).reshape({1, 6});
  if (!at::allclose(stress, expected, 1e-12, 1e-12))
    return std::cerr << "wrong stress: " << stress << "\n", 1;
  try
  {
    (void)model.forward({{"strian", strain}});
    return std::cerr << "no error\n", 1;
  }
  catch (const neml2::aoti::Exception & error) // its type crosses the library's boundary
  {
    if (dynamic_cast<const neml2::aoti::FatalError *>(&error) == nullptr)
      return std::cerr << "wrong type of error\n", 1;
  }

  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find("libpython") != std::string::npos || line.find("libtorch_python") != std::string::npos)
      return std::cerr << "Python is in this process: " << line << "\n", 1;
  std::cout << "neml2 " << NEML2_VERSION << ": ok\n";
}
