// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/interfaces/finite_strain.h"

#include <algorithm>
#include <cstdio>

/**
 * A law as MFront's generic behaviour, which MGIS loads: the layout of its data, and one call.
 *
 * Symmetric tensors are there (11, 22, 33, sqrt(2) 12, sqrt(2) 13, sqrt(2) 23), others (11, 22, 33, 12, 21,
 * 13, 31, 23, 32); hypotheses of fewer dimensions have the first of these, of stress and strain. States are
 * whole in all of them.
 */
namespace neml2::native::interfaces
{
/// The state of a point at one end of the step.
struct GenericState
{
  double *gradients, *thermodynamic_forces, *mass_density, *material_properties, *internal_state_variables,
      *stored_energy, *dissipated_energy, *external_state_variables;
};

struct GenericData
{
  char * error_message; ///< 512 characters, or null
  double dt;
  double * K;   ///< what is asked for, and then the tangent
  double * rdt; ///< the largest growth of the next step, or null
  double * speed_of_sound;
  GenericState s0, s1;
};

/// What its functions return.
enum GenericResult
{
  generic_failure = -1,
  generic_success = 1
};

/// Place in a row-major 3 x 3 matrix of component 11, 22, 33, 12, 21, 13, 31, 23, 32.
constexpr int matrix[9] = {0, 4, 8, 1, 3, 2, 6, 5, 7};

/// The step that a point which does not converge asks for, relative to the one that failed.
constexpr double generic_cutback = 0.25;

/// `dimensions`: 3, 2 or 1.
template <class Law, int dimensions>
class GenericBehaviour
{
public:
  explicit GenericBehaviour(GenericData & data) : _data(data) {}

  int operator()()
  {
    const bool small = Law::measure == Measure::small;
    const double asked = _data.K[0] > 50 ? _data.K[0] - 100 : _data.K[0];
    const double measure = small ? 0 : _data.K[1], operation = small ? 0 : _data.K[2];
    if (_data.K[0] > 50 && _data.speed_of_sound)
      *_data.speed_of_sound = 0; // as of behaviours that do not define it
    _predicts = asked < -0.25;
    const bool tangent = _predicts || asked > 0.5;
    Evaluation found;
    const Outcome outcome = evaluate<Law>(*this, tangent, !_predicts, found);
    if (outcome != Outcome::solved)
      return failure(found, outcome);
    if (small)
      store_small(found, tangent);
    else
      store_finite(found, tangent, static_cast<int>(measure + 0.5), static_cast<int>(operation + 0.5));
    return generic_success;
  }

  void read(const Port & port, int size, double * to) const
  {
    const bool start = port.steps || _predicts;
    const GenericState & state = start ? _data.s0 : _data.s1;
    const auto zero = [=] { std::fill(to, to + size, 0.0); };
    switch (port.place)
    {
    case Place::strain:
    case Place::stress:
    {
      const double * from = port.place == Place::strain ? state.gradients : state.thermodynamic_forces;
      zero();
      for (int i = 0; i < six; ++i)
        to[mandel[i]] = from[i];
      break;
    }
    case Place::deformation:
      zero();
      for (int i = 0; i < nine; ++i)
        to[matrix[i]] = state.gradients[i];
      break;
    case Place::time:
      *to =
          (Law::clock < 0 ? 0 : _data.s0.internal_state_variables[Law::clock]) + (port.steps ? 0 : _data.dt);
      break;
    case Place::temperature:
      *to = state.external_state_variables[0];
      break;
    case Place::field:
      reorder(port.kind, size, state.external_state_variables + port.offset, to, false);
      break;
    case Place::property:
      std::copy_n(_data.s1.material_properties + port.offset, size, to);
      break;
    case Place::state:
      reorder(port.kind, size, _data.s0.internal_state_variables + port.offset, to, false);
    }
  }

  void write(const Port & port, int size, const double * from) const
  {
    reorder(port.kind, size, from, _data.s1.internal_state_variables + port.offset, true);
  }

private:
  static constexpr int six = dimensions == 3   ? 6
                             : dimensions == 2 ? 4
                                               : 3,
                       nine = dimensions == 3   ? 9
                              : dimensions == 2 ? 5
                                                : 3;

  /// Between the model's order of components and that of behaviours.
  static void reorder(Kind kind, int size, const double * from, double * to, bool out)
  {
    const int length = kind == Kind::symmetric ? 6 : kind == Kind::full ? 9 : 1;
    for (int c = 0; c < size; ++c)
    {
      const int inner = c % length, first = c - inner;
      const int theirs = first + inner;
      const int ours = first + (length == 6 ? mandel[inner] : length == 9 ? matrix[inner] : inner);
      to[out ? theirs : ours] = from[out ? ours : theirs];
    }
  }

