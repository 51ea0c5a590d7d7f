// SPDX-License-Identifier: MIT
// A plate with a hole under cyclic load: three-dimensional finite elements on PETSc, with a material of
// neml2.
//
//   mpirun -n 4 ./plate -stub aoti/model_aoti.i -out results
//
// Options besides: -radial, -angular, -layers (elements), -amplitude (MPa), -period (s), -cycles, -dt
// (longest step, s), and everything that PETSc knows, as -snes_monitor or -pc_type.
#include "Equilibrium.h"
#include "Output.h"

#include <ATen/Parallel.h>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>

namespace
{

struct Options
{
  Plate plate;
  std::string stub = "aoti/model_aoti.i", out = "results";
  double amplitude = 120, period = 40, cycles = 1.25, dt = 2.5;
};

PetscErrorCode read(Options & options)
{
  char text[PETSC_MAX_PATH_LEN];
  PetscBool given;
  PetscFunctionBeginUser;
  PetscCall(PetscOptionsGetInt(nullptr, nullptr, "-radial", &options.plate.radial, nullptr));
  PetscCall(PetscOptionsGetInt(nullptr, nullptr, "-angular", &options.plate.angular, nullptr));
  PetscCall(PetscOptionsGetInt(nullptr, nullptr, "-layers", &options.plate.layers, nullptr));
  PetscCall(PetscOptionsGetReal(nullptr, nullptr, "-amplitude", &options.amplitude, nullptr));
  PetscCall(PetscOptionsGetReal(nullptr, nullptr, "-period", &options.period, nullptr));
  PetscCall(PetscOptionsGetReal(nullptr, nullptr, "-cycles", &options.cycles, nullptr));
  PetscCall(PetscOptionsGetReal(nullptr, nullptr, "-dt", &options.dt, nullptr));
  PetscCall(PetscOptionsGetString(nullptr, nullptr, "-stub", text, sizeof text, &given));
  if (given)
    options.stub = text;
  PetscCall(PetscOptionsGetString(nullptr, nullptr, "-out", text, sizeof text, &given));
  if (given)
    options.out = text;
  PetscCheck(options.plate.angular % 2 == 0, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "-angular must be even");
  PetscFunctionReturn(0);
}

/// The traction at a time: 0, up to the amplitude, down to its negative, and back, in straight lines.
double traction(const Options & options, double time)
{
  const auto phase = time / options.period - std::floor(time / options.period);
  return options.amplitude * (phase < 0.25 ? 4 * phase : phase < 0.75 ? 2 - 4 * phase : 4 * phase - 4);
}

/// One line: the step, and the residual (N) at each of Newton's iterates.
PetscErrorCode report(SNES snes, int step, const Equilibrium & problem, bool accepted)
{
  PetscReal * norms;
  PetscInt count;
  PetscFunctionBeginUser;
  PetscCall(SNESGetConvergenceHistory(snes, &norms, nullptr, &count));
  PetscCall(
      PetscPrintf(PETSC_COMM_WORLD, "%4d  t %8.4f s  %7.2f MPa  |r|", step, problem.time, problem.traction));
  for (PetscInt i = 0; i < count; ++i)
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, " %.1e", norms[i]));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "%s\n",
                        accepted                  ? ""
                        : problem.material_failed ? "  cut: a material point has no solution"
                                                  : "  cut: no equilibrium"));
  PetscFunctionReturn(0);
}

