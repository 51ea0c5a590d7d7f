// SPDX-License-Identifier: MIT
#include "Output.h"

#include <cmath>
#include <fstream>

namespace
{

std::string file_name(int number, const std::string & rest)
{
  const auto digits = std::to_string(number);
  return "plate_" + std::string(4 - std::min<std::size_t>(4, digits.size()), '0') + digits + rest;
}

/// What the pieces hold, as their own headers and the one file that names them all say it.
void declare(std::ostream & file, const std::string & tag, const char * name, int count)
{
  file << "<" << tag << " type=\"Float64\" Name=\"" << name << "\" NumberOfComponents=\"" << count
       << "\" format=\"ascii\"";
}

void write(std::ostream & file, const char * name, int count, const double * values, std::int64_t rows)
{
  declare(file, "DataArray", name, count);
  file << ">\n";
  for (std::int64_t r = 0; r < rows; ++r)
    for (int c = 0; c < count; ++c)
      file << values[count * r + c] << (c + 1 < count ? " " : "\n");
  file << "</DataArray>\n";
}

/// The connectivity: for each element its nodes, where they end in that list, and that it is a hexahedron.
void write_cells(std::ostream & file, const Mesh & mesh)
{
  file << "<Cells>\n<DataArray type=\"Int64\" Name=\"connectivity\" format=\"ascii\">\n";
  for (PetscInt n = 0; n < 8 * mesh.elements; ++n)
    file << mesh.nodes[n] << ((n + 1) % 8 ? " " : "\n");
  file << "</DataArray>\n<DataArray type=\"Int64\" Name=\"offsets\" format=\"ascii\">\n";
  for (PetscInt e = 1; e <= mesh.elements; ++e)
    file << 8 * e << "\n";
  file << "</DataArray>\n<DataArray type=\"UInt8\" Name=\"types\" format=\"ascii\">\n";
  for (PetscInt e = 0; e < mesh.elements; ++e)
    file << "12\n";
  file << "</DataArray>\n</Cells>\n";
}

/// A state variable of the accepted step: its mean over the volume of each element.
std::vector<double> element_mean(const Mesh & mesh, const at::Tensor & variable)
{
  const auto components = variable.dim() > 1 ? variable.size(1) : 1;
  const auto * value = variable.const_data_ptr<double>();
  std::vector<double> mean(mesh.elements * components);
  for (PetscInt e = 0; e < mesh.elements; ++e)
  {
    double volume = 0;
    for (auto p = hexahedron::points * e; p < hexahedron::points * (e + 1); ++p)
      volume += mesh.volume[p];
    for (auto p = hexahedron::points * e; p < hexahedron::points * (e + 1); ++p)
      for (int c = 0; c < components; ++c)
        mean[components * e + c] += mesh.volume[p] / volume * value[components * p + c];
  }
  return mean;
}

/// From the order of neml2, xx yy zz and sqrt(2) times yz xz xy, to that of VTK: xx yy zz xy yz xz.
std::vector<double> vtk_order(const std::vector<double> & mandel)
{
  constexpr int from[6] = {0, 1, 2, 5, 3, 4};
  std::vector<double> tensors(mandel.size());
  for (std::size_t i = 0; i < mandel.size(); ++i)
    tensors[i] = mandel[i / 6 * 6 + from[i % 6]] / (i % 6 < 3 ? 1 : std::sqrt(2.));
  return tensors;
}

void write_index(const std::filesystem::path & folder, int number, int ranks)
{
  std::ofstream file(folder / file_name(number, ".pvtu"));
  file << "<VTKFile type=\"PUnstructuredGrid\" version=\"1.0\">\n<PUnstructuredGrid>\n<PPoints>\n";
  declare(file, "PDataArray", "position", 3);
  file << "/>\n</PPoints>\n<PPointData>\n";
  declare(file, "PDataArray", "displacement", 3);
  file << "/>\n</PPointData>\n<PCellData>\n";
  declare(file, "PDataArray", "plastic_strain", 1);
  file << "/>\n";
  declare(file, "PDataArray", "stress", 6);
  file << "/>\n</PCellData>\n";
  for (int rank = 0; rank < ranks; ++rank)
    file << "<Piece Source=\"" << file_name(number, "_" + std::to_string(rank) + ".vtu") << "\"/>\n";
  file << "</PUnstructuredGrid>\n</VTKFile>\n";
}

} // namespace

PetscErrorCode write_vtu(const std::filesystem::path & folder, int number, const Mesh & mesh,
                         const Material & material, Vec u)
{
  int rank, ranks;
  Vec local, coordinates;
  PetscInt size;
  const PetscScalar *displacement, *position;
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, &ranks));
  PetscCall(DMGetLocalVector(mesh.da, &local));
  PetscCall(DMGlobalToLocal(mesh.da, u, INSERT_VALUES, local));
  PetscCall(DMGetCoordinatesLocal(mesh.da, &coordinates));
  PetscCall(VecGetLocalSize(local, &size));
  PetscCall(VecGetArrayRead(local, &displacement));
  PetscCall(VecGetArrayRead(coordinates, &position));

  const auto plastic = element_mean(mesh, material.accepted("equivalent_plastic_strain"));
  const auto stress = vtk_order(element_mean(mesh, material.accepted("stress")));
  std::ofstream file(folder / file_name(number, "_" + std::to_string(rank) + ".vtu"));
  file.precision(12);
  file << "<VTKFile type=\"UnstructuredGrid\" version=\"1.0\">\n<UnstructuredGrid>\n<Piece NumberOfPoints=\""
       << size / 3 << "\" NumberOfCells=\"" << mesh.elements << "\">\n<Points>\n";
  write(file, "position", 3, position, size / 3);
  file << "</Points>\n";
  write_cells(file, mesh);
  file << "<PointData>\n";
  write(file, "displacement", 3, displacement, size / 3);
  file << "</PointData>\n<CellData>\n";
  write(file, "plastic_strain", 1, plastic.data(), mesh.elements);
  write(file, "stress", 6, stress.data(), mesh.elements);
  file << "</CellData>\n</Piece>\n</UnstructuredGrid>\n</VTKFile>\n";

  PetscCall(VecRestoreArrayRead(coordinates, &position));
  PetscCall(VecRestoreArrayRead(local, &displacement));
  PetscCall(DMRestoreLocalVector(mesh.da, &local));
  if (rank == 0)
    write_index(folder, number, ranks);
  PetscFunctionReturn(0);
}
