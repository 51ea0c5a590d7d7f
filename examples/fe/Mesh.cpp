// SPDX-License-Identifier: MIT
#include "Mesh.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace
{

/// Where the node (i, j, k) lies: on the ray at an angle, between hole and edge, closer together at the hole.
hexahedron::Point position(const Plate & plate, PetscInt i, PetscInt j, PetscInt k)
{
  const auto angle = std::numbers::pi / 2 * double(j) / double(plate.angular);
  const auto c = std::cos(angle), s = std::sin(angle);
  const auto edge = plate.width / std::max(c, s); // the distance to x = width or y = width on this ray
  const auto r = plate.radius + (edge - plate.radius) * std::pow(double(i) / double(plate.radial), 1.5);
  return {r * c, r * s, plate.thickness * double(k) / double(plate.layers)};
}

/// Calls f(i, j, k, node) for the nodes that this rank owns (node: its number with ghosts).
template <typename Function>
PetscErrorCode for_owned_nodes(DM da, const Function & f)
{
  PetscInt x, y, z, nx, ny, nz, gx, gy, gz, gnx, gny, gnz;
  PetscFunctionBeginUser;
  PetscCall(DMDAGetCorners(da, &x, &y, &z, &nx, &ny, &nz));
  PetscCall(DMDAGetGhostCorners(da, &gx, &gy, &gz, &gnx, &gny, &gnz));
  for (auto k = z; k < z + nz; ++k)
    for (auto j = y; j < y + ny; ++j)
      for (auto i = x; i < x + nx; ++i)
        f(i, j, k, i - gx + gnx * (j - gy + gny * (k - gz)));
  PetscFunctionReturn(0);
}

PetscErrorCode place_nodes(Mesh & mesh)
{
  DM coordinate_da;
  Vec coordinates;
  DMDACoor3d *** x;
  PetscFunctionBeginUser;
  PetscCall(DMDASetUniformCoordinates(mesh.da, 0, 1, 0, 1, 0, 1)); // allocates; the values follow
  PetscCall(DMGetCoordinateDM(mesh.da, &coordinate_da));
  PetscCall(DMGetCoordinates(mesh.da, &coordinates));
  PetscCall(DMDAVecGetArray(coordinate_da, coordinates, &x));
  PetscCall(for_owned_nodes(mesh.da,
                            [&](PetscInt i, PetscInt j, PetscInt k, PetscInt)
                            {
                              const auto p = position(mesh.plate, i, j, k);
                              x[k][j][i] = {p[0], p[1], p[2]};
                            }));
  PetscCall(DMDAVecRestoreArray(coordinate_da, coordinates, &x));
  PetscCall(DMSetCoordinates(mesh.da, coordinates)); // the ghosts' positions follow from these
  PetscFunctionReturn(0);
}

/// Gauss points of all elements, and the forces of the traction on faces of the edge y = width.
PetscErrorCode integrate(Mesh & mesh)
{
  PetscInt nodes_per_element, x, y, z, nx, ny, nz;
  Vec coordinates, local;
  const PetscScalar * position;
  PetscFunctionBeginUser;
  PetscCall(DMDAGetElements(mesh.da, &mesh.elements, &nodes_per_element, &mesh.nodes));
  PetscCall(DMDAGetElementsCorners(mesh.da, &x, &y, &z));
  PetscCall(DMDAGetElementsSizes(mesh.da, &nx, &ny, &nz));
  PetscCall(DMGetCoordinatesLocal(mesh.da, &coordinates));
  PetscCall(VecGetArrayRead(coordinates, &position));
  PetscCall(DMCreateLocalVector(mesh.da, &local));
  for (PetscInt e = 0; e < mesh.elements; ++e)
  {
    const auto * node = mesh.nodes + 8 * e;
    std::array<hexahedron::Point, 8> p;
    for (int a = 0; a < 8; ++a)
      for (int c = 0; c < 3; ++c)
        p[a][c] = position[3 * node[a] + c];
    for (int q = 0; q < hexahedron::points; ++q)
    {
      const auto point = hexahedron::gauss_point(q, p);
      mesh.volume.push_back(point.volume);
      mesh.B.push_back(hexahedron::strain_matrix(point));
    }
    // The face i = max of an element at the edge is a rectangle in x and z: each corner carries a quarter.
    const auto i = x + e % nx, j = y + e / nx % ny;
    if (i == mesh.plate.radial - 1 && j >= mesh.plate.angular / 2)
      for (const int a : {1, 2, 5, 6})
        PetscCall(
            VecSetValue(local, 3 * node[a] + 1, (p[1][0] - p[2][0]) * (p[5][2] - p[1][2]) / 4, ADD_VALUES));
  }
  PetscCall(VecAssemblyBegin(local));
  PetscCall(VecAssemblyEnd(local));
  PetscCall(VecRestoreArrayRead(coordinates, &position));
  PetscCall(DMCreateGlobalVector(mesh.da, &mesh.load));
  PetscCall(DMLocalToGlobal(mesh.da, local, ADD_VALUES, mesh.load));
  PetscCall(VecDestroy(&local));
  PetscFunctionReturn(0);
}

} // namespace

PetscErrorCode create(const Plate & plate, Mesh & mesh)
{
  PetscFunctionBeginUser;
  mesh.plate = plate;
  PetscCall(DMDACreate3d(PETSC_COMM_WORLD, DM_BOUNDARY_NONE, DM_BOUNDARY_NONE, DM_BOUNDARY_NONE,
                         DMDA_STENCIL_BOX, plate.radial + 1, plate.angular + 1, plate.layers + 1,
                         PETSC_DECIDE, PETSC_DECIDE, PETSC_DECIDE, 3, 1, nullptr, nullptr, nullptr,
                         &mesh.da));
  PetscCall(DMSetFromOptions(mesh.da));
  PetscCall(DMSetUp(mesh.da));
  PetscCall(DMDASetElementType(mesh.da, DMDA_ELEMENT_Q1));
  PetscCall(place_nodes(mesh));
  PetscCall(integrate(mesh));

  PetscCall(for_owned_nodes(mesh.da,
                            [&](PetscInt, PetscInt j, PetscInt k, PetscInt node)
                            {
                              if (j == plate.angular) // the plane x = 0
                                mesh.fixed.push_back(3 * node);
                              if (j == 0) // the plane y = 0
                                mesh.fixed.push_back(3 * node + 1);
                              if (k == 0) // the middle plane z = 0
                                mesh.fixed.push_back(3 * node + 2);
                            }));
  PetscFunctionReturn(0);
}

PetscErrorCode destroy(Mesh & mesh)
{
  PetscInt ignored;
  PetscFunctionBeginUser;
  PetscCall(DMDARestoreElements(mesh.da, &mesh.elements, &ignored, &mesh.nodes));
  PetscCall(VecDestroy(&mesh.load));
  PetscCall(DMDestroy(&mesh.da));
  PetscFunctionReturn(0);
}
