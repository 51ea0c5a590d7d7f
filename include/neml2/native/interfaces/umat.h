// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/interfaces/finite_strain.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

/**
 * A law as Abaqus' user subroutine UMAT, which CalculiX, MOOSE and OpenSees call too.
 */
extern "C" void xit_() __attribute__((weak)); // Abaqus' own way to end an analysis

namespace neml2::native::interfaces
{
/// The step that a point which does not converge asks for, relative to the one that failed.
constexpr double umat_cutback = 0.25;

/// From Mandel notation to stresses, from engineering strains to Mandel notation.
constexpr double shear[6] = {1, 1, 1, sqrt2 / 2, sqrt2 / 2, sqrt2 / 2};

/// What UMAT is called with, in its own words; in Abaqus' order 11, 22, 33, 12, 13, 23.
struct UmatCall
{
  double *stress, *statev, *ddsdde;
  const double *stran, *dstran, *time, *dtime, *temp, *dtemp, *predef, *dpred;
  const char * cmname;
  const int *ndi, *nshr, *ntens, *nstatv;
  const double * props;
  const int * nprops;
  const double * drot;
  double * pnewdt;
  const double *dfgrd0, *dfgrd1;
  const int *noel, *npt;
};

template <class Law>
class Umat
{
public:
  explicit Umat(const UmatCall & call) : _call(call), _components(*call.ntens) {}

  void operator()()
  {
    check();
    find_rotation();
    Evaluation found;
    switch (evaluate<Law>(*this, true, true, found))
    {
    case Outcome::refused:
      stop("%s", found.message);
      break;
    case Outcome::failed: // CalculiX presets -1, Abaqus a large number
      if (!(*_call.pnewdt > 0 && *_call.pnewdt < umat_cutback))
        *_call.pnewdt = umat_cutback;
      store_at_rest(found);
      break;
    case Outcome::solved:
      store(found, true);
    }
  }

  void read(const Port & port, int size, double * to) const
  {
    switch (port.place)
    {
    case Place::strain:
      for (int c = 0; c < size; ++c)
        to[c] = 0;
      for (int i = 0; i < _components; ++i)
        to[mandel[i]] = (_call.stran[i] + (starts(port) ? 0 : _call.dstran[i])) * shear[i];
      break;
    case Place::stress:
      for (int c = 0; c < size; ++c)
        to[c] = 0;
      for (int i = 0; i < _components; ++i)
        to[mandel[i]] = _call.stress[i] * (i < 3 ? 1 : sqrt2);
      break;
    case Place::deformation:
    {
      const double * from = starts(port) ? _call.dfgrd0 : _call.dfgrd1;
      double F[9];
      for (int c = 0; c < 9; ++c) // column-major -> row-major
        F[c] = from[3 * (c % 3) + c / 3];
      if (_corotates)
        right_stretch(F, to);
      else
        std::memcpy(to, F, sizeof(F));
      break;
    }
    case Place::time:
      *to = _call.time[1] + (port.steps ? 0 : *_call.dtime);
      break;
    case Place::temperature:
      *to = *_call.temp + (starts(port) ? 0 : *_call.dtemp);
      break;
    case Place::field:
      *to = _call.predef[port.offset] + (starts(port) ? 0 : _call.dpred[port.offset]);
      break;
    case Place::property:
      std::memcpy(to, _call.props + port.offset, sizeof(double) * static_cast<std::size_t>(size));
      break;
    case Place::state:
      std::memcpy(to, _call.statev + port.offset, sizeof(double) * static_cast<std::size_t>(size));
      if (_turns)
        turn(port.kind, size, to);
    }
  }

  void write(const Port & port, int size, const double * from) const
  {
    std::memcpy(_call.statev + port.offset, from, sizeof(double) * static_cast<std::size_t>(size));
  }

private:
  bool starts(const Port & port) const { return port.steps || _rests; }

  /// Ends the analysis: UMAT has no other way to say that a job cannot be run.
  [[noreturn]] __attribute__((format(printf, 2, 3), cold)) void stop(const char * format, ...) const
  {
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    std::fprintf(stderr, "UMAT %s, element %d, point %d: %s\n", Law::name, *_call.noel, *_call.npt, text);
    std::fflush(nullptr);
    if (xit_)
      xit_();
    std::exit(1);
  }

  void check() const
  {
    if (*_call.ndi != 3 || (*_call.nshr != 3 && *_call.nshr != 1) || _components != 3 + *_call.nshr)
      stop("NDI = %d, NSHR = %d: expected 3 and 3 (solids) or 3 and 1 (plane strain, axisymmetric); elements "
           "of "
           "plane stress, shells and beams have no place for this law",
           *_call.ndi, *_call.nshr);
    if (*_call.nstatv < Law::state)
      stop("NSTATV = %d, expected %d: ask for as many with *DEPVAR", *_call.nstatv, Law::state);
    if (Law::properties > 0 && *_call.nprops != Law::properties)
      stop("NPROPS = %d, expected %d: *USER MATERIAL, CONSTANTS=%d", *_call.nprops, Law::properties,
           Law::properties);
  }

