// SPDX-License-Identifier: MIT
// Many threads at once, for many calls: results are those of a single thread, to the bit. Also built with
// ThreadSanitizer, which looks at the rest (`make test-tsan`). NEML2_STRESS_CALLS: calls of each thread.
#include "aoti/packages.h"
#include "neml2/aoti/exceptions.h"
#include "neml2/aoti/load_model.h"
#include "neml2/dispatchers/AutoScheduler.h"
#include "neml2/dispatchers/StaticHybridScheduler.h"

#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace neml2::aoti
{
namespace
{

using test::float64;
using test::package;
using test::stub;

constexpr int threads = 8;

/// Calls of a thread; a share of them where each is expensive.
int calls(int share = 1)
{
  const char * text = std::getenv("NEML2_STRESS_CALLS");
  return std::max((text ? std::atoi(text) : 200) / share, 2);
}

/// Runs work(thread) on all threads at once. What they throw is a failure of the test.
void at_once(const std::function<void(int)> & work)
{
  std::atomic<int> waiting = threads;
  std::vector<std::thread> running;
  for (int t = 0; t < threads; t++)
    running.emplace_back(
        [&, t]
        {
          waiting--;
          while (waiting > 0)
            std::this_thread::yield();
          try
          {
            work(t);
          }
          catch (const std::exception & error)
          {
            ADD_FAILURE() << "thread " << t << ": " << error.what();
          }
        });
  for (auto & thread : running)
    thread.join();
}

/// A step from rest, which differs from seed to seed. Written without torch, whose own threads would take
/// part.
ValueMap first_step(const Model & model, std::int64_t points, int seed)
{
  ValueMap inputs;
  for (const auto & [name, base] : model.input_base_shapes())
  {
    auto shape = base;
    shape.insert(shape.begin(), points);
    inputs[name] = at::zeros(shape, float64());
  }
  auto * strain = inputs.at("strain").mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < 6 * points; i++)
    strain[i] = 1e-3 * (double((i + 1) * (2 + seed)) / double(6 * points) - 1);
  if (inputs.contains("t"))
    inputs.at("t").fill_(1 + seed);
  return inputs;
}

/// What a model says of a step: outputs, then blocks.
std::vector<at::Tensor> evaluate(const Model & model, const ValueMap & inputs)
{
  const auto [outputs, blocks] = model.jacobian(inputs);
  std::vector<at::Tensor> all;
  for (const auto & [name, value] : outputs)
    all.push_back(value);
  for (const auto & [output, row] : blocks)
    for (const auto & [input, block] : row)
      all.push_back(block);
  return all;
}

/// To the bit, without torch's threads, which the child of a fork must not ask for.
bool same(const std::vector<at::Tensor> & a, const std::vector<at::Tensor> & b)
{
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto & x, const auto & y)
                    {
                      return x.sizes() == y.sizes() &&
                             std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()) == 0;
                    });
}

struct Case
{
  const char * folder;
  const char * name;
  int share;            ///< of the calls
  std::int64_t points;  ///< enough for a team
  bool several_devices; ///< dispatched
};

void PrintTo(const Case & one, std::ostream * out)
{
  *out << one.folder << (one.several_devices ? ", dispatched" : "");
}

ModelHandle load(const Case & one)
{
  const std::vector<std::string> devices = {"cpu:0", "cpu:1"};
  return load_model(stub(one.folder, one.name), one.name,
                    one.several_devices ? std::make_shared<AutoScheduler>(devices) : nullptr);
}

class Stress : public testing::TestWithParam<Case>
{
};

INSTANTIATE_TEST_SUITE_P(Models, Stress,
                         testing::Values(Case{"promoted", "elasticity", 1, 9000, false},
                                         Case{"native", "elasticity", 1, 9000, false},
                                         Case{"isoharden", "model", 10, 120, false},
                                         Case{"isoharden_native", "model", 4, 300, false},
                                         Case{"promoted", "elasticity", 4, 9000, true},
                                         Case{"isoharden_native", "model", 10, 300, true}));

