// SPDX-License-Identifier: MIT
// What a dispatched model says of wrong arguments and of points that fail: what the undispatched one says.
#include "dispatchers/dispatched.h"
#include "neml2/aoti/exceptions.h"

namespace neml2::aoti
{
namespace
{

using namespace test;

class DispatchErrors : public Dispatch
{
};

INSTANTIATE_TEST_SUITE_P(Schedulers, DispatchErrors, testing::Range(std::size_t(0), schedulers().size()));

TEST_P(DispatchErrors, WrongArgumentsAreRefusedInTheSameWords)
{
  const Model expected(package("combination", "combination"));
  const auto model = load_model(stub("combination", "combination"), "combination", scheduler());
  const auto a = at::zeros({90, 6}, float64());
  for (const ValueMap & inputs :
       {ValueMap{}, ValueMap{{"a", a}}, ValueMap{{"a", a}, {"c", a}}, ValueMap{{"a", a}, {"b", at::Tensor()}},
        ValueMap{{"a", a}, {"b", a.slice(0, 1)}}, ValueMap{{"a", a}, {"b", a.to(at::kFloat)}}})
  {
    std::string words;
    try
    {
      (void)expected.forward(inputs);
    }
    catch (const FatalError & error)
    {
      words = error.what();
    }
    expect_error<FatalError>([&] { (void)model.forward(inputs); }, {words});
  }
}

TEST_P(DispatchErrors, OneFailureIsThatOfTheWholeBatch)
{
  for (const auto * name : {"isoharden", "isoharden_native"})
  {
    const Model expected(package(name, "model"));
    const auto model = load_model(stub(name, "model"), "model", scheduler());
    auto inputs = first_step(expected, {5, 18});
    inputs.at("strain").select(0, 3).select(0, 7).fill_(NAN);
    std::string words;
    try
    {
      (void)expected.forward(inputs);
    }
    catch (const ConvergenceError & error)
    {
      words = error.what();
    }
    EXPECT_NE(words.find("point 61 "), std::string::npos) << words;
    const auto outputs = like(expected.forward(first_step(expected, {5, 18})));
    for (const bool into : {false, true})
      try
      {
        into ? model.forward_into(inputs, outputs) : (void)model.jacobian(inputs);
        FAIL() << "no exception";
      }
      catch (const ConvergenceError & error)
      {
        EXPECT_EQ(error.what(), words);
        ASSERT_EQ(error.points().size(), 1u);
        EXPECT_EQ(error.points()[0].index, 61);
      }
    const auto good = first_step(expected, {5, 18});
    expect_equal(model.forward(good), expected.forward(good));
  }
}

TEST_P(DispatchErrors, AFailedCallLeavesItsInputsAlone)
{
  const Model expected(package("isoharden", "model"));
  const auto model = load_model(stub("isoharden", "model"), "model", scheduler());
  auto inputs = first_step(expected, {90});
  inputs.at("strain").select(0, 80).fill_(NAN);
  ValueMap before, outputs;
  for (const auto & [name, value] : inputs)
  {
    before[name] = value.clone();
    if (name.ends_with("~1") && expected.output_base_shapes().contains(name.substr(0, name.size() - 2)))
      outputs[name.substr(0, name.size() - 2)] = value;
  }
  ASSERT_FALSE(outputs.empty());
  EXPECT_THROW(model.forward_into(inputs, outputs), ConvergenceError);
  for (const auto & [name, value] : before)
    EXPECT_TRUE(at::allclose(inputs.at(name), value, 0, 0, true)) << name;
}

TEST(LoadModel, TakesSolverOptions)
{
  const auto load = [](const SolverOptions & options)
  { return load_model(stub("isoharden", "model"), "model", nullptr, "cpu", options); };
  auto inputs = first_step(*load({}).model(), {20});
  inputs.at("strain").mul_(20);
  (void)load({}).forward(inputs);
  EXPECT_THROW((void)load({{"newton", {{"max_its", "1"}}}}).forward(inputs), ConvergenceError);
  expect_error<FatalError>([&] { load({{"newton", {{"max_it", "1"}}}}); }, {"max_it"});
}

} // namespace
} // namespace neml2::aoti
