// SPDX-License-Identifier: MIT
// Which arrays the engines read where they are.
#include "call/Arguments.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

namespace neml2::aoti
{
namespace
{

at::Tensor numbers(at::IntArrayRef shape)
{
  return at::arange(c10::multiply_integers(shape), at::kDouble).reshape(shape);
}

/// The element of component c at a point, found as an engine that follows strides does.
double element(const Argument & rows, at::IntArrayRef point, std::int64_t c)
{
  const auto & strides = *rows.strides;
  auto place = strides.components.empty() ? c : strides.components[static_cast<std::size_t>(c)];
  for (std::size_t axis = 0; axis < point.size(); axis++)
    place += point[axis] * strides.batch[axis];
  return static_cast<const double *>(rows.data)[place];
}

TEST(Arguments, EvenlySpacedRowsAreNeitherCopiedNorDescribed)
{
  const Shape batch{4, 5};
  for (const auto & tensor : {numbers({4, 5, 6}), numbers({6}), numbers({4, 5, 12}).slice(-1, 3, 9)})
  {
    const auto rows = as_rows(tensor, 1, 6, batch, true);
    EXPECT_EQ(rows.data, tensor.data_ptr());
    EXPECT_FALSE(rows.keep.defined());
    EXPECT_EQ(rows.strides, nullptr);
  }
}

TEST(Arguments, OtherStridesAreFollowedInPlace)
{
  const Shape batch{4, 5};
  const auto all = {numbers({6, 5, 4}).permute({2, 1, 0}), numbers({5, 4, 6}).transpose(0, 1),
                    numbers({5, 6}), numbers({4, 1, 12}).slice(-1, 0, 12, 2),
                    numbers({4, 9, 6}).slice(1, 2, 7)};
  for (const auto & tensor : all)
  {
    const auto rows = as_rows(tensor, 1, 6, batch, true);
    EXPECT_FALSE(rows.keep.defined());
    ASSERT_NE(rows.strides, nullptr);
    const auto expanded = tensor.expand({4, 5, 6});
    for (std::int64_t i = 0; i < 4; i++)
      for (std::int64_t j = 0; j < 5; j++)
        for (std::int64_t c = 0; c < 6; c++)
          EXPECT_EQ(element(rows, {i, j}, c), expanded[i][j][c].item<double>());
  }
}

TEST(Arguments, MatricesAreRowMajor)
{
  const auto tensor = numbers({3, 3, 7}).permute({2, 1, 0}); // (7, 3, 3), transposed
  const auto rows = as_rows(tensor, 2, 9, {7}, true);
  for (std::int64_t c = 0; c < 9; c++)
    EXPECT_EQ(element(rows, {2}, c), tensor[2][c / 3][c % 3].item<double>());
}

TEST(Arguments, OtherEnginesGetACopy)
{
  const auto tensor = numbers({6, 5}).t();
  const auto rows = as_rows(tensor, 1, 6, {5}, false);
  EXPECT_EQ(rows.strides, nullptr);
  ASSERT_TRUE(rows.keep.defined());
  EXPECT_TRUE(at::equal(rows.keep, tensor));
  EXPECT_EQ(rows.stride, 6);
}

} // namespace
} // namespace neml2::aoti
