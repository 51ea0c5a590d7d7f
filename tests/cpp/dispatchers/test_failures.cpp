// SPDX-License-Identifier: MIT
// Several failures at once, failures of every stage of a part, and mistakes of schedulers.
#include "dispatchers/dispatched.h"
#include "neml2/aoti/exceptions.h"

namespace neml2::aoti
{
namespace
{

using namespace test;

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
    at_point = 4 * (i / 12 % 6);
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
  constexpr int times = 1500; // of each: 1e4 in all
  const ValueMap inputs = {{"strain", at::zeros({20, 6}, float64())}};
  const auto expect = [&](Mistaken::Mistake mistake, const std::vector<std::string> & words)
  {
    const auto model = load_model(stub("baked"), "elasticity", std::make_shared<Mistaken>(mistake));
    for (int i = 0; i < times; i++)
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

} // namespace
} // namespace neml2::aoti
