// SPDX-License-Identifier: MIT
#include "call/layout.h"

#include <gtest/gtest.h>
#include <numeric>

namespace neml2::aoti
{
namespace
{

constexpr std::int64_t lanes = 16;

template <typename T>
class Layout : public testing::Test
{
};

using Scalars = testing::Types<double, float>;
TYPED_TEST_SUITE(Layout, Scalars);

/// Component c of point p, distinct for all.
template <typename T>
T entry(std::int64_t p, std::int64_t c)
{
  return static_cast<T>(100 * p + c + 1);
}

TYPED_TEST(Layout, LoadPutsComponentsOfPointsIntoLanesAndRepeatsTheLastPoint)
{
  for (const auto & kernel : all_layout_kernels<TypeParam>())
    for (const std::int64_t components : {1, 2, 3, 4, 5, 6, 7, 9, 36})
      for (const std::int64_t points : {1, 2, 15, 16, 17, 47, 48})
        for (const std::int64_t gap : {0, 3})
        {
          SCOPED_TRACE(testing::Message() << kernel.name << ", " << components << " components, " << points
                                          << " points, gap " << gap);
          const auto stride = components + gap;
          std::vector<TypeParam> rows(static_cast<std::size_t>(points * stride), TypeParam(-1));
          for (std::int64_t p = 0; p < points; p++)
            for (std::int64_t c = 0; c < components; c++)
              rows[static_cast<std::size_t>(p * stride + c)] = entry<TypeParam>(p, c);
          // one component of something else before and one behind
          const auto block_stride = (components + 2) * lanes;
          const auto blocks = (points + lanes - 1) / lanes;
          std::vector<TypeParam> state(static_cast<std::size_t>(blocks * block_stride), TypeParam(-2));
          kernel.load({rows.data(), stride}, components, points, state.data() + lanes, block_stride, lanes);
          for (std::int64_t b = 0; b < blocks; b++)
            for (std::int64_t c = -1; c <= components; c++)
              for (std::int64_t l = 0; l < lanes; l++)
              {
                const bool inside = c >= 0 && c < components;
                const auto expected =
                    inside ? entry<TypeParam>(std::min(b * lanes + l, points - 1), c) : TypeParam(-2);
                ASSERT_EQ(state[static_cast<std::size_t>(b * block_stride + (c + 1) * lanes + l)], expected);
              }
        }
}

TYPED_TEST(Layout, StoreWritesEachPointOnceAndNothingElse)
{
  for (const auto & kernel : all_layout_kernels<TypeParam>())
    for (const std::int64_t components : {1, 2, 3, 4, 5, 6, 7, 9, 36, 81})
      for (const std::int64_t points : {1, 2, 15, 16, 17, 47, 48, 1000})
        for (const std::int64_t gap : {0, 3})
          for (const bool stream : {false, true})
            for (const std::int64_t shift : {0, 1}) // off a cache line
            {
              SCOPED_TRACE(testing::Message() << kernel.name << ", " << components << " components, "
                                              << points << " points, gap " << gap << ", stream " << stream);
              const auto blocks = (points + lanes - 1) / lanes;
              std::vector<TypeParam> state(static_cast<std::size_t>(blocks * components * lanes));
              for (std::int64_t p = 0; p < blocks * lanes; p++)
                for (std::int64_t c = 0; c < components; c++)
                  state[static_cast<std::size_t>((p / lanes * components + c) * lanes + p % lanes)] =
                      entry<TypeParam>(p, c);
              std::vector<Lanes<TypeParam>> sources;
              for (std::int64_t c = 0; c < components; c++)
                sources.push_back({state.data() + c * lanes, components * lanes});

              const auto stride = components + gap;
              struct alignas(64) Line
              {
                char bytes[64];
              };
              const auto needed = static_cast<std::size_t>(points * stride + shift + 1) * sizeof(TypeParam);
              std::vector<Line> memory(needed / sizeof(Line) + 1);
              auto * rows = reinterpret_cast<TypeParam *>(memory.data()) + shift;
              std::fill(rows, rows + points * stride + 1, TypeParam(-1));
              kernel.store(sources.data(), components, points, {rows, stride}, lanes, stream);
              for (std::int64_t p = 0; p < points; p++)
                for (std::int64_t c = 0; c < stride; c++)
                  ASSERT_EQ(rows[p * stride + c], c < components ? entry<TypeParam>(p, c) : TypeParam(-1));
              ASSERT_EQ(rows[points * stride], TypeParam(-1));
            }
}

TYPED_TEST(Layout, AComponentMayBeTheSameInAllBlocks)
{
  std::vector<TypeParam> constant(lanes, TypeParam(7));
  std::vector<TypeParam> varying(3 * lanes);
  std::iota(varying.begin(), varying.end(), TypeParam(0));
  const std::vector<Lanes<TypeParam>> sources = {{constant.data(), 0},
                                                 {varying.data(), lanes},
                                                 {constant.data(), 0},
                                                 {varying.data(), lanes},
                                                 {constant.data(), 0}};
  for (const auto & kernel : all_layout_kernels<TypeParam>())
  {
    std::vector<TypeParam> rows(5 * 3 * lanes);
    kernel.store(sources.data(), 5, 3 * lanes, {rows.data(), 5}, lanes, false);
    for (std::size_t p = 0; p < 3 * lanes; p++)
      for (std::size_t c = 0; c < 5; c++)
        ASSERT_EQ(rows[5 * p + c], c % 2 ? TypeParam(p) : TypeParam(7));
  }
}

} // namespace
} // namespace neml2::aoti
