// SPDX-License-Identifier: MIT
#pragma once

#include "aoti/ModelImplementation.h"
#include "aoti/packages.h"
#include "neml2/aoti/load_model.h"
#include "neml2/dispatchers/AutoScheduler.h"
#include "neml2/dispatchers/SimpleScheduler.h"
#include "neml2/dispatchers/StaticHybridScheduler.h"

namespace neml2::aoti::test
{

using Schedulers = std::vector<std::shared_ptr<Scheduler>>;

/// One part and many, here and in another memory, one after the other and at the same time.
inline Schedulers schedulers()
{
  return {std::make_shared<SimpleScheduler>("cpu", 1 << 20),
          std::make_shared<SimpleScheduler>("cpu", 7),
          std::make_shared<SimpleScheduler>("cpu", 1),
          std::make_shared<SimpleScheduler>("cpu:0", 50),
          std::make_shared<StaticHybridScheduler>(std::vector<std::string>{"cpu", "cpu:1"},
                                                  std::vector<std::int64_t>{20, 13}),
          std::make_shared<StaticHybridScheduler>(std::vector<std::string>{"cpu:0", "cpu:1", "cpu:2"},
                                                  std::vector<std::int64_t>{16}),
          std::make_shared<AutoScheduler>(std::vector<std::string>{"cpu:0", "cpu"})};
}

using dispatchers::Dispatcher;

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

inline void expect_equal(const ValueMap & actual, const ValueMap & expected)
{
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto & [name, value] : expected)
  {
    EXPECT_EQ(actual.at(name).sizes(), value.sizes()) << name;
    EXPECT_TRUE(at::equal(actual.at(name), value)) << name;
  }
}

inline void expect_equal(const JacobianMap & actual, const JacobianMap & expected)
{
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto & [output, row] : expected)
    expect_equal(actual.at(output), row);
}

inline ValueMap like(const ValueMap & values)
{
  ValueMap made;
  for (const auto & [name, value] : values)
    made[name] = at::full_like(value, NAN, at::MemoryFormat::Contiguous);
  return made;
}

/// One step of viscoplasticity, from rest.
inline ValueMap first_step(const Model & model, at::IntArrayRef batch)
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

/// Tests with each of the schedulers.
class Dispatch : public testing::TestWithParam<std::size_t>
{
protected:
  std::shared_ptr<Scheduler> scheduler() const { return schedulers()[GetParam()]; }
};

} // namespace neml2::aoti::test
