// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/Kernel.h"
#include "neml2/native/choose.h"

#include <cstdint>
#include <cstring>

/**
 * One material point of a host that knows nothing of the model: where each argument comes from and goes to.
 *
 * A generated source describes the model as a `Law`, a struct of constants:
 *
 * - `name`: what the host calls it
 * - `n_inputs`, `n_outputs`, `n_pairs`: numbers of arguments, `values`, `results`: of their components
 * - `inputs`, `outputs`: a `Port` for each argument
 * - `kept`, `n_kept`, `kept_values`: what else the state keeps, and how many numbers that are
 * - `state`, `properties`: numbers that the host keeps and gives
 * - `clock`: where a law that has to count the time keeps it; -1
 * - `tangent`: the number of the pair (stress, strain)
 * - `measure`: of stress
 * - `model()`: null where there is no code for this CPU
 *
 * A host is an object with `read(port, size, to)` and `write(port, size, from)`, which know its storage; they
 * see values as the model has them (docs/host.md).
 */
namespace neml2::native::interfaces
{
/// What a host has for a point. All but `property` and `state` come with the values at both ends of a step.
enum class Place
{
  strain,      ///< small strain, SR2
  deformation, ///< deformation gradient, R2
  stress,
  time,
  temperature,
  field,    ///< whatever else the host prescribes, at `offset`
  property, ///< a constant, at `offset`
  state     ///< of the material, at `offset`
};

/// How a value turns with the frame, and in which order hosts keep its components.
enum class Kind
{
  scalars, ///< any number of values that do not turn
  symmetric,
  full,
  vector,
  other ///< turns, but not in a way known here
};

/// The place of an argument. `steps`: 0 for the end of the step, 1 for its start; a state is read at the
/// start and written at the end.
struct Port
{
  Place place;
  int steps, offset;
  Kind kind;
};

/// A value from before the step that the state keeps for the next one.
struct Kept
{
  Port from, to;
  int size;
};

/// What the model calls stress.
enum class Measure
{
  small,  ///< of small strains
  cauchy, ///< SR2
  pk2,    ///< second Piola-Kirchhoff, SR2
  pk1     ///< first Piola-Kirchhoff, R2, with the second index of the reference configuration
};

constexpr double sqrt2 = 1.4142135623730951;

/// Place in Mandel notation of component 11, 22, 33, 12, 13, 23.
constexpr int mandel[6] = {0, 1, 2, 5, 4, 3};

/// Indices of the components in Mandel notation.
constexpr int mandel_row[6] = {0, 1, 2, 1, 0, 0}, mandel_column[6] = {0, 1, 2, 2, 2, 1};

inline void full_of(const double * m, double (*a)[3])
{
  for (int c = 0; c < 6; ++c)
    a[mandel_row[c]][mandel_column[c]] = a[mandel_column[c]][mandel_row[c]] = c < 3 ? m[c] : m[c] / sqrt2;
}

inline void mandel_of(const double (*a)[3], double * m)
{
  for (int c = 0; c < 6; ++c)
    m[c] =
        c < 3 ? a[c][c] : (a[mandel_row[c]][mandel_column[c]] + a[mandel_column[c]][mandel_row[c]]) / sqrt2;
}

/// What became of a point.
enum class Outcome
{
  solved,
  failed, ///< no convergence: nothing was written
  refused ///< a call that cannot be, or no code for this CPU
};

/// What an evaluation leaves behind, besides what the host was told to write.
struct Evaluation
{
  double stress[9];      ///< as the model has it
  double tangent[9 * 9]; ///< d stress / d strain or deformation, row-major, as the model has it
  double deformation[9]; ///< at the end of the step, where the model takes it
  char message[NEML2_NATIVE_MESSAGE_BYTES] = "no code for this CPU: compile with --isa generic";
};

/// Evaluates the point of `host`. With `store`, states are written where it converges.
template <class Law, class Host>
Outcome evaluate(Host & host, bool with_tangent, bool store, Evaluation & found)
{
  const neml2_native_model * model = Law::model();
  if (!model)
    return Outcome::refused;
  double values[Law::values], results[Law::results];
  neml2_native_array inputs[Law::n_inputs] = {}, outputs[Law::n_outputs] = {}, blocks[Law::n_pairs] = {};
  double * next = values;
  for (int k = 0; k < Law::n_inputs; ++k)
  {
    const int size = static_cast<int>(model->inputs[k].size);
    host.read(Law::inputs[k], size, next);
    if (Law::inputs[k].place == Place::deformation && Law::inputs[k].steps == 0)
      std::memcpy(found.deformation, next, sizeof(found.deformation));
    inputs[k] = {next, size, size, nullptr, nullptr};
    next += size;
  }
  next = results;
  for (int k = 0; k < Law::n_outputs; ++k)
  {
    const std::int64_t size = model->outputs[k].size;
    outputs[k] = {next, size, size, nullptr, nullptr};
    next += size;
  }
  const auto pair = model->pairs[Law::tangent];
  const std::int64_t entries = model->outputs[pair.output].size * model->inputs[pair.input].size;
  blocks[Law::tangent] = {found.tangent, entries, entries, nullptr, nullptr};

  neml2_native_call call = {};
  call.bytes = sizeof(call);
  call.points = call.end = 1;
  call.flags = NEML2_NATIVE_TRUSTED;
  call.inputs = inputs;
  call.n_inputs = Law::n_inputs;
  call.outputs = outputs;
  call.n_outputs = Law::n_outputs;
  call.derivatives = blocks;
  call.n_derivatives = Law::n_pairs;
  const int code = (with_tangent ? model->jacobian : model->forward)(&call);
  if (code != NEML2_NATIVE_OK)
  {
    std::memcpy(found.message, call.message, sizeof(found.message));
    return code == NEML2_NATIVE_NOT_CONVERGED ? Outcome::failed : Outcome::refused;
  }
  double kept[Law::n_kept > 0 ? Law::kept_values : 1];
  next = kept;
  for (int k = 0; k < Law::n_kept && store; next += Law::kept[k++].size)
    host.read(Law::kept[k].from, Law::kept[k].size, next);
  for (int k = 0; k < Law::n_outputs; ++k)
  {
    const int size = static_cast<int>(outputs[k].size);
    const auto * values_of = static_cast<const double *>(outputs[k].data);
    if (k == pair.output)
      std::memcpy(found.stress, values_of, sizeof(double) * static_cast<std::size_t>(size));
    if (store && Law::outputs[k].place == Place::state)
      host.write(Law::outputs[k], size, values_of);
  }
  next = kept;
  for (int k = 0; k < Law::n_kept && store; next += Law::kept[k++].size)
    host.write(Law::kept[k].to, Law::kept[k].size, next);
  return Outcome::solved;
}

/// A kernel that was compiled for one instruction set.
struct Choice
{
  const char * isa;
  neml2_native_entry entry;
};

/// The model of the best one that this CPU runs, of `count`; or null.
inline const neml2_native_model * choose(const Choice * choices, int count)
{
  const char * isa = nullptr;
  for (int k = 0; (isa = neml2_native_isa(k)); ++k)
    for (int i = 0; i < count; ++i)
      if (!std::strcmp(isa, choices[i].isa))
        return choices[i].entry(NEML2_NATIVE_ABI);
  return nullptr;
}
} // namespace neml2::native::interfaces
