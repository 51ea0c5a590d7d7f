// SPDX-License-Identifier: MIT
#include "neml2/aoti/exceptions.h"

#include <gtest/gtest.h>

namespace neml2::aoti
{
namespace
{

TEST(Exceptions, OnlyAFailureToConvergeIsRecoverable)
{
  const ConvergenceError diverged("2 of 5 points did not converge", {{1, 25, 0.5}, {4, 25, 3.0}});
  EXPECT_TRUE(diverged.recoverable());
  ASSERT_EQ(diverged.points().size(), 2u);
  EXPECT_EQ(diverged.points()[1].index, 4);
  EXPECT_EQ(diverged.points()[1].iterations, 25);
  EXPECT_DOUBLE_EQ(diverged.points()[1].residual, 3.0);
  EXPECT_FALSE(FatalError("wrong shape").recoverable());
}

TEST(Exceptions, AnAggregateIsRecoverableWhenAllItsPartsAre)
{
  const auto diverged = std::make_exception_ptr(ConvergenceError("diverged", {{0, 3, 1.0}}));
  const auto fatal = std::make_exception_ptr(FatalError("wrong shape"));
  EXPECT_TRUE(AggregateError("2 failed", {diverged, diverged}).recoverable());
  EXPECT_FALSE(AggregateError("2 failed", {diverged, fatal}).recoverable());
  EXPECT_FALSE(AggregateError("none", {}).recoverable());
  const auto foreign = std::make_exception_ptr(std::runtime_error("?"));
  EXPECT_FALSE(AggregateError("1 failed", {foreign}).recoverable());
}

TEST(Exceptions, AreCaughtByTheirBase)
{
  EXPECT_THROW(throw FatalError("x"), Exception);
  EXPECT_THROW(throw ConvergenceError("x", {}), Exception);
  EXPECT_THROW(throw AggregateError("x", {}), std::runtime_error);
}

} // namespace
} // namespace neml2::aoti
