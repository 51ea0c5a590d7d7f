// SPDX-License-Identifier: MIT
#pragma once

#include "engines/lanes/Workspace.h"
#include "package/Metadata.h"

#include <memory>
#include <vector>

namespace neml2::aoti
{

/// One step of a model: reads some ranges of the state, determines others.
class Segment
{
public:
  virtual ~Segment() = default;

  /// Computes the outputs, in the state. An implicit segment adds the points that fail to chunk.failed.
  virtual void value(Chunk & chunk) const = 0;

  /// Evaluates what derivatives() refers to, at the values in the state.
  virtual void derivative(Chunk & chunk) const = 0;

  /// Ranges of the state that this segment determines.
  virtual const std::vector<Range> & outputs() const = 0;

  /// Forward segment: blocks d output / d input. Implicit segment: blocks d residual / d given, whose output
  /// ranges count residuals. Null where the package was compiled without.
  virtual const DerivativeInfo * derivatives() const = 0;

  /// Array that derivative() fills; the indices of derivatives() are its components.
  virtual ArrayId derivative_array() const = 0;

  /// Whether the outputs solve a system of equations, one for each component of the outputs.
  virtual bool implicit() const { return false; }

  /// Implicit segments, after derivative(): replaces the matrix R at components [offset, offset + rows *
  /// columns) of the scratch array (of `components` components), row major, by the solution X of (d residual
  /// / d unknown) X = -R, or, `transposed`, (d residual / d unknown)^T X = -R.
  virtual void solve(Chunk & chunk, std::int64_t components, std::int64_t offset, std::int64_t columns,
                     bool transposed) const;
};

/// Computes the outputs of all segments, until some points fail. Returns a bit for each segment that changed
/// its guess.
std::uint64_t compute_values(const std::vector<std::unique_ptr<Segment>> & segments, Chunk & chunk);

/// The same at a point that stands for an empty batch, where none can fail: on past segments without a
/// solution.
void compute_values_of_none(const std::vector<std::unique_ptr<Segment>> & segments, Chunk & chunk);

/// Makes a segment, and adds the graphs and arrays that it needs to the layout of the workspaces.
std::unique_ptr<Segment> make_segment(const Metadata & metadata, const SegmentInfo & info,
                                      WorkspaceLayout & layout);

/// The same, for one kind of segment. `state_size` is the number of components of the state.
std::unique_ptr<Segment> make_forward_segment(const Metadata & metadata, const ForwardInfo & info,
                                              WorkspaceLayout & layout);
std::unique_ptr<Segment> make_implicit_segment(const Metadata & metadata, const ImplicitInfo & info,
                                               WorkspaceLayout & layout);

/// The same, for a device whose chunks are large: ATen does the arithmetic outside of graphs.
std::unique_ptr<Segment> make_device_implicit_segment(const Metadata & metadata, const ImplicitInfo & info,
                                                      WorkspaceLayout & layout);

/// Loads a graph into the layout, returns its number.
std::size_t add_graph(const Metadata & metadata, const GraphInfo & info, WorkspaceLayout & layout);

} // namespace neml2::aoti