/// Walks through the cycles. A step without solution is taken back and halved; one that succeeds lets the
/// next one be twice as long, up to the longest. Steps end where the load turns round.
PetscErrorCode march(const Options & options, Equilibrium & problem, SNES snes, Vec u)
{
  Vec trial;
  std::ofstream history;
  int rank;
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  if (rank == 0) // on the others the stream stays closed, and swallows what it is given
    history.open(options.out + "/history.csv");
  PetscCall(VecDuplicate(u, &trial));
  PetscReal area;
  PetscCall(VecSum(problem.mesh.load, &area));
  PetscCall(write_vtu(options.out, 0, problem.mesh, problem.material, u));

  const auto quarters = int(std::lround(4 * options.cycles));
  auto time = 0., dt = options.dt;
  for (int quarter = 1, step = 1; quarter <= quarters;)
  {
    const auto end = options.period / 4 * quarter;
    const auto last = time + 1.001 * dt >= end; // no crumb is left before the turn
    problem.time = last ? end : time + dt;
    problem.traction = traction(options, problem.time);
    PetscCall(VecCopy(u, trial));
    PetscCall(SNESSolve(snes, nullptr, trial));
    SNESConvergedReason reason;
    PetscCall(SNESGetConvergedReason(snes, &reason));
    PetscCall(report(snes, step, problem, reason > 0));
    if (reason < 0)
    {
      dt = (problem.time - time) / 2;
      PetscCheck(dt > 1e-6 * options.dt, PETSC_COMM_WORLD, PETSC_ERR_NOT_CONVERGED,
                 "no step is short enough");
      continue;
    }
    problem.material.accept();
    PetscCall(VecCopy(trial, u));
    PetscReal mean;
    PetscCall(VecDot(problem.mesh.load, u, &mean));
    history << problem.time << "," << problem.traction << "," << mean / area << "\n";
    time = problem.time;
    dt = std::min(2 * dt, options.dt);
    ++step;
    if (last)
      PetscCall(write_vtu(options.out, quarter++, problem.mesh, problem.material, u));
  }
  PetscCall(VecDestroy(&trial));
  PetscFunctionReturn(0);
}

/// What a run comes to, and what part of the time the material took (of the slowest rank).
PetscErrorCode summarize(const Options & options, const Material & material, Vec u, double seconds)
{
  const auto plastic = material.accepted("equivalent_plastic_strain");
  double values[2] = {plastic.numel() ? plastic.max().item<double>() : 0., material.seconds()};
  auto points = plastic.numel();
  PetscViewer file;
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, values, 2, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &points, 1, MPI_INT64_T, MPI_SUM, PETSC_COMM_WORLD));
  PetscReal largest;
  PetscCall(VecNorm(u, NORM_INFINITY, &largest));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "largest displacement %.12e mm, equivalent plastic strain %.12e\n",
                        largest, values[0]));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "material: %.2f s of %.2f s (%.1f %%), %d calls, %lld points\n",
                        values[1], seconds, 100 * values[1] / seconds, material.evaluations(),
                        (long long)points));
  // The displacements in the order of the mesh, whatever the number of ranks: to be compared.
  PetscCall(PetscViewerBinaryOpen(PETSC_COMM_WORLD, (options.out + "/displacement.bin").c_str(),
                                  FILE_MODE_WRITE, &file));
  PetscCall(VecView(u, file));
  PetscCall(PetscViewerDestroy(&file));
  PetscFunctionReturn(0);
}

PetscErrorCode run()
{
  Options options;
  Mesh mesh;
  SNES snes;
  Vec u;
  PetscFunctionBeginUser;
  PetscCall(read(options));
  std::filesystem::create_directories(options.out);
  PetscCall(create(options.plate, mesh));
  Material material(options.stub, "model", hexahedron::points * mesh.elements);
  Equilibrium problem{mesh, material};
  PetscCall(create_solver(problem, &snes));
  PetscCall(DMCreateGlobalVector(mesh.da, &u));

  const auto start = MPI_Wtime();
  PetscCall(march(options, problem, snes, u));
  PetscCall(summarize(options, material, u, MPI_Wtime() - start));

  PetscCall(VecDestroy(&u));
  PetscCall(SNESDestroy(&snes));
  PetscCall(destroy(mesh));
  PetscFunctionReturn(0);
}

} // namespace

int main(int argc, char ** argv)
{
  PetscCall(PetscInitialize(&argc, &argv, nullptr, nullptr));
  at::set_num_threads(1); // ranks share the cores: a team of threads in each would be in the others' way
  try
  {
    PetscCall(run());
  }
  catch (const std::exception & error)
  {
    PetscCall(PetscFPrintf(PETSC_COMM_SELF, stderr, "error: %s\n", error.what()));
    MPI_Abort(PETSC_COMM_WORLD, 1);
  }
  return PetscFinalize();
}
