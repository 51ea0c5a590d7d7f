// SPDX-License-Identifier: MIT
#include "engines/SumsOfChunks.h"

#include <algorithm>

namespace neml2::aoti
{
namespace
{

template <typename T>
void add(const void * from, std::int64_t count, void * to)
{
  const auto * values = static_cast<const T *>(from);
  auto * sums = static_cast<T *>(to);
  for (std::int64_t i = 0; i < count; i++)
    sums[i] += values[i];
}

} // namespace

SumsOfChunks::SumsOfChunks(const c10::SmallVector<Sink, 4> & sums, std::int64_t points,
                           std::size_t scalar_bytes, std::int64_t per_chunk)
    : _sums(sums), _bytes(scalar_bytes), _chunks((points + per_chunk - 1) / per_chunk)
{
  for (const auto & sum : sums)
  {
    _first.push_back(_row);
    _row += static_cast<std::size_t>(sum.count) * scalar_bytes;
  }
  constexpr std::size_t line = 64; // threads write to lines of their own
  _row = (_row + line - 1) / line * line;
  _memory.resize(static_cast<std::size_t>(_chunks) * _row);
}

void * SumsOfChunks::chunk(std::size_t k, std::int64_t chunk)
{
  return _memory.data() + static_cast<std::size_t>(chunk) * _row + _first[k];
}

void SumsOfChunks::finish()
{
  for (std::size_t k = 0; k < _sums.size(); k++)
  {
    const auto & [rows, result, count] = _sums[k];
    std::fill_n(static_cast<char *>(rows.data), static_cast<std::size_t>(count) * _bytes, '\0');
    for (std::int64_t c = 0; c < _chunks; c++)
      (_bytes == sizeof(double) ? add<double> : add<float>)(chunk(k, c), count, rows.data);
  }
}

} // namespace neml2::aoti
