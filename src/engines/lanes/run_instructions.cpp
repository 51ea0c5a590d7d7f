// SPDX-License-Identifier: MIT
#include "engines/lanes/Program.h"

// One copy per instruction set, chosen when the library is loaded. Sanitizers cannot instrument that choice.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define NEML2_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define NEML2_CLONES
#endif

namespace neml2::aoti
{
namespace
{

constexpr std::int64_t width = 16; // lanes at a time: they stay in registers

template <typename T>
inline __attribute__((always_inline)) void
run(const Program::Instruction * instruction, const Program::Instruction * last, const Term * terms,
    const ArrayView<T> * arrays, std::int64_t blocks, std::int64_t lanes)
{
  const auto at = [&](Operand operand, std::int64_t b, std::int64_t l)
  {
    const auto & array = arrays[operand.array];
    return array.data + b * array.block_stride + operand.component * lanes + l;
  };
  for (std::int64_t b = 0; b < blocks; b++)
    for (const auto * i = instruction; i != last; ++i)
      for (std::int64_t l = 0; l < lanes; l += width)
      {
        T sum[width];
        for (std::int64_t k = 0; k < width; k++)
          sum[k] = static_cast<T>(i->offset);
        for (std::size_t t = i->first; t < i->last; t++)
        {
          const T factor = static_cast<T>(terms[t].factor);
          const T * x = at(terms[t].a, b, l);
          if (terms[t].product)
          {
            const T * y = at(terms[t].b, b, l);
            for (std::int64_t k = 0; k < width; k++)
              sum[k] += factor * x[k] * y[k];
          }
          else
            for (std::int64_t k = 0; k < width; k++)
              sum[k] += factor * x[k];
        }
        T * to = at({scratch_array, i->target}, b, l);
        for (std::int64_t k = 0; k < width; k++)
          to[k] = sum[k];
      }
}

NEML2_CLONES void run_double(const Program::Instruction * first, const Program::Instruction * last,
                             const Term * terms, const ArrayView<double> * arrays, std::int64_t blocks,
                             std::int64_t lanes)
{
  run(first, last, terms, arrays, blocks, lanes);
}

NEML2_CLONES void run_float(const Program::Instruction * first, const Program::Instruction * last,
                            const Term * terms, const ArrayView<float> * arrays, std::int64_t blocks,
                            std::int64_t lanes)
{
  run(first, last, terms, arrays, blocks, lanes);
}

} // namespace

template <>
void run_instructions(const Program & program, std::size_t first, std::size_t last,
                      const ArrayViews<double> & arrays, std::int64_t blocks, std::int64_t lanes)
{
  const auto * all = program.instructions.data();
  run_double(all + first, all + last, program.terms.data(), arrays.data(), blocks, lanes);
}

template <>
void run_instructions(const Program & program, std::size_t first, std::size_t last,
                      const ArrayViews<float> & arrays, std::int64_t blocks, std::int64_t lanes)
{
  const auto * all = program.instructions.data();
  run_float(all + first, all + last, program.terms.data(), arrays.data(), blocks, lanes);
}

} // namespace neml2::aoti
