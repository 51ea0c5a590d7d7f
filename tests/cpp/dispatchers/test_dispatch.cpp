// SPDX-License-Identifier: MIT
// A dispatched model says, bit for bit, what the undispatched one says; and what it says when parts fail.
#include "aoti/ModelImplementation.h"
#include "aoti/packages.h"
#include "neml2/aoti/exceptions.h"
#include "neml2/aoti/load_model.h"
#include "neml2/dispatchers/AutoScheduler.h"
#include "neml2/dispatchers/SimpleScheduler.h"
#include "neml2/dispatchers/StaticHybridScheduler.h"

#include <sys/wait.h>
#include <thread>

namespace neml2::aoti
{
namespace
{

using dispatchers::Dispatcher;
using test::expect_error;
using test::float64;
using test::hooke;
using test::package;
using test::stub;

using Schedulers = std::vector<std::shared_ptr<Scheduler>>;

/// One part and many, here and in another memory, one after the other and at the same time.
Schedulers schedulers()
{
  return {std::make_shared<SimpleScheduler>("cpu", 1 << 20),
          std::make_shared<SimpleScheduler>("cpu", 7),
          std::make_shared<SimpleScheduler>("cpu:0", 50),
          std::make_shared<StaticHybridScheduler>(std::vector<std::string>{"cpu", "cpu:1"},
                                                  std::vector<std::int64_t>{20, 13}),
          std::make_shared<StaticHybridScheduler>(std::vector<std::string>{"cpu:0", "cpu:1", "cpu:2"},
                                                  std::vector<std::int64_t>{16}),
          std::make_shared<AutoScheduler>(std::vector<std::string>{"cpu:0", "cpu"})};
}

/// A model of a package whose dispatcher tests can reach.
struct Dispatched
{
  Dispatched(const std::filesystem::path & metadata, std::shared_ptr<Scheduler> scheduler,
             const SolverOptions & solvers = {})
  {
    const auto load = [&] { return load_engine(metadata, SolverOverrides(solvers)); };
    auto first = std::make_unique<Model::Implementation>(load());
    std::vector<std::unique_ptr<const Engine>> others;
    for (std::size_t d = 1; d < scheduler->devices().size(); d++)
      others.push_back(load());
    first->dispatch(std::move(scheduler), std::move(others));
    dispatcher = first->dispatcher.get();
    model = std::make_unique<Model>(std::move(first));
  }

  Dispatcher * dispatcher = nullptr;
  std::unique_ptr<Model> model;
};

void expect_equal(const ValueMap & actual, const ValueMap & expected)
{
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto & [name, value] : expected)
  {
    EXPECT_EQ(actual.at(name).sizes(), value.sizes()) << name;
    EXPECT_TRUE(at::equal(actual.at(name), value)) << name;
  }
}

void expect_equal(const JacobianMap & actual, const JacobianMap & expected)
{
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto & [output, row] : expected)
    expect_equal(actual.at(output), row);
}

ValueMap like(const ValueMap & values)
{
  ValueMap made;
  for (const auto & [name, value] : values)
    made[name] = at::full_like(value, NAN, at::MemoryFormat::Contiguous);
  return made;
}

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

/// One step of viscoplasticity, from rest.
ValueMap first_step(const Model & model, at::IntArrayRef batch)
{
  at::manual_seed(3);
  ValueMap inputs;
  for (const auto & [name, base] : model.input_base_shapes())
  {
    auto shape = batch.vec();
    shape.insert(shape.end(), base.begin(), base.end());
    inputs[name] = at::zeros(shape, float64());
  }
  inputs.at("strain").normal_(0, 1e-3);
  inputs.at("t").uniform_(0.1, 1e3);
  return inputs;
}

class Dispatch : public testing::TestWithParam<std::size_t>
{
protected:
  std::shared_ptr<Scheduler> scheduler() const { return schedulers()[GetParam()]; }
};

INSTANTIATE_TEST_SUITE_P(Schedulers, Dispatch, testing::Range(std::size_t(0), schedulers().size()));

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

TEST_P(Dispatch, WrongArgumentsAreRefusedInTheSameWords)
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

TEST_P(Dispatch, OneFailureIsThatOfTheWholeBatch)
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

TEST_P(Dispatch, AFailedCallLeavesItsInputsAlone)
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

