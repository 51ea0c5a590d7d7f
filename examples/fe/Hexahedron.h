// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <stdexcept>

/// The hexahedron with 8 nodes, in the order of VTK, and 2 x 2 x 2 Gauss points.
namespace hexahedron
{

constexpr int nodes = 8, points = 8, components = 6;
using Point = std::array<double, 3>;

/// Corners of the reference cube. The Gauss points are these over sqrt(3), and all have weight one.
constexpr Point corners[nodes] = {{-1, -1, -1}, {1, -1, -1}, {1, 1, -1}, {-1, 1, -1},
                                  {-1, -1, 1},  {1, -1, 1},  {1, 1, 1},  {-1, 1, 1}};

/// What the sums over Gauss points need at one of them, by the nodes' positions x.
struct GaussPoint
{
  double gradient[nodes][3]; ///< d N_a / d x
  double volume;             ///< determinant of the Jacobian of the mapping
};

inline GaussPoint gauss_point(int q, const std::array<Point, nodes> & x)
{
  double reference[nodes][3]; // d N_a / d xi of N_a = (1 + xi xi_a) (1 + eta eta_a) (1 + zeta zeta_a) / 8
  for (int a = 0; a < nodes; ++a)
  {
    Point factor;
    for (int c = 0; c < 3; ++c)
      factor[c] = 1 + corners[a][c] * corners[q][c] / std::sqrt(3.);
    for (int c = 0; c < 3; ++c)
      reference[a][c] = corners[a][c] * factor[(c + 1) % 3] * factor[(c + 2) % 3] / 8;
  }

  double F[3][3] = {}; // d x / d xi
  for (int a = 0; a < nodes; ++a)
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j)
        F[i][j] += x[a][i] * reference[a][j];

  double cofactor[3][3];
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
    {
      const int i1 = (i + 1) % 3, i2 = (i + 2) % 3, j1 = (j + 1) % 3, j2 = (j + 2) % 3;
      cofactor[i][j] = F[i1][j1] * F[i2][j2] - F[i1][j2] * F[i2][j1];
    }

  GaussPoint point{};
  for (int j = 0; j < 3; ++j)
    point.volume += F[0][j] * cofactor[0][j];
  if (!(point.volume > 0))
    throw std::runtime_error("an element is turned inside out");
  for (int a = 0; a < nodes; ++a)
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j)
        point.gradient[a][i] += cofactor[i][j] * reference[a][j] / point.volume;
  return point;
}

/// B: strain in Mandel notation (xx yy zz, sqrt(2) times yz xz xy) = B times displacements (node by node).
using StrainMatrix = std::array<std::array<double, 3 * nodes>, components>;

inline StrainMatrix strain_matrix(const GaussPoint & point)
{
  const auto half = std::sqrt(0.5); // sqrt(2) / 2: the factor of Mandel, and the mean of u_i,j and u_j,i
  StrainMatrix B{};
  for (int a = 0; a < nodes; ++a)
  {
    const auto * g = point.gradient[a];
    for (int i = 0; i < 3; ++i)
    {
      const int j = (i + 1) % 3, k = (i + 2) % 3;
      B[i][3 * a + i] = g[i];
      B[3 + i][3 * a + j] = half * g[k];
      B[3 + i][3 * a + k] = half * g[j];
    }
  }
  return B;
}

} // namespace hexahedron