TEST_P(Stress, ThreadsCallOneModel)
{
  const auto model = load(GetParam());
  const Model alone(package(GetParam().folder, GetParam().name));
  at_once(
      [&](int t)
      {
        const auto few = first_step(alone, 3 + 5 * t, t), many = first_step(alone, GetParam().points + t, t);
        const auto expect_few = evaluate(alone, few), expect_many = evaluate(alone, many);
        for (int i = 0; i < calls(GetParam().share); i++)
        {
          const bool all = i % 64 == t;
          if (!same(evaluate(*model.model(), all ? many : few), all ? expect_many : expect_few))
            FAIL() << "thread " << t << ", call " << i;
        }
      });
}

TEST_P(Stress, ThreadsHaveModelsOfTheirOwn)
{
  const bool promoted = GetParam().name == std::string("elasticity");
  at_once(
      [&](int t)
      {
        auto model = load(GetParam());
        Model alone(package(GetParam().folder, GetParam().name));
        const auto E = at::full({}, 1e5 * (t + 1), float64());
        if (promoted)
          model.set_parameter("E", E), alone.set_parameter("E", E);
        const auto step = first_step(alone, 30 + t, t);
        const auto expected = evaluate(alone, step);
        for (int i = 0; i < calls(GetParam().share); i++)
          if (!same(evaluate(*model.model(), step), expected))
            FAIL() << "thread " << t << ", call " << i;
      });
}

TEST_P(Stress, LoadingCallingSettingAndDestroyingAtOnce)
{
  const bool promoted = GetParam().name == std::string("elasticity");
  const Model alone(package(GetParam().folder, GetParam().name));
  const auto step = first_step(alone, 40, 1);
  const auto expected = evaluate(alone, step);
  at_once(
      [&](int t)
      {
        for (int i = 0; i < calls(100); i++)
        {
          auto model = load(GetParam());
          if (promoted)
            model.set_parameter("E", model.named_parameters().at("E").clone());
          if (!same(evaluate(*model.model(), step), expected))
            FAIL() << "thread " << t << ", load " << i;
        }
      });
}

/// Whoever calls while somebody else sets a parameter sees one of its values, at all points.
TEST_P(Stress, ASharedParameterIsSetMeanwhile)
{
  if (GetParam().name != std::string("elasticity"))
    GTEST_SKIP() << "has no promoted parameter";
  auto model = load(GetParam());
  Model alone(package(GetParam().folder, GetParam().name));
  const auto step = first_step(alone, 50, 2);
  const auto values = std::array{at::full({}, 1e5, float64()), at::linspace(1e5, 2e5, 50, float64())};
  std::array<std::vector<at::Tensor>, 2> expected;
  for (std::size_t i = 0; i < 2; i++)
  {
    alone.set_parameter("E", values[i]);
    expected[i] = evaluate(alone, step);
  }
  model.set_parameter("E", values[0]);
  at_once(
      [&](int t)
      {
        for (int i = 0; i < calls(GetParam().share); i++)
          if (t < 2) // two set it, the others call
            model.set_parameter("E", values[static_cast<std::size_t>(i + t) % 2]);
          else if (const auto found = evaluate(*model.model(), step);
                   !same(found, expected[0]) && !same(found, expected[1]))
            FAIL() << "thread " << t << ", call " << i;
      });
}

/// A child has none of the threads of its parent: it gets others, or is told to load again.
TEST_P(Stress, AChildOfAForkGoesOnOrIsToldWhyNot)
{
  const auto model = load(GetParam());
  const Model alone(package(GetParam().folder, GetParam().name));
  const auto step = first_step(alone, GetParam().points, 3);
  const auto expected = evaluate(alone, step);
  at_once([&](int) { (void)evaluate(*model.model(), step); });
  for (int i = 0; i < calls(100); i++)
  {
    const auto child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0)
    {
      bool as_told = false;
      try
      {
        as_told = same(evaluate(*model.model(), step), expected) && !GetParam().several_devices;
      }
      catch (const FatalError & error)
      {
        as_told = GetParam().several_devices &&
                  std::string(error.what()).find("load it again") != std::string::npos &&
                  same(evaluate(*load(GetParam()).model(), step), expected);
      }
      ::_exit(as_told ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }
}

} // namespace
} // namespace neml2::aoti