  /// States that turn with the material are turned here; stress and strain by the host. A model that is given
  /// F does that by itself. CalculiX, whose materials in shared objects begin with @, has stress and
  /// logarithmic strain in a frame that turns with the material, whatever it says in DROT: there F is the
  /// stretch alone.
  void find_rotation()
  {
    _corotates = *_call.cmname == '@';
    if (Law::measure != Measure::small && _corotates && std::strncmp(_call.cmname, "@ABAQUSNL", 9) != 0)
      stop("a law of the deformation gradient gives Cauchy stresses, which CalculiX takes from materials "
           "whose name begins with @ABAQUSNL_");
    if (Law::measure != Measure::small || _corotates)
      return;
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j)
      {
        _rotation[i][j] = _call.drot[i + 3 * j];
        _turns = _turns || _rotation[i][j] != (i == j ? 1 : 0);
      }
    for (int k = 0; k < Law::n_outputs && _turns; ++k)
      if (Law::outputs[k].place == Place::state && Law::outputs[k].kind == Kind::other)
        stop("DROT is a rotation, and it is not known how '%s' turns: analyse small displacements",
             Law::model() ? Law::model()->outputs[k].name : "");
  }

  void turn(Kind kind, int size, double * values) const
  {
    if (kind == Kind::vector)
      for (double * v = values; v < values + size; v += 3)
      {
        const double old[3] = {v[0], v[1], v[2]};
        for (int i = 0; i < 3; ++i)
          v[i] = _rotation[i][0] * old[0] + _rotation[i][1] * old[1] + _rotation[i][2] * old[2];
      }
    if (kind == Kind::symmetric)
      for (double * m = values; m < values + size; m += 6)
      {
        double a[3][3];
        full_of(m, a);
        turn(a);
        mandel_of(a, m);
      }
    if (kind == Kind::full)
      for (double * m = values; m < values + size; m += 9)
      {
        double a[3][3];
        std::memcpy(a, m, sizeof(a));
        turn(a);
        std::memcpy(m, a, sizeof(a));
      }
  }

  /// a <- R a R^T.
  void turn(double (*a)[3]) const
  {
    double half[3][3];
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j)
        half[i][j] = _rotation[i][0] * a[0][j] + _rotation[i][1] * a[1][j] + _rotation[i][2] * a[2][j];
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j)
        a[i][j] = half[i][0] * _rotation[j][0] + half[i][1] * _rotation[j][1] + half[i][2] * _rotation[j][2];
  }

  /// Where a step fails, hosts that go on for a while need a stiffness all the same: that of a step in which
  /// nothing moves.
  void store_at_rest(Evaluation & found)
  {
    _rests = true;
    if (evaluate<Law>(*this, true, false, found) == Outcome::solved)
      store(found, false);
    else
      std::memset(_call.ddsdde, 0, sizeof(double) * static_cast<std::size_t>(_components * _components));
  }

  void store(const Evaluation & found, bool stress) const
  {
    Law::measure == Measure::small ? store_small(found, stress) : store_finite(found, stress);
  }

  void store_small(const Evaluation & found, bool stress) const
  {
    for (int i = 0; i < _components && stress; ++i)
      _call.stress[i] = found.stress[mandel[i]] * shear[i];
    for (int j = 0; j < _components; ++j)
      for (int i = 0; i < _components; ++i)
        _call.ddsdde[i + _components * j] = found.tangent[6 * mandel[i] + mandel[j]] * (shear[i] * shear[j]);
  }

  /// Cauchy stress, and DDSDDE = (1/J) d tau / d D, where d F = d D F with a symmetric d D.
  void store_finite(const Evaluation & found, bool stress) const
  {
    const Kirchhoff at(Law::measure, found.deformation, found.stress, found.tangent);
    constexpr int row[6] = {0, 1, 2, 0, 0, 1}, column[6] = {0, 1, 2, 1, 2, 2};
    for (int a = 0; a < _components; ++a)
    {
      const int i = row[a], j = column[a];
      if (stress)
        _call.stress[a] = at.tau[i][j] / at.J;
      for (int b = 0; b < _components; ++b)
      {
        const int k = row[b], l = column[b];
        _call.ddsdde[a + _components * b] =
            (at.by_step(at.F, i, j, k, l) + at.by_step(at.F, i, j, l, k)) / (2 * at.J);
      }
    }
  }

  const UmatCall & _call;
  int _components;
  bool _turns = false, _corotates = false, _rests = false;
  double _rotation[3][3];
};
} // namespace neml2::native::interfaces

/// Defines UMAT for a law, as `function`: a name that ends in _, as of Fortran compilers.
#define NEML2_NATIVE_UMAT(Law, function)                                                                     \
  extern "C" __attribute__((visibility("default"))) void function(                                           \
      double * stress, double * statev, double * ddsdde, double *, double *, double *, double *, double *,   \
      double *, double *, const double * stran, const double * dstran, const double * time,                  \
      const double * dtime, const double * temp, const double * dtemp, const double * predef,                \
      const double * dpred, const char * cmname, const int * ndi, const int * nshr, const int * ntens,       \
      const int * nstatv, const double * props, const int * nprops, const double *, const double * drot,     \
      double * pnewdt, const double *, const double * dfgrd0, const double * dfgrd1, const int * noel,       \
      const int * npt, const int *, const int *, const int *, const int *)                                   \
  {                                                                                                          \
    const neml2::native::interfaces::UmatCall call = {                                                       \
        stress, statev, ddsdde, stran,  dstran, time,   dtime, temp,   dtemp,  predef, dpred, cmname,        \
        ndi,    nshr,   ntens,  nstatv, props,  nprops, drot,  pnewdt, dfgrd0, dfgrd1, noel,  npt};          \
    neml2::native::interfaces::Umat<Law> umat(call);                                                         \
    umat();                                                                                                  \
  }
