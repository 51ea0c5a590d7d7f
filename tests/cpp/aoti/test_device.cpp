// SPDX-License-Identifier: MIT
// The engine for other devices than CPUs, on CPU tensors: it says what the CPU engine says. All other tests
// of this folder run once more with it.
#include "engines/device/DeviceEngine.h"
#include "neml2/csrc/aoti/Model.h"
#include "packages.h"

namespace neml2::aoti
{
namespace
{

using test::expect_close;
using test::float64;
using test::package;

/// Sets an environment variable and puts it back.
class Environment
{
public:
  Environment(const char * name, const char * value) : _name(name)
  {
    if (const char * old = std::getenv(name))
      _old = old;
    ::setenv(name, value, 1);
  }
  ~Environment() { _old ? ::setenv(_name, _old->c_str(), 1) : ::unsetenv(_name); }
  Environment(const Environment &) = delete;
  Environment & operator=(const Environment &) = delete;

private:
  const char * _name;
  std::optional<std::string> _old;
};

/// Memory for one block of points only, so that every batch is cut.
class SmallChunks
{
public:
  SmallChunks() { DeviceEngine::chunk_bytes = 1; }
  ~SmallChunks() { DeviceEngine::chunk_bytes = _usual; }
  SmallChunks(const SmallChunks &) = delete;
  SmallChunks & operator=(const SmallChunks &) = delete;

private:
  std::int64_t _usual = DeviceEngine::chunk_bytes;
};

/// A package in either engine.
struct Both
{
  explicit Both(const std::string & name, const std::string & model = "elasticity")
      : cpu(load(package(name, model), "cpu")), device(load(package(name, model), "device"))
  {
  }

  static std::unique_ptr<Model> load(const std::filesystem::path & metadata, const char * engine)
  {
    const Environment chosen("NEML2_ENGINE", engine);
    return std::make_unique<Model>(metadata);
  }

  std::unique_ptr<Model> cpu, device;
};

void expect_close_maps(const ValueMap & actual, const ValueMap & expected, double tolerance)
{
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto & [name, value] : expected)
    expect_close(actual.at(name), value, tolerance);
}

/// Values, blocks and products of the two engines.
void expect_agreement(const Both & both, const ValueMap & inputs, const ValueMap & tangents, double tolerance)
{
  expect_close_maps(both.device->forward(inputs), both.cpu->forward(inputs), tolerance);
  const auto [values, blocks] = both.device->jacobian(inputs);
  const auto [expected_values, expected_blocks] = both.cpu->jacobian(inputs);
  expect_close_maps(values, expected_values, tolerance);
  for (const auto & [output, row] : expected_blocks)
    expect_close_maps(blocks.at(output), row, tolerance);
  expect_close_maps(both.device->jvp(inputs, tangents).second, both.cpu->jvp(inputs, tangents).second,
                    tolerance);
}

/// One step of viscoplasticity, from rest.
ValueMap first_step(const Model & model, std::int64_t points)
{
  at::manual_seed(3);
  ValueMap inputs;
  for (const auto & [name, base] : model.input_base_shapes())
  {
    auto shape = base;
    shape.insert(shape.begin(), points);
    inputs[name] = at::zeros(shape, float64());
  }
  inputs.at("strain").normal_(0, 1e-3);
  inputs.at("t").uniform_(0.1, 1e3);
  return inputs;
}

const std::vector<std::int64_t> batches = {0, 1, 16, 17, 1000};

TEST(DeviceEngine, AgreesOnElasticity)
{
  const Both both("promoted");
  for (const auto points : batches)
  {
    const auto strain = at::randn({points, 6}, float64()) * 1e-3;
    expect_agreement(both, {{"strain", strain}}, {{"strain", strain + 1e-3}, {"E", at::ones({}, float64())}},
                     1e-14);
  }
}

TEST(DeviceEngine, TakesParametersWithABatch)
{
  const Both both("promoted");
  const auto strain = at::randn({3, 1, 6}, float64()) * 1e-3, E = at::rand({1, 7}, float64()) + 1e5;
  for (const auto & model : {both.cpu.get(), both.device.get()})
    model->set_parameter("E", E);
  expect_agreement(both, {{"strain", strain}}, {{"E", at::ones({}, float64())}}, 1e-14);
}

TEST(DeviceEngine, BroadcastsAndReadsViews)
{
  const Both both("combination", "combination");
  const auto a = at::randn({5, 1, 6}, float64()), b = at::randn({40, 12}, float64()).slice(1, 0, 12, 2);
  expect_agreement(both, {{"a", a}, {"b", b}}, {{"a", a}, {"b", b}}, 1e-14);
  expect_agreement(both, {{"a", a[0][0]}, {"b", b}}, {{"a", b}}, 1e-14);
}

TEST(DeviceEngine, AgreesInSinglePrecision)
{
  const Both both("single");
  const auto strain = (at::randn({100, 6}) * 1e-3).to(at::kFloat);
  expect_agreement(both, {{"strain", strain}}, {{"strain", strain}}, 1e-6);
}

TEST(DeviceEngine, AgreesOnViscoplasticity)
{
  const Both both("isoharden", "model");
  for (const auto points : batches)
  {
    const auto inputs = first_step(*both.cpu, points);
    expect_agreement(both, inputs, {{"strain", inputs.at("strain")}, {"t", inputs.at("t")}}, 1e-9);
  }
}

TEST(DeviceEngine, CutsBatchesThatDoNotFitTheMemory)
{
  const SmallChunks small;
  const Both both("isoharden", "model");
  const auto inputs = first_step(*both.cpu, 75);
  expect_agreement(both, inputs, {{"strain", inputs.at("strain")}}, 1e-9);
  auto bad = inputs.at("strain").clone();
  for (const auto point : {3, 40, 74})
    bad[point].fill_(std::nan(""));
  auto broken = inputs;
  broken.at("strain") = bad;
  try
  {
    both.device->jacobian(broken);
    ADD_FAILURE() << "no exception";
  }
  catch (const ConvergenceError & error)
  {
    std::vector<std::int64_t> found;
    for (const auto & point : error.points())
      found.push_back(point.index);
    EXPECT_EQ(found, (std::vector<std::int64_t>{3, 40, 74}));
  }
}

TEST(DeviceEngine, WritesIntoTheCallersTensors)
{
  const Both both("promoted");
  const auto strain = at::randn({50, 6}, float64()) * 1e-3;
  const auto wide = at::zeros({50, 20}, float64());
  both.device->forward_into({{"strain", strain}}, {{"stress", wide.narrow(1, 2, 6)}});
  expect_close(wide.narrow(1, 2, 6), both.cpu->forward({{"strain", strain}}).at("stress"), 1e-14);
  EXPECT_EQ(wide.narrow(1, 8, 12).abs().max().item<double>(), 0);
}

} // namespace
} // namespace neml2::aoti
