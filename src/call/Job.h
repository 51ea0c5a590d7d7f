// SPDX-License-Identifier: MIT
#pragma once

#include "call/Arguments.h"

#include <atomic>
#include <optional>
#include <vector>

namespace neml2::aoti
{

/// What a call wants of a pair of output and input.
enum class PairUse : char
{
  unwanted = '0',
  batched = 'b', ///< its block differs from point to point
  uniform = 'u', ///< its block is the same for all points
};

/// Ways to take derivatives.
enum class Mode : char
{
  jacobian = 'J',
  jvp = 'v',
  vjp = 'w'
};

/// The derivatives that a call wants, in terms that hold for the packages of all devices.
struct Derivatives
{
  Mode mode = Mode::jacobian;
  std::vector<PairUse> use;         ///< by pair
  std::vector<std::size_t> results; ///< jvp: outputs whose tangents are wanted; vjp: inputs, their cotangents
  std::vector<std::int64_t> places; ///< jvp: where the tangent of a pair's input is in the tangent array,
                                    ///< vjp: the cotangent of its output; -1: none
};

/// What some results of a call are.
struct Result
{
  enum Kind : char
  {
    output,
    tangent,  ///< of an output
    block,    ///< of a pair
    cotangent ///< of an input or stored parameter
  };

  Kind kind = output;
  std::size_t number = 0; ///< of the output, pair or source
};

/// Where results of a call go: `count` components a point.
struct Sink
{
  Argument rows;
  Result result;
  std::int64_t count = 0;
};

/// One call, with all names resolved and all tensors checked: what an engine evaluates.
struct Job
{
  std::int64_t points = 0;
  std::int64_t whole =
      0; ///< points of the batch that it is, or is a part of: where that matters, parts do alike
  at::IntArrayRef batch;                            ///< axes of the points
  c10::SmallVector<Argument, 8> sources;            ///< inputs and stored parameters
  c10::SmallVector<Argument, 4> tangents;           ///< or cotangents: ranges are places in the tangent array
  std::int64_t tangent_size = 0;                    ///< components of the tangent array
  c10::SmallVector<std::size_t, 4> tangent_sources; ///< whose they are: numbers of sources, or of outputs
  c10::SmallVector<Sink, 8> sinks;                  ///< one row for each point
  c10::SmallVector<Sink, 4> uniform_sinks;          ///< one row altogether, the same for all points
  c10::SmallVector<Sink, 4> sums;                   ///< one row altogether, the sum over all points
  std::optional<Derivatives> derivatives;           ///< none: values alone
  std::atomic<std::uint64_t> * iterated =
      nullptr; ///< if not null, gets a bit for each segment that changed its guess
};

} // namespace neml2::aoti