TEST(Failures, OfSeveralPartsAreReportedTogether)
{
  const Dispatched dispatched(package("isoharden", "model"),
                              std::make_shared<StaticHybridScheduler>(
                                  std::vector<std::string>{"cpu:0", "cpu:1"}, std::vector<std::int64_t>{25}));
  auto inputs = first_step(*dispatched.model, {100});
  for (const auto point : {3, 30, 31, 99})
    inputs.at("strain").select(0, point).fill_(NAN);
  const auto expect_points = [&](const AggregateError & error)
  {
    std::vector<std::int64_t> failed;
    for (const auto & part : error.errors())
      try
      {
        std::rethrow_exception(part);
      }
      catch (const ConvergenceError & one)
      {
        for (const auto & point : one.points())
          failed.push_back(point.index);
        EXPECT_NE(std::string(one.what()).find("of 100 material points"), std::string::npos);
        EXPECT_NE(std::string(one.what()).find("input 'strain' is not finite"), std::string::npos);
      }
    EXPECT_EQ(failed, (std::vector<std::int64_t>{3, 30, 31, 99}));
    EXPECT_TRUE(error.recoverable());
  };
  try
  {
    (void)dispatched.model->forward(inputs);
    FAIL() << "no exception";
  }
  catch (const AggregateError & error)
  {
    expect_points(error);
  }
  dispatched.dispatcher->observe = [](Dispatcher::Stage stage, const Part & part)
  {
    if (stage == Dispatcher::Stage::copy_in && part.begin == 75)
      throw std::runtime_error("lost the device");
  };
  try
  {
    (void)dispatched.model->forward(inputs);
    FAIL() << "no exception";
  }
  catch (const AggregateError & error)
  {
    EXPECT_FALSE(error.recoverable());
    EXPECT_NE(std::string(error.what()).find("lost the device"), std::string::npos) << error.what();
  }
}

TEST(Failures, InjectedAtEveryStageLeaveModelAndSchedulerUsable)
{
  using enum Dispatcher::Stage;
  const auto scheduler =
      std::make_shared<StaticHybridScheduler>(std::vector<std::string>{"cpu:0", "cpu:1", "cpu"},
                                              std::vector<std::int64_t>{4}, std::vector<std::int64_t>{4});
  const Dispatched dispatched(package("combination", "combination"), scheduler);
  const auto a = at::randn({24, 6}, float64()), b = at::randn({6}, float64());
  const ValueMap inputs = {{"a", a}, {"b", b}};
  const auto expected = Model(package("combination", "combination")).forward(inputs);
  std::atomic<Dispatcher::Stage> at_stage = copy_in;
  std::atomic<std::int64_t> at_point = 0;
  std::atomic<int> kind = 0;
  dispatched.dispatcher->observe = [&](Dispatcher::Stage stage, const Part & part)
  {
    if (stage != at_stage || part.begin != at_point)
      return;
    if (kind == 0)
      throw ConvergenceError("injected", {{1, 2, 3.0}});
    if (kind == 1)
      throw FatalError("injected");
    if (kind == 2)
      throw std::bad_alloc();
    throw 1;
  };
  constexpr int times = 10000;
  for (int i = 0; i < times; i++)
  {
    at_stage = std::array{copy_in, evaluate, copy_out}[static_cast<std::size_t>(i % 3)];
    at_point = 4 * (i % 6);
    kind = i / 3 % 4;
    try
    {
      (void)dispatched.model->forward(inputs);
      FAIL() << "no exception";
    }
    catch (const ConvergenceError & error)
    {
      ASSERT_EQ(kind, 0);
      ASSERT_EQ(error.points().at(0).index, at_point + 1);
    }
    catch (const FatalError &)
    {
      ASSERT_NE(kind, 0);
    }
    if (i % 100 == 99)
    {
      at_point = -1;
      expect_equal(dispatched.model->forward(inputs), expected);
    }
  }
}

/// A scheduler of a user, with mistakes.
class Mistaken : public Scheduler
{
public:
  enum class Mistake
  {
    throws_at_once,
    throws_later,
    throws_when_finished,
    gap,
    beyond,
    no_such_device,
    stops
  };

  explicit Mistaken(Mistake mistake) : Scheduler({"cpu:0", "cpu:1"}), _mistake(mistake) {}

