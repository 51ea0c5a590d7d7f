// SPDX-License-Identifier: MIT
// What dispatching a batch costs, and what several devices bring. Arguments: a stub of elasticity, one of an
// implicit model `model`. Prints a table: what, points, parts, microseconds of a call
// (the least of many), of the undispatched call, and their difference per part.
#include "neml2/aoti/load_model.h"
#include "neml2/dispatchers/AutoScheduler.h"
#include "neml2/dispatchers/SimpleScheduler.h"
#include "neml2/dispatchers/StaticHybridScheduler.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>

namespace
{

using namespace neml2;
using Names = std::vector<std::string>;
using Sizes = std::vector<std::int64_t>;

/// Microseconds of two calls, measured in turn: the least of many short rounds, so that what else the machine
/// does disturbs few of them.
std::pair<double, double> measure(const std::function<void()> & one, const std::function<void()> & other)
{
  using clock = std::chrono::steady_clock;
  const auto time = [](const std::function<void()> & call, int calls)
  {
    const auto start = clock::now();
    for (int i = 0; i < calls; i++)
      call();
    return std::chrono::duration<double, std::micro>(clock::now() - start).count() / calls;
  };
  for (int i = 0; i < 20; i++) // also what AutoScheduler learns from
    one(), other();
  const int calls = std::clamp(static_cast<int>(100 / std::max(time(one, 5), time(other, 5))), 1, 1000);
  double least_one = time(one, calls), least_other = time(other, calls);
  for (double spent = 0; spent < 1e6; spent += (least_one + least_other) * calls)
  {
    least_one = std::min(least_one, time(one, calls));
    least_other = std::min(least_other, time(other, calls));
  }
  return {least_one, least_other};
}

aoti::ValueMap inputs_of(const aoti::ModelHandle & model, std::int64_t points)
{
  aoti::ValueMap inputs;
  for (const auto & [name, base] : model.input_base_shapes())
  {
    auto shape = base;
    shape.insert(shape.begin(), points);
    inputs[name] = at::zeros(shape, at::TensorOptions().dtype(model.dtype()));
  }
  inputs.at("strain").uniform_(-1e-2, 1e-2);
  if (inputs.contains("t"))
    inputs.at("t").uniform_(0.1, 1e3);
  return inputs;
}

void compare(const char * stub, const char * name, const char * what, std::shared_ptr<Scheduler> scheduler,
             std::int64_t points, std::int64_t parts)
{
  const auto alone = aoti::load_model(stub, name);
  const auto dispatched = aoti::load_model(stub, name, std::move(scheduler));
  const auto inputs = inputs_of(alone, points), outputs = alone.forward(inputs);
  const auto [time, base] = measure([&] { dispatched.forward_into(inputs, outputs); },
                                    [&] { alone.forward_into(inputs, outputs); });
  std::printf("| %s | %s | %lld | %lld | %.2f | %.2f | %.2f |\n", name, what, static_cast<long long>(points),
              static_cast<long long>(parts), time, base, (time - base) / static_cast<double>(parts));
  std::fflush(stdout);
}

} // namespace

int main(int argc, char ** argv)
{
  if (argc != 3)
    return std::fputs("usage: bench_dispatch ELASTICITY_STUB IMPLICIT_STUB\n", stderr), 2;
  at::set_num_threads(1);
  const auto simple = [](const char * device, std::int64_t size)
  { return std::make_shared<SimpleScheduler>(device, size); };
  std::puts("| model | scheduler | points | parts | us | alone us | more, a part |\n"
            "|---|---|---:|---:|---:|---:|---:|");
  for (const std::int64_t points : {1, 100, 10000})
    compare(argv[1], "elasticity", "Simple(cpu), one part", simple("cpu", points), points, 1);
  compare(argv[1], "elasticity", "Simple(cpu), many parts", simple("cpu", 100), 10000, 100);
  compare(argv[1], "elasticity", "Simple(cpu:0), copies, one part", simple("cpu:0", 10000), 10000, 1);
  compare(argv[1], "elasticity", "Simple(cpu:0), copies, many parts", simple("cpu:0", 100), 10000, 100);
  compare(argv[1], "elasticity", "StaticHybrid(cpu:0 cpu:1)",
          std::make_shared<StaticHybridScheduler>(Names{"cpu:0", "cpu:1"}, Sizes{100}), 10000, 100);
  for (const std::int64_t points : {1000, 10000})
  {
    compare(argv[2], "model", "Simple(cpu), many parts", simple("cpu", points / 10), points, 10);
    compare(argv[2], "model", "StaticHybrid(cpu:0 cpu:1)",
            std::make_shared<StaticHybridScheduler>(Names{"cpu:0", "cpu:1"}, Sizes{points / 10}), points, 10);
    compare(argv[2], "model", "Auto(cpu:0 cpu:1)", std::make_shared<AutoScheduler>(Names{"cpu:0", "cpu:1"}),
            points, 2);
  }
}
