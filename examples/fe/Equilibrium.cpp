// SPDX-License-Identifier: MIT
#include "Equilibrium.h"

namespace
{
using hexahedron::components;
constexpr int dofs = 3 * hexahedron::nodes; // of an element

/// The strain at all points of this rank, from displacements with ghosts.
void compute_strain(const Mesh & mesh, const PetscScalar * u, double * strain)
{
  for (PetscInt e = 0; e < mesh.elements; ++e)
    for (int q = 0; q < hexahedron::points; ++q)
    {
      const auto p = hexahedron::points * e + q;
      for (int m = 0; m < components; ++m)
      {
        double sum = 0;
        for (int n = 0; n < dofs; ++n)
          sum += mesh.B[p][m][n] * u[3 * mesh.nodes[8 * e + n / 3] + n % 3];
        strain[components * p + m] = sum;
      }
    }
}

/// Adds the sums over points of B^T stress to nodal forces with ghosts.
void add_internal_forces(const Mesh & mesh, const double * stress, PetscScalar * force)
{
  for (PetscInt e = 0; e < mesh.elements; ++e)
    for (int q = 0; q < hexahedron::points; ++q)
    {
      const auto p = hexahedron::points * e + q;
      for (int m = 0; m < components; ++m)
        for (int n = 0; n < dofs; ++n)
          force[3 * mesh.nodes[8 * e + n / 3] + n % 3] +=
              mesh.volume[p] * mesh.B[p][m][n] * stress[components * p + m];
    }
}

/// The sum over the points of element e of B^T C B, (24, 24) row by row.
std::array<double, dofs * dofs> stiffness(const Mesh & mesh, PetscInt e, const double * tangent)
{
  std::array<double, dofs * dofs> K{};
  for (int q = 0; q < hexahedron::points; ++q)
  {
    const auto p = hexahedron::points * e + q;
    const auto & B = mesh.B[p];
    const auto * C = tangent + components * components * p;
    hexahedron::StrainMatrix CB{};
    for (int l = 0; l < components; ++l)
      for (int m = 0; m < components; ++m)
        for (int n = 0; n < dofs; ++n)
          CB[l][n] += mesh.volume[p] * C[components * l + m] * B[m][n];
    for (int l = 0; l < components; ++l)
      for (int m = 0; m < dofs; ++m)
        for (int n = 0; n < dofs; ++n)
          K[dofs * m + n] += B[l][m] * CB[l][n];
  }
  return K;
}

/// SNES asks for the residual at u. The material gives stress and tangent together, in one call.
PetscErrorCode residual(SNES snes, Vec u, Vec r, void * context)
{
  auto & problem = *static_cast<Equilibrium *>(context);
  const auto & mesh = problem.mesh;
  auto & material = problem.material;
  Vec local;
  const PetscScalar * displacement;
  PetscScalar * force;
  PetscFunctionBeginUser;
  PetscCall(DMGetLocalVector(mesh.da, &local));
  PetscCall(DMGlobalToLocal(mesh.da, u, INSERT_VALUES, local));
  PetscCall(VecGetArrayRead(local, &displacement));
  compute_strain(mesh, displacement, material.strain());
  PetscCall(VecRestoreArrayRead(local, &displacement));

  // All ranks learn of a point without solution, and give up this step together.
  int converged = 0;
  try // no exception may pass through PETSc, which is C
  {
    converged = material.evaluate(problem.time);
  }
  catch (const std::exception & error)
  {
    SETERRQ(PETSC_COMM_SELF, PETSC_ERR_LIB, "%s", error.what());
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &converged, 1, MPI_INT, MPI_MIN, PETSC_COMM_WORLD));
  problem.material_failed = !converged;
  if (problem.material_failed)
    PetscCall(SNESSetFunctionDomainError(snes));

