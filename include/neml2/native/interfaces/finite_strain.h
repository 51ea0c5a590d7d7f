// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/interfaces/point.h"

#include <cmath>

/**
 * Stresses and tangents of finite strains, from one measure to another by way of Kirchhoff's stress tau = J
 * sigma and its derivative by the deformation gradient F. Tensors are [3][3], derivatives [i][j][k][L] = d
 * tau_ij / d F_kL.
 */
namespace neml2::native::interfaces
{
/// The inverse of a; returns its determinant.
inline double inverse(const double (*a)[3], double (*b)[3])
{
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
    {
      const int r = (j + 1) % 3, s = (j + 2) % 3, t = (i + 1) % 3, u = (i + 2) % 3;
      b[i][j] = a[r][t] * a[s][u] - a[r][u] * a[s][t];
    }
  const double det = a[0][0] * b[0][0] + a[0][1] * b[1][0] + a[0][2] * b[2][0];
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      b[i][j] /= det;
  return det;
}

/// U of F = R U (row-major), R by Newton's iteration X <- (X + X^-T)/2.
inline void right_stretch(const double * F, double * U)
{
  double X[3][3], back[3][3], largest = 1;
  std::memcpy(X, F, sizeof(X));
  for (int iteration = 0; iteration < 50 && largest > 1e-15; ++iteration)
  {
    inverse(X, back);
    largest = 0;
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j)
      {
        const double change = (back[j][i] - X[i][j]) / 2;
        X[i][j] += change;
        largest = std::fabs(change) > largest ? std::fabs(change) : largest;
      }
  }
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      U[3 * i + j] = X[0][i] * F[j] + X[1][i] * F[3 + j] + X[2][i] * F[6 + j];
}

struct Kirchhoff
{
  double F[3][3], inv[3][3], J; ///< deformation gradient, its inverse and determinant
  double tau[3][3], by_F[3][3][3][3];

  /// From what a model gives at F (row-major): stress and d stress / d F of a measure; without a tangent if
  /// null.
  Kirchhoff(Measure measure, const double * deformation, const double * stress, const double * tangent)
  {
    std::memcpy(F, deformation, sizeof(F));
    J = inverse(F, inv);
    const bool nine = measure == Measure::pk1;
    double given[3][3];
    if (nine)
      std::memcpy(given, stress, sizeof(given));
    else
      full_of(stress, given);
    to_spatial(measure, given, tau);
    for (int k = 0; k < 3 && tangent; ++k)
      for (int L = 0; L < 3; ++L)
      {
        double slope[3][3], components[9], part[3][3];
        for (int c = 0; c < (nine ? 9 : 6); ++c)
          components[c] = tangent[9 * c + 3 * k + L];
        if (nine)
          std::memcpy(slope, components, sizeof(slope));
        else
          full_of(components, slope);
        to_spatial(measure, slope, part);
        for (int i = 0; i < 3; ++i)
          for (int j = 0; j < 3; ++j)
          {
            double sum = part[i][j];
            if (measure == Measure::pk1) // tau = P F^T
              sum += j == k ? given[i][L] : 0;
            else if (measure == Measure::pk2) // tau = F S F^T
              for (int M = 0; M < 3; ++M)
                sum += (i == k ? given[L][M] * F[j][M] : 0) + (j == k ? F[i][M] * given[M][L] : 0);
            else // tau = J sigma, dJ/dF = J F^-T
              sum += tau[i][j] * inv[L][k];
            by_F[i][j][k][L] = sum;
          }
      }
  }

  /// P = tau F^-T.
  void pk1(double (*P)[3]) const
  {
    for (int i = 0; i < 3; ++i)
      for (int L = 0; L < 3; ++L)
        P[i][L] = tau[i][0] * inv[L][0] + tau[i][1] * inv[L][1] + tau[i][2] * inv[L][2];
  }

  /// S = F^-1 tau F^-T.
  void pk2(double (*S)[3]) const
  {
    double P[3][3];
    pk1(P);
    for (int A = 0; A < 3; ++A)
      for (int B = 0; B < 3; ++B)
        S[A][B] = inv[A][0] * P[0][B] + inv[A][1] * P[1][B] + inv[A][2] * P[2][B];
  }

  /// d P_iL / d F_kM.
  double pk1_by_F(const double (*P)[3], int i, int L, int k, int M) const
  {
    double sum = -P[i][M] * inv[L][k];
    for (int m = 0; m < 3; ++m)
      sum += by_F[i][m][k][M] * inv[L][m];
    return sum;
  }

  /// d S_AB / d E_CD, by dF = F^-T dE, which rotates nothing that S could see.
  double pk2_by_strain(const double (*P)[3], const double (*S)[3], int A, int B, int C, int D) const
  {
    double sum = 0;
    for (int k = 0; k < 3; ++k)
    {
      double slope = -inv[A][k] * S[D][B]; // of F^-1 in F^-1 P
      for (int i = 0; i < 3; ++i)
        slope += inv[A][i] * pk1_by_F(P, i, B, k, D);
      sum += slope * inv[C][k];
    }
    return sum;
  }

  /// d tau_ij / d G_kl of another gradient G, dF = dG F0.
  double by_step(const double (*F0)[3], int i, int j, int k, int l) const
  {
    return by_F[i][j][k][0] * F0[l][0] + by_F[i][j][k][1] * F0[l][1] + by_F[i][j][k][2] * F0[l][2];
  }

private:
  /// The stress, or a change of it at a fixed F, in terms of tau.
  void to_spatial(Measure measure, const double (*a)[3], double (*out)[3]) const
  {
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j)
      {
        double sum = measure == Measure::pk1 || measure == Measure::pk2 ? 0 : J * a[i][j];
        for (int L = 0; L < 3; ++L)
          if (measure == Measure::pk1)
            sum += a[i][L] * F[j][L];
          else if (measure == Measure::pk2)
            for (int M = 0; M < 3; ++M)
              sum += F[i][L] * a[L][M] * F[j][M];
        out[i][j] = sum;
      }
  }
};
} // namespace neml2::native::interfaces
