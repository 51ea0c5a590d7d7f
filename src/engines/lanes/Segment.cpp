// SPDX-License-Identifier: MIT
#include "engines/lanes/Segment.h"

#include "neml2/aoti/exceptions.h"

namespace neml2::aoti
{

void Segment::solve(Chunk &, std::int64_t, std::int64_t, std::int64_t, bool) const
{
  throw FatalError("internal error: a forward segment has no equations to solve");
}

std::uint64_t compute_values(const std::vector<std::unique_ptr<Segment>> & segments, Chunk & chunk)
{
  std::uint64_t iterated = 0, bit = 1;
  for (const auto & segment : segments)
  {
    chunk.iterated = false;
    segment->value(chunk);
    if (!chunk.failed.empty())
      break;
    iterated |= chunk.iterated ? bit : 0;
    bit <<= 1;
  }
  return iterated;
}

void compute_values_of_none(const std::vector<std::unique_ptr<Segment>> & segments, Chunk & chunk)
{
  for (const auto & segment : segments)
  {
    segment->value(chunk);
    chunk.failed.clear();
  }
}

std::size_t add_graph(const Metadata & metadata, const GraphInfo & info, WorkspaceLayout & layout)
{
  layout.graphs.push_back(std::make_shared<const Graph>(metadata, info));
  return layout.graphs.size() - 1;
}

std::unique_ptr<Segment> make_segment(const Metadata & metadata, const SegmentInfo & info,
                                      WorkspaceLayout & layout)
{
  if (const auto * forward = std::get_if<ForwardInfo>(&info))
    return make_forward_segment(metadata, *forward, layout);
  return make_implicit_segment(metadata, std::get<ImplicitInfo>(info), layout);
}

} // namespace neml2::aoti