  PetscCall(VecZeroEntries(local));
  PetscCall(VecGetArray(local, &force));
  add_internal_forces(mesh, material.stress(), force);
  PetscCall(VecRestoreArray(local, &force));
  PetscCall(VecZeroEntries(r));
  PetscCall(DMLocalToGlobal(mesh.da, local, ADD_VALUES, r));
  PetscCall(DMRestoreLocalVector(mesh.da, &local));
  PetscCall(VecAXPY(r, -problem.traction, mesh.load));

  const std::vector<PetscScalar> zeros(mesh.fixed.size());
  PetscCall(VecSetValuesLocal(r, PetscInt(zeros.size()), mesh.fixed.data(), zeros.data(), INSERT_VALUES));
  PetscCall(VecAssemblyBegin(r));
  PetscCall(VecAssemblyEnd(r));
  PetscFunctionReturn(0);
}

/// SNES asks for the tangent where it has just asked for the residual: the material's tangent is that of u.
PetscErrorCode tangent(SNES, Vec, Mat, Mat P, void * context)
{
  const auto & mesh = static_cast<Equilibrium *>(context)->mesh;
  const auto & material = static_cast<Equilibrium *>(context)->material;
  PetscFunctionBeginUser;
  PetscCall(MatZeroEntries(P));
  for (PetscInt e = 0; e < mesh.elements; ++e)
  {
    const auto K = stiffness(mesh, e, material.tangent());
    const auto * nodes = mesh.nodes + 8 * e;
    PetscCall(MatSetValuesBlockedLocal(P, 8, nodes, 8, nodes, K.data(), ADD_VALUES));
  }
  PetscCall(MatAssemblyBegin(P, MAT_FINAL_ASSEMBLY));
  PetscCall(MatAssemblyEnd(P, MAT_FINAL_ASSEMBLY));
  const auto n = PetscInt(mesh.fixed.size());
  PetscCall(MatZeroRowsColumnsLocal(P, n, mesh.fixed.data(), 1., nullptr, nullptr));
  PetscFunctionReturn(0);
}

} // namespace

PetscErrorCode create_solver(Equilibrium & equilibrium, SNES * snes)
{
  Mat A;
  Vec coordinates;
  MatNullSpace rigid;
  KSP ksp;
  PC pc;
  SNESLineSearch search;
  PetscFunctionBeginUser;
  PetscCall(DMCreateMatrix(equilibrium.mesh.da, &A));
  PetscCall(DMGetCoordinates(equilibrium.mesh.da, &coordinates));
  PetscCall(MatNullSpaceCreateRigidBody(coordinates, &rigid)); // multigrid needs them for its coarse spaces
  PetscCall(MatSetNearNullSpace(A, rigid));
  PetscCall(MatNullSpaceDestroy(&rigid));

  PetscCall(SNESCreate(PETSC_COMM_WORLD, snes));
  PetscCall(SNESSetDM(*snes, equilibrium.mesh.da));
  PetscCall(SNESSetFunction(*snes, nullptr, residual, &equilibrium));
  PetscCall(SNESSetJacobian(*snes, A, A, tangent, &equilibrium));
  PetscCall(MatDestroy(&A));                                              // the solver holds it
  PetscCall(SNESSetTolerances(*snes, 1e-9, 1e-11, 0, 12, PETSC_DEFAULT)); // |r| below 1e-9 N, 12 iterations
  PetscCall(SNESSetConvergenceHistory(*snes, nullptr, nullptr, PETSC_DECIDE, PETSC_TRUE));
  PetscCall(SNESGetLineSearch(*snes, &search));
  PetscCall(SNESLineSearchSetType(search, SNESLINESEARCHBASIC));
  PetscCall(SNESGetKSP(*snes, &ksp));
  PetscCall(KSPSetType(ksp, KSPGMRES));
  PetscCall(KSPSetTolerances(ksp, 1e-10, PETSC_DEFAULT, PETSC_DEFAULT, 500));
  PetscCall(KSPGMRESSetRestart(ksp, 100));
  PetscCall(KSPGetPC(ksp, &pc));
  PetscCall(PCSetType(pc, PCGAMG));
  PetscCall(SNESSetFromOptions(*snes));
  PetscFunctionReturn(0);
}
