// SPDX-License-Identifier: MIT
#include "aoti/Segment.h"

namespace neml2::aoti
{
namespace
{

/// Explicit functions of the state.
class ForwardSegment : public Segment
{
public:
  ForwardSegment(const Metadata & metadata, const ForwardInfo & info, WorkspaceLayout & layout)
      : _info(info), _state_size(metadata.state_size), _value(add_graph(metadata, info.value, layout))
  {
    if (!info.derivative)
      return;
    _array = static_cast<ArrayId>(layout.arrays++);
    if (info.derivative->graph.size > 0)
      _derivative = add_graph(metadata, info.derivative->graph, layout);
  }

  void value(Chunk & chunk) const override { chunk.work.graph(_value)({&chunk.work.array(state_array, _state_size)}); }

  void derivative(Chunk & chunk) const override
  {
    const auto size = _info.derivative->graph.size;
    if (size > 0)
      chunk.work.graph(_derivative)({&chunk.work.array(state_array, _state_size), &chunk.work.array(_array, size)});
  }

  const std::vector<Range> & outputs() const override { return _info.outputs; }
  const DerivativeInfo * derivatives() const override { return _info.derivative ? &*_info.derivative : nullptr; }
  ArrayId derivative_array() const override { return _array; }

private:
  ForwardInfo _info;
  std::int64_t _state_size;
  std::size_t _value;
  std::size_t _derivative = 0;
  ArrayId _array = -1;
};

} // namespace

std::unique_ptr<Segment>
make_forward_segment(const Metadata & metadata, const ForwardInfo & info, WorkspaceLayout & layout)
{
  return std::make_unique<ForwardSegment>(metadata, info, layout);
}

} // namespace neml2::aoti
