// SPDX-License-Identifier: MIT
#pragma once

#include "call/Call.h"

#include <cstdint>
#include <map>

namespace neml2::aoti
{

/// Batch axes that values have of themselves: those of the inputs they depend on, before the call made all
/// alike.
///
/// The unknowns of an implicit segment share their axes: those of all their first guesses, and, where some
/// point did not find its guess to be the solution, those of all givens too.
class NaturalShapes
{
public:
  /// @param iterated bit k is set where implicit segment k (counted among all segments) changed its guess
  NaturalShapes(const Metadata & metadata, const Call & call, std::uint64_t iterated);

  /// `output`, which has all batch axes of the call, without those it only repeats along.
  at::Tensor reduce(const at::Tensor & output, const Slot & slot, const Shape & batch) const;

private:
  Shape of(const std::vector<Range> & ranges) const;

  std::map<std::int64_t, Shape> _shapes; // by offset in the state
};

} // namespace neml2::aoti
