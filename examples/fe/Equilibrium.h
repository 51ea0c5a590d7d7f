// SPDX-License-Identifier: MIT
#pragma once

#include "Material.h"
#include "Mesh.h"

#include <petscsnes.h>

/// Internal forces = traction x load, at the end of a step: what SNES solves for the displacements.
struct Equilibrium
{
  Mesh & mesh;
  Material & material;
  double time = 0;     ///< at the end of the step
  double traction = 0; ///< MPa, at the end of the step

  bool material_failed = false; ///< whether some point of some rank had no solution at the last evaluation
};

/// A solver for the displacements: full Newton steps, and GMRES with algebraic multigrid for each (options of
/// the command line come after these). The tangent is not symmetric: back stresses recover.
PetscErrorCode create_solver(Equilibrium & equilibrium, SNES * snes);
