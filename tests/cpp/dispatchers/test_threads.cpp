// SPDX-License-Identifier: MIT
// Several threads, and processes that were forked off.
#include "dispatchers/dispatched.h"
#include "neml2/aoti/exceptions.h"

#include <sys/wait.h>
#include <thread>

namespace neml2::aoti
{
namespace
{

using namespace test;

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

} // namespace
} // namespace neml2::aoti