  std::unique_ptr<Schedule> schedule(std::int64_t) override
  {
    if (_mistake == Mistake::throws_at_once)
      throw std::runtime_error("no plan");
    return std::make_unique<Plan>(_mistake);
  }

private:
  struct Plan : Schedule
  {
    explicit Plan(Mistake m) : mistake(m) {}

    std::optional<Part> next(std::span<const std::int64_t>) override
    {
      if (calls++ == 0)
        return Part{0, 0, 10};
      if (mistake == Mistake::throws_later)
        throw std::runtime_error("no plan");
      if (mistake == Mistake::gap)
        return Part{1, 11, 20};
      if (mistake == Mistake::beyond)
        return Part{1, 10, 21};
      if (mistake == Mistake::no_such_device)
        return Part{2, 10, 20};
      if (mistake == Mistake::stops)
        return std::nullopt;
      return Part{1, 10, 20};
    }

    void finished(const Part &, double) override
    {
      if (mistake == Mistake::throws_when_finished)
        throw 1;
    }

    Mistake mistake;
    int calls = 0;
  };

  Mistake _mistake;
};

TEST(Failures, OfASchedulerAreErrorsOfTheCall)
{
  using enum Mistaken::Mistake;
  const ValueMap inputs = {{"strain", at::zeros({20, 6}, float64())}};
  const auto expect = [&](Mistaken::Mistake mistake, const std::vector<std::string> & words)
  {
    const auto model = load_model(stub("baked"), "elasticity", std::make_shared<Mistaken>(mistake));
    for (int i = 0; i < 20; i++)
      expect_error<Exception>([&] { (void)model.forward(inputs); }, words);
  };
  expect(throws_at_once, {"no plan"});
  expect(throws_later, {"no plan"});
  expect(throws_when_finished, {"no exception"});
  expect(gap, {"[11, 20)", "begin at 10"});
  expect(beyond, {"[10, 21) of 20"});
  expect(no_such_device, {"number 2", "there are 2"});
  expect(stops, {"left points"});
}

TEST(Dispatch, OnePartWhereTheInputsAreIsEvaluatedAsItIs)
{
  const Dispatched dispatched(package("baked"), std::make_shared<SimpleScheduler>("cpu", 100));
  std::vector<Dispatcher::Stage> stages;
  dispatched.dispatcher->observe = [&](Dispatcher::Stage stage, const Part &) { stages.push_back(stage); };
  (void)dispatched.model->forward({{"strain", at::zeros({100, 6}, float64())}});
  EXPECT_EQ(stages, std::vector{Dispatcher::Stage::evaluate});
}

TEST(Dispatch, ManyThreadsCallOneModel)
{
  auto model = load_model(stub("promoted"), "elasticity",
                          std::make_shared<AutoScheduler>(std::vector<std::string>{"cpu:0", "cpu:1"}));
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (int t = 0; t < 8; t++)
    callers.emplace_back(
        [&, t]
        {
          const auto strain = at::full({10 + t, 6}, 1e-3, float64());
          for (int i = 0; i < 200; i++)
          {
            const auto stress = model.forward({{"strain", strain}}).at("stress");
            const auto E = (stress / hooke(strain, 1)).select(1, 0); // one value from begin to end
            wrong += !at::allclose(E, E.select(0, 0).expand_as(E), 1e-12);
          }
        });
  for (int i = 1; i < 200; i++)
    model.set_parameter("E", at::full({}, 1e3 * i, float64()));
  for (auto & caller : callers)
    caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Dispatch, AForkedProcessIsToldToLoadAgain)
{
  const auto model = load_model(stub("baked"), "elasticity",
                                std::make_shared<AutoScheduler>(std::vector<std::string>{"cpu:0", "cpu:1"}));
  const ValueMap inputs = {{"strain", at::zeros({10, 6}, float64())}};
  (void)model.forward(inputs);
  const auto child = ::fork();
  if (child == 0)
  {
    bool told = false;
    try
    {
      (void)model.forward(inputs);
    }
    catch (const FatalError & error)
    {
      told = std::string(error.what()).find("load it again") != std::string::npos;
    }
    ::_exit(told ? 0 : 1);
  }
  int status = 1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
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
