// SPDX-License-Identifier: MIT
// Shears one material point and prints stress over strain. Needs plasticity.hpp and plasticity.cpp, nothing
// else.
#include "plasticity.hpp"

#include <cmath>
#include <cstdio>

int main()
{
  plasticity::return_map::Workspace return_map;
  plasticity::deviatoric_stress::Workspace no_scratch;
  plasticity::Buffer<double, 6> strain{}, plastic_strain{}, stress{};
  plasticity::Buffer<double> hardening{}, multiplier{};

  std::printf("%10s %10s %5s\n", "gamma", "tau", "its");
  for (int step = 1; step <= 6; ++step)
  {
    const double gamma = 1e-3 * step;
    strain[5] = gamma / std::sqrt(2.0); // shear strain gamma/2, Mandel component 5

    multiplier[0] = 0;
    const plasticity::Result result =
        plasticity::return_map::evaluate(plastic_strain, multiplier, strain, plastic_strain, hardening,
                                         plastic_strain, multiplier, return_map);
    if (!result)
    {
      std::fprintf(stderr, "step %d: not converged, |r| = %g\n", step, result.residual);
      return 1;
    }
    hardening[0] += multiplier[0];
    plasticity::deviatoric_stress::evaluate(strain, plastic_strain, stress, no_scratch);
    std::printf("%10.4f %10.4f %5d\n", gamma, stress[5] / std::sqrt(2.0), result.iterations);
  }
}
