// SPDX-License-Identifier: MIT
// A block of points carried from step to step in C++; tests/python/runtime/test_history.py has the rest.
#include "neml2/aoti/History.h"
#include "packages.h"

namespace neml2::aoti
{
namespace
{

using test::expect_error;
using test::float64;
using test::package;

constexpr std::int64_t points = 3;

ModelHandle isoharden(const std::string & name)
{
  return ModelHandle(std::make_shared<Model>(package(name, "model")));
}

void advance(History & block, double time)
{
  block.set("t", time);
  block.set("strain", at::full({points, 6}, 1e-3 * time, float64()).select(1, 0).unsqueeze(1) *
                          at::tensor({1., -0.4, -0.4, 0., 0.2, 0.}, float64()));
  block.evaluate_with_tangents();
}

TEST(History, GoesWithTheObjectThatItIsMovedTo)
{
  History first(isoharden("isoharden_native"), points, {{"stress", "strain"}});
  advance(first, 1);
  first.accept();
  History second(std::move(first));
  History third(isoharden("isoharden_native"), 1);
  third = std::move(second);
  History whole(isoharden("isoharden_native"), points, {{"stress", "strain"}});
  advance(whole, 1);
  whole.accept();
  advance(third, 2);
  advance(whole, 2);
  EXPECT_TRUE(at::equal(third.current("stress"), whole.current("stress")));
  EXPECT_TRUE(at::equal(third.tangent("stress", "strain"), whole.tangent("stress", "strain")));
}

TEST(History, IsTheSameForBothBackends)
{
  History native(isoharden("isoharden_native"), points, {{"stress", "strain"}});
  History graphs(isoharden("isoharden"), points, {{"stress", "strain"}});
  for (const double time : {0.5, 1.0, 3.0})
  {
    for (auto * block : {&native, &graphs})
    {
      advance(*block, 2 * time); // too far
      block->revert();
      advance(*block, time);
      block->accept();
    }
    EXPECT_TRUE(at::allclose(native.old("stress"), graphs.old("stress"), 1e-8, 1e-8));
  }
}

TEST(History, RefusesWhatItDoesNotKnow)
{
  History block(isoharden("isoharden_native"), points);
  EXPECT_FALSE(block.model().history().empty());
  expect_error<FatalError>([&] { block.old("strian"); }, {"strian", "did you mean 'strain'"});
  expect_error<FatalError>([&] { block.old("strain", 0); }, {"0 steps ago"});
  expect_error<FatalError>([&] { block.tangent("stress", "strain"); }, {"not asked"});
  expect_error<FatalError>([&] { block.set("strain", at::Tensor()); }, {"'strain'", "nothing"});
  expect_error<FatalError>([&] { block.use("strain", at::zeros({points, 6}, at::kFloat)); }, {"dtype"});
  expect_error<FatalError>([&] { block.use("strain", at::zeros({6}, float64())); }, {"(6,)", "(3, 6)"});
  expect_error<FatalError>([&] { block.accept(); }, {"no step to accept"});
}

} // namespace
} // namespace neml2::aoti
