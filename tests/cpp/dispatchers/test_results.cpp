// SPDX-License-Identifier: MIT
// A dispatched model says, bit for bit, what the undispatched one says.
#include "dispatchers/dispatched.h"
#include "neml2/aoti/exceptions.h"

#include <chrono>
#include <future>
#include <stdexcept>
#include <thread>

namespace neml2::aoti
{
namespace
{

using namespace test;

INSTANTIATE_TEST_SUITE_P(Schedulers, Dispatch, testing::Range(std::size_t(0), schedulers().size()));

/// Every operation of one model beside those of another.
template <typename Handle>
void expect_same(const Handle & actual, const Model & expected, const ValueMap & inputs,
                 const ValueMap & tangents)
{
  const auto outputs = expected.forward(inputs);
  expect_equal(actual.forward(inputs), outputs);
  expect_equal(actual.forward_natural(inputs), expected.forward_natural(inputs));
  const auto [values, blocks] = expected.jacobian(inputs);
  const auto got = actual.jacobian(inputs);
  expect_equal(got.first, values);
  expect_equal(got.second, blocks);
  const auto [same, products] = expected.jvp(inputs, tangents);
  const auto along = actual.jvp(inputs, tangents);
  expect_equal(along.first, same);
  expect_equal(along.second, products);

  const auto into = like(outputs), products_into = like(products);
  actual.forward_into(inputs, into);
  expect_equal(into, outputs);
  actual.jvp_into(inputs, tangents, {}, products_into);
  expect_equal(products_into, products);
  JacobianMap blocks_into;
  for (const auto & [output, row] : blocks)
    blocks_into[output] = like(row);
  const auto again = like(outputs);
  actual.jacobian_into(inputs, again, blocks_into);
  expect_equal(again, values);
  expect_equal(blocks_into, blocks);
}

TEST_P(Dispatch, IsHookesLaw)
{
  const auto model = load_model(stub("promoted"), "elasticity", scheduler());
  const auto strain = at::randn({100, 6}, float64()) * 1e-3;
  test::expect_close(model.forward({{"strain", strain}}).at("stress"), hooke(strain));
  test::expect_close(model.jacobian({{"strain", strain}}).second.at("stress").at("strain"),
                     hooke(at::eye(6, float64())));
}

TEST_P(Dispatch, ElasticityIsTheSameForAnyBatch)
{
  for (const auto * name : {"promoted", "native"})
  {
    const Model expected(package(name));
    const auto model = load_model(stub(name), "elasticity", scheduler());
    for (const std::vector<std::int64_t> & batch :
         std::vector<std::vector<std::int64_t>>{{}, {0}, {1}, {17}, {3, 0, 2}, {6, 31}, {200}})
    {
      auto shape = batch;
      shape.push_back(6);
      const auto strain = at::randn(shape, float64()) * 1e-3;
      expect_same(model, expected, {{"strain", strain}}, {{"strain", strain + 1e-3}});
    }
  }
}

TEST_P(Dispatch, ViscoplasticityIsTheSame)
{
  for (const auto * name : {"isoharden", "isoharden_native"})
  {
    const Model expected(package(name, "model"));
    const auto model = load_model(stub(name, "model"), "model", scheduler());
    for (const std::vector<std::int64_t> & batch : std::vector<std::vector<std::int64_t>>{{0}, {90}, {5, 18}})
    {
      const auto inputs = first_step(expected, batch);
      expect_same(model, expected, inputs, {{"strain", inputs.at("strain") * 2}});
    }
  }
}

TEST_P(Dispatch, BroadcastAndStridedInputsAreTheSame)
{
  const Model expected(package("combination", "combination"));
  const auto model = load_model(stub("combination", "combination"), "combination", scheduler());
  const auto a = at::randn({40, 1, 6}, float64()), b = at::randn({3, 6}, float64());
  expect_same(model, expected, {{"a", a}, {"b", b}}, {{"a", a * 2}});
  const auto columns = at::randn({6, 3, 40}, float64()).permute({2, 1, 0});
  expect_same(model, expected, {{"a", columns}, {"b", b}}, {{"b", b * 2}});
  const Model law(package("native"));
  const auto native = load_model(stub("native"), "elasticity", scheduler());
  expect_same(native, law, {{"strain", columns}}, {{"strain", columns}});
}

TEST_P(Dispatch, ParametersReachEveryDevice)
{
  Model expected(package("promoted"));
  auto model = load_model(stub("promoted"), "elasticity", scheduler());
  const auto strain = at::randn({120, 6}, float64()) * 1e-3;
  const ValueMap inputs = {{"strain", strain}},
                 tangents = {{"strain", strain}, {"E", at::ones({120}, float64())}};
  for (const auto & E :
       {at::full({}, 1e5, float64()), at::rand({120}, float64()) + 1, at::rand({1}, float64())})
  {
    model.set_parameter("E", E);
    expected.set_parameter("E", E);
    expect_same(model, expected, inputs, tangents);
  }
  model.named_parameters().at("E").fill_(3e5);
  expected.named_parameters().at("E").fill_(3e5);
  expect_same(model, expected, inputs, tangents);
  EXPECT_EQ(model.jacobian(inputs).second.at("stress").at("strain").dim(), 3); // E has an axis, of 1
}

TEST_P(Dispatch, AnOutputMayLieOnAnInput)
{
  const Model expected(package("combination", "combination"));
  const auto model = load_model(stub("combination", "combination"), "combination", scheduler());
  const auto a = at::randn({100, 6}, float64()), b = at::randn({100, 6}, float64());
  const auto result = expected.forward({{"a", a}, {"b", b}}).at("to");
  model.forward_into({{"a", a}, {"b", b}}, {{"to", a}});
  EXPECT_TRUE(at::equal(a, result));
  const auto memory = at::randn({101, 6}, float64()); // an output that lies a row further on
  const auto shifted = expected.forward({{"a", memory.narrow(0, 0, 100)}, {"b", b}}).at("to");
  model.forward_into({{"a", memory.narrow(0, 0, 100)}, {"b", b}}, {{"to", memory.narrow(0, 1, 100)}});
  EXPECT_TRUE(at::equal(memory.narrow(0, 1, 100), shifted));
}

TEST(Dispatch, OnePartWhereTheInputsAreIsEvaluatedAsItIs)
{
  const Dispatched dispatched(package("baked"), std::make_shared<SimpleScheduler>("cpu", 100));
  std::vector<Dispatcher::Stage> stages;
  dispatched.dispatcher->observe = [&](Dispatcher::Stage stage, const Part &) { stages.push_back(stage); };
  (void)dispatched.model->forward({{"strain", at::zeros({100, 6}, float64())}});
  EXPECT_EQ(stages, std::vector{Dispatcher::Stage::evaluate});
}

/// While a device computes one part, the next one is copied to it.
TEST(Dispatch, CopiesAPartWhileTheDeviceComputesTheOneBefore)
{
  const Dispatched dispatched(package("baked"), std::make_shared<SimpleScheduler>("cpu:0", 50));
  std::promise<void> copied;
  dispatched.dispatcher->observe = [&](Dispatcher::Stage stage, const Part & part)
  {
    if (stage == Dispatcher::Stage::copy_in && part.begin == 50)
      copied.set_value();
    if (stage == Dispatcher::Stage::evaluate && part.begin == 0)
      if (copied.get_future().wait_for(std::chrono::minutes(1)) != std::future_status::ready)
        throw std::runtime_error("nothing was copied meanwhile");
  };
  const ValueMap inputs{{"strain", at::randn({100, 6}, float64())}};
  expect_equal(dispatched.model->forward(inputs), Model(package("baked")).forward(inputs));
}

/// What it learns, here that one of two devices is much slower, changes who does what, never a result.
TEST(AutoScheduler, LearnsFromCallsWhoseResultsStayTheSame)
{
  const auto scheduler = std::make_shared<AutoScheduler>(std::vector<std::string>{"cpu:0", "cpu:1"});
  const Dispatched dispatched(package("isoharden_native", "model"), scheduler);
  const Model expected(package("isoharden_native", "model"));
  dispatched.dispatcher->observe = [](Dispatcher::Stage stage, const Part & part)
  {
    if (part.device == 1 && stage == Dispatcher::Stage::evaluate)
      std::this_thread::sleep_for(std::chrono::microseconds(50 * part.size()));
  };
  for (const std::int64_t points : {30, 300, 3000}) // an order of magnitude each: it begins anew
  {
    const auto inputs = first_step(expected, {points});
    const auto [outputs, blocks] = expected.jacobian(inputs);
    EXPECT_EQ(scheduler->split(points), (std::vector<std::int64_t>(2, points / 2)));
    for (int i = 0; i < 25; i++)
    {
      const auto found = dispatched.model->jacobian(inputs);
      expect_equal(found.first, outputs);
      expect_equal(found.second, blocks);
    }
    const auto split = scheduler->split(points);
    EXPECT_EQ(split[0] + split[1], points);
    EXPECT_LT(split[1], split[0]);
  }
}

} // namespace
} // namespace neml2::aoti