  int failure(const Evaluation & found, Outcome outcome) const
  {
    if (_data.error_message)
      std::snprintf(_data.error_message, 512, "%s: %s", Law::name, found.message);
    if (_data.rdt && outcome == Outcome::failed)
      *_data.rdt = std::min(*_data.rdt, generic_cutback);
    return generic_failure;
  }

  void store_small(const Evaluation & found, bool tangent) const
  {
    for (int i = 0; i < six && !_predicts; ++i)
      _data.s1.thermodynamic_forces[i] = found.stress[mandel[i]];
    for (int i = 0; i < six && tangent; ++i)
      for (int j = 0; j < six; ++j)
        _data.K[six * i + j] = found.tangent[6 * mandel[i] + mandel[j]];
  }

  /// A component of a symmetric tensor as behaviours keep it, of the components (i, j) and (j, i).
  static double scaled(int component, double one, double other)
  {
    return component < 3 ? one : (one + other) / sqrt2;
  }

  void store_finite(const Evaluation & found, bool tangent, int measure, int operation) const
  {
    constexpr int row[6] = {0, 1, 2, 0, 0, 1}, column[6] = {0, 1, 2, 1, 2, 2};
    const Kirchhoff at(Law::measure, found.deformation, found.stress, tangent ? found.tangent : nullptr);
    double P[3][3], S[3][3];
    at.pk1(P);
    at.pk2(S);
    double * stress = _data.s1.thermodynamic_forces;
    for (int a = 0; a < six && !_predicts && measure != 2; ++a)
    {
      const int i = row[a], j = column[a];
      stress[a] =
          measure == 1 ? scaled(a, S[i][j], S[j][i]) : scaled(a, at.tau[i][j] / at.J, at.tau[j][i] / at.J);
    }
    for (int a = 0; a < nine && !_predicts && measure == 2; ++a)
      stress[a] = P[matrix[a] / 3][matrix[a] % 3];
    if (!tangent)
      return;
    if (operation == 2)
      for (int a = 0; a < nine; ++a)
        for (int b = 0; b < nine; ++b)
          _data.K[nine * a + b] = at.pk1_by_F(P, matrix[a] / 3, matrix[a] % 3, matrix[b] / 3, matrix[b] % 3);
    else if (operation == 1)
      for (int a = 0; a < six; ++a)
        for (int b = 0; b < six; ++b)
          _data.K[six * a + b] = by_strain(at, P, S, row[a], column[a], row[b], column[b], a, b);
    else
      store_by_deformation(at, operation == 3);
  }

  /// d S / d E between components a and b.
  static double by_strain(const Kirchhoff & at, const double (*P)[3], const double (*S)[3], int A, int B,
                          int C, int D, int a, int b)
  {
    const auto entry = [&](int i, int j, int k, int l) { return at.pk2_by_strain(P, S, i, j, k, l); };
    return scaled(a, scaled(b, entry(A, B, C, D), entry(A, B, D, C)),
                  scaled(b, entry(B, A, C, D), entry(B, A, D, C)));
  }

  /// d sigma / d F; or d tau / d G with F = G F0.
  void store_by_deformation(const Kirchhoff & at, bool by_step) const
  {
    constexpr int row[6] = {0, 1, 2, 0, 0, 1}, column[6] = {0, 1, 2, 1, 2, 2};
    double F0[9] = {}, start[3][3];
    for (int i = 0; i < nine; ++i)
      F0[matrix[i]] = _data.s0.gradients[i];
    std::memcpy(start, F0, sizeof(start));
    const auto entry = [&](int i, int j, int k, int L)
    {
      return by_step ? at.by_step(start, i, j, k, L)
                     : (at.by_F[i][j][k][L] - at.tau[i][j] * at.inv[L][k]) / at.J;
    };
    for (int a = 0; a < six; ++a)
      for (int b = 0; b < nine; ++b)
      {
        const int i = row[a], j = column[a], k = matrix[b] / 3, L = matrix[b] % 3;
        _data.K[nine * a + b] = scaled(a, entry(i, j, k, L), entry(j, i, k, L));
      }
  }

  GenericData & _data;
  bool _predicts = false;
};
} // namespace neml2::native::interfaces

#define NEML2_NATIVE_EXPORT extern "C" __attribute__((visibility("default")))

/// Defines the function of a law for one modelling hypothesis.
#define NEML2_NATIVE_BEHAVIOUR(Law, function, dimensions)                                                    \
  NEML2_NATIVE_EXPORT int function(neml2::native::interfaces::GenericData * data)                            \
  {                                                                                                          \
    return neml2::native::interfaces::GenericBehaviour<Law, dimensions>(*data)();                            \
  }
