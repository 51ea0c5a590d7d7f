// SPDX-License-Identifier: MIT
#include "engines/lanes/Segment.h"

#include <c10/core/ScalarType.h>
#include <cstring>

namespace neml2::aoti
{
namespace
{

/// Explicit functions of the state.
class ForwardSegment : public Segment
{
public:
  ForwardSegment(const Metadata & metadata, const ForwardInfo & info, WorkspaceLayout & layout)
      : _info(info), _state_size(metadata.state_size),
        _row_bytes(static_cast<std::size_t>(metadata.lanes) * c10::elementSize(metadata.dtype))
  {
    if (info.value)
      _value = add_graph(metadata, *info.value, layout);
    if (!info.derivative)
      return;
    _array = static_cast<ArrayId>(layout.arrays++);
    if (info.derivative->graph.size > 0)
      _derivative = add_graph(metadata, info.derivative->graph, layout);
  }

  void value(Chunk & chunk) const override
  {
    const auto & state = chunk.work.array(state_array, _state_size);
    if (_info.value)
      return chunk.work.graph(_value)({&state});
    if (!state.is_cpu())
    {
      for (const auto & [from, to] : _info.copies)
        state.select(1, to).copy_(state.select(1, from));
      return;
    }
    auto * block = static_cast<char *>(state.mutable_data_ptr());
    for (std::int64_t b = 0; b < chunk.blocks;
         b++, block += static_cast<std::size_t>(_state_size) * _row_bytes)
      for (const auto & [from, to] : _info.copies)
        std::memcpy(block + static_cast<std::size_t>(to) * _row_bytes,
                    block + static_cast<std::size_t>(from) * _row_bytes, _row_bytes);
  }

  void derivative(Chunk & chunk) const override
  {
    const auto size = _info.derivative->graph.size;
    if (size > 0)
      chunk.work.graph(_derivative)(
          {&chunk.work.array(state_array, _state_size), &chunk.work.array(_array, size)});
  }

  const std::vector<Range> & outputs() const override { return _info.outputs; }
  const DerivativeInfo * derivatives() const override
  {
    return _info.derivative ? &*_info.derivative : nullptr;
  }
  ArrayId derivative_array() const override { return _array; }

private:
  ForwardInfo _info;
  std::int64_t _state_size;
  std::size_t _row_bytes; // of one component of a block
  std::size_t _value = 0;
  std::size_t _derivative = 0;
  ArrayId _array = -1;
};

} // namespace

std::unique_ptr<Segment> make_forward_segment(const Metadata & metadata, const ForwardInfo & info,
                                              WorkspaceLayout & layout)
{
  return std::make_unique<ForwardSegment>(metadata, info, layout);
}

} // namespace neml2::aoti
