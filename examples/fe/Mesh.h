// SPDX-License-Identifier: MIT
#pragma once

#include "Hexahedron.h"

#include <petscdmda.h>
#include <vector>

/// What a plate is: a quarter of it, and half of its thickness. Lengths in mm.
struct Plate
{
  PetscInt radial = 12, angular = 12,
           layers = 3; ///< elements; angular: even, so that a node lies in the corner
  double radius = 5, width = 20, thickness = 2; ///< of the hole; from the centre to edges; half thickness
};

/// A structured mesh, bent around the hole: i goes from the hole outwards, j from the x to the y axis, k up.
/// PETSc's DMDA spreads it over the ranks and knows the nodes of the neighbours ("ghosts").
struct Mesh
{
  DM da;
  Plate plate;
  PetscInt elements;                       ///< of this rank
  const PetscInt * nodes;                  ///< 8 nodes of each of these, numbers of this rank with ghosts
  std::vector<double> volume;              ///< of each material point; 8 an element
  std::vector<hexahedron::StrainMatrix> B; ///< of each material point

  Vec load;                    ///< nodal forces of the traction 1 MPa along y on the edge y = width
  std::vector<PetscInt> fixed; ///< what symmetry keeps at zero: degrees of freedom of owned nodes
};

PetscErrorCode create(const Plate & plate, Mesh & mesh);
PetscErrorCode destroy(Mesh & mesh);
