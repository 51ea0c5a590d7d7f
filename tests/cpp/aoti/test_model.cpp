// SPDX-License-Identifier: MIT
// What a compiled model returns: physics, derivatives, batch shapes, parameters, outputs of the caller.
#include "neml2/csrc/aoti/Model.h"
#include "neml2/csrc/dispatchers/factory.h"
#include "packages.h"

#include <ATen/Parallel.h>
#include <atomic>
#include <thread>

namespace neml2::aoti
{
namespace
{

using test::expect_close;
using test::expect_error;
using test::float64;
using test::hooke;
using test::package;
using test::stub;

at::Tensor random_strain(at::IntArrayRef batch)
{
  auto shape = batch.vec();
  shape.push_back(6);
  return at::randn(shape, float64()) * 1e-3;
}

const std::vector<std::vector<std::int64_t>> batches = {{},   {0},  {1},  {2},    {2, 3},    {1, 4},
                                                        {15}, {16}, {17}, {1000}, {3, 0, 2}, {70001}};

TEST(LoadModel, ReadsAsDocumented)
{
  const auto strain_tensor = random_strain({5});
  auto model = neml2::aoti::load_model(stub("promoted"), "elasticity");
  auto outputs = model.forward({{"strain", strain_tensor}});
  expect_close(outputs.at("stress"), hooke(strain_tensor));

  auto [outs, J] = model.jacobian({{"strain", strain_tensor}});
  expect_close(outs.at("stress"), hooke(strain_tensor));
  EXPECT_EQ(J["stress"]["strain"].sizes(), at::IntArrayRef({6, 6}));

  model.named_parameters().at("E").fill_(210000.0);
  expect_close(model.forward({{"strain", strain_tensor}}).at("stress"), hooke(strain_tensor, 210e3));
}

TEST(Model, DescribesItself)
{
  const neml2::aoti::Model model(package("promoted"));
  EXPECT_EQ(model.name(), "elasticity");
  EXPECT_EQ(model.input_names(), std::vector<std::string>{"strain"});
  EXPECT_EQ(model.output_names(), std::vector<std::string>{"stress"});
  EXPECT_EQ(model.input_base_shapes().at("strain"), std::vector<std::int64_t>{6});
  EXPECT_EQ(model.output_base_shapes().at("stress"), std::vector<std::int64_t>{6});
  EXPECT_EQ(model.dtype(), at::kDouble);
  EXPECT_EQ(model.device(), at::kCPU);
  EXPECT_EQ(model.named_parameters().size(), 2u);
  EXPECT_EQ(model.derivative_pairs().size(), 2u);
  EXPECT_TRUE(Model(package("baked")).named_parameters().empty());
}

TEST(Model, IsNeitherCopiedNorMoved)
{
  EXPECT_FALSE(std::is_copy_constructible_v<Model>);
  EXPECT_FALSE(std::is_move_constructible_v<Model>);
  EXPECT_TRUE(std::is_copy_constructible_v<ModelHandle>);
}

class Batches : public testing::TestWithParam<std::vector<std::int64_t>>
{
};

INSTANTIATE_TEST_SUITE_P(Shapes, Batches, testing::ValuesIn(batches));

TEST_P(Batches, ForwardIsHookesLaw)
{
  const auto strain = random_strain(GetParam());
  for (const auto * name : {"plain", "baked", "promoted"})
    expect_close(Model(package(name)).forward({{"strain", strain}}).at("stress"), hooke(strain));
}

TEST_P(Batches, JacobianIsTheStiffnessForAnyBatch)
{
  const auto strain = random_strain(GetParam());
  const auto stiffness = hooke(at::eye(6, float64())); // symmetric
  for (const auto * name : {"baked", "promoted"})
  {
    const auto [outputs, J] = Model(package(name)).jacobian({{"strain", strain}});
    expect_close(outputs.at("stress"), hooke(strain));
    expect_close(J.at("stress").at("strain"), stiffness);
  }
}

TEST_P(Batches, DerivativeWithRespectToAParameterHasTheBatchOfWhatItDependsOn)
{
  const auto strain = random_strain(GetParam());
  const auto [outputs, J] = Model(package("promoted")).jacobian({{"strain", strain}});
  expect_close(J.at("stress").at("E"), hooke(strain) / 200e3); // stress is proportional to E
}

TEST_P(Batches, JvpIsTheStressOfTheTangent)
{
  const auto strain = random_strain(GetParam()), tangent = random_strain(GetParam());
  for (const auto * name : {"baked", "promoted"})
  {
    const auto [outputs, products] = Model(package(name)).jvp({{"strain", strain}}, {{"strain", tangent}});
    expect_close(outputs.at("stress"), hooke(strain));
    expect_close(products.at("stress"), hooke(tangent));
  }
}

TEST_P(Batches, IntoIsTheSame)
{
  const auto strain = random_strain(GetParam()), tangent = random_strain(GetParam());
  const Model model(package("promoted"));
  const auto stress = at::full_like(strain, NAN), product = at::full_like(strain, NAN),
             by_E = at::full_like(strain, NAN);
  const auto stiffness = at::full({6, 6}, NAN, float64());
  model.forward_into({{"strain", strain}}, {{"stress", stress}});
  expect_close(stress, hooke(strain));
  stress.fill_(NAN);
  model.jvp_into({{"strain", strain}}, {{"strain", tangent}}, {{"stress", stress}}, {{"stress", product}});
  expect_close(stress, hooke(strain));
  expect_close(product, hooke(tangent));
  model.jacobian_into({{"strain", strain}}, {}, {{"stress", {{"strain", stiffness}, {"E", by_E}}}});
  expect_close(stiffness, hooke(at::eye(6, float64())));
  expect_close(by_E, hooke(strain) / 200e3);
}

TEST(Model, JacobianAgreesWithFiniteDifferences)
{
  const Model model(package("promoted"));
  const auto strain = random_strain({4});
  const auto J = model.jacobian({{"strain", strain}}).second.at("stress").at("strain");
  for (std::int64_t j = 0; j < 6; j++)
  {
    const auto step = at::zeros({6}, float64());
    step[j] = 1e-6;
    const auto ahead = model.forward({{"strain", strain + step}}).at("stress");
    const auto behind = model.forward({{"strain", strain - step}}).at("stress");
    expect_close((ahead - behind) / 2e-6, J.select(1, j).expand({4, 6}), 1e-8);
  }
}

TEST(Model, JvpOfTwoTangentsIsTheirSumAndAMissingOneIsZero)
{
  const Model model(package("promoted"));
  const auto strain = random_strain({7}), tangent = random_strain({7});
  const auto dE = at::scalar_tensor(1e3, float64());
  const auto product = [&](const ValueMap & tangents)
  { return model.jvp({{"strain", strain}}, tangents).second.at("stress"); };
  expect_close(product({{"E", dE}}), hooke(strain) / 200);
  expect_close(product({{"strain", tangent}, {"E", dE}}), hooke(tangent) + hooke(strain) / 200);
  expect_close(product({}), at::zeros({7, 6}, float64()));
}

/// Hooke's law is symmetric: what strain gets is Hooke's law of the cotangent; E is shared, and gets a sum.
TEST_P(Batches, VjpGivesCotangentsOfInputsAndParameters)
{
  const auto strain = random_strain(GetParam()), cotangent = random_strain(GetParam());
  const auto [outputs, found] = Model(package("promoted")).vjp({{"strain", strain}}, {{"stress", cotangent}});
  expect_close(outputs.at("stress"), hooke(strain));
  expect_close(found.at("strain"), hooke(cotangent));
  expect_close(found.at("E"), (hooke(strain) * cotangent).sum() / 200e3);
}

TEST(Model, InputsBroadcastAgainstEachOther)
{
  const Model model(package("combination", "combination"));
  const auto check = [&](at::IntArrayRef a_batch, at::IntArrayRef b_batch)
  {
    const auto a = random_strain(a_batch), b = random_strain(b_batch);
    const auto [outputs, J] = model.jacobian({{"a", a}, {"b", b}});
    expect_close(outputs.at("to"), 2 * a - 3 * b);
    expect_close(J.at("to").at("a"), 2 * at::eye(6, float64()));
    expect_close(J.at("to").at("b"), -3 * at::eye(6, float64()));
  };
  check({5}, {});
  check({}, {5});
  check({5}, {1});
  check({4, 1}, {3});
  check({4, 1}, {1, 3});
  check({1}, {0});
  check({2, 1, 3}, {5, 1});
}

TEST(Model, ReadsAnyStrides)
{
  const Model model(package("baked"));
  const auto wide = at::randn({20, 13}, float64());
  for (const auto & strain :
       {wide.slice(1, 2, 8), wide.slice(1, 0, 12, 2), wide.slice(0, 0, 20, 3).slice(1, 0, 6),
        wide.slice(1, 0, 6).flip(0), at::randn({6, 9}, float64()).t(),
        at::randn({5, 4, 6}, float64()).transpose(0, 1), at::randn({6}, float64()).expand({33, 6}),
        at::randn({7, 1, 6}, float64()).expand({7, 5, 6}), at::randn({3, 1}, float64()).expand({3, 6})})
    expect_close(model.forward({{"strain", strain}}).at("stress"), hooke(strain));
}

TEST(Model, NeverWritesToItsInputs)
{
  const Model model(package("baked"));
  const auto strain = random_strain({40}), copy = strain.clone();
  (void)model.jacobian({{"strain", strain}});
  EXPECT_TRUE(at::equal(strain, copy));
}

TEST(Into, WritesAnyStridesOfTheCaller)
{
  const Model model(package("baked"));
  const auto strain = random_strain({20});
  const auto wide = at::full({20, 13}, 7., float64()), tall = at::full({6, 20}, 7., float64());
  model.forward_into({{"strain", strain}}, {{"stress", wide.slice(1, 3, 9)}});
  expect_close(wide.slice(1, 3, 9).clone(), hooke(strain));
  EXPECT_TRUE(at::equal(wide.slice(1, 0, 3), at::full({20, 3}, 7., float64())));
  EXPECT_TRUE(at::equal(wide.slice(1, 9, 13), at::full({20, 4}, 7., float64())));
  model.forward_into({{"strain", strain}}, {{"stress", tall.t()}});
  expect_close(tall.t().contiguous(), hooke(strain));
}

TEST(Into, AnOutputMayBeAnInput)
{
  const Model model(package("baked"));
  const auto values = random_strain({1000}), expected = hooke(values);
  model.forward_into({{"strain", values}}, {{"stress", values}});
  expect_close(values, expected);
}

TEST(Into, AConstantBlockCanBeHadForEachPoint)
{
  const auto blocks = at::full({50, 6, 6}, NAN, float64());
  Model(package("promoted"))
      .jacobian_into({{"strain", random_strain({50})}}, {}, {{"stress", {{"strain", blocks}}}});
  expect_close(blocks, hooke(at::eye(6, float64())).expand({50, 6, 6}));
}

TEST(Into, RefusesWhatDoesNotFit)
{
  const Model model(package("promoted"));
  const ValueMap inputs = {{"strain", random_strain({5})}};
  const auto into = [&](const at::Tensor & stress) { model.forward_into(inputs, {{"stress", stress}}); };
  expect_error<FatalError>([&] { into(at::empty({4, 6}, float64())); },
                           {"'stress'", "(4,)", "expected (5,)"});
  expect_error<FatalError>([&] { into(at::empty({5, 5}, float64())); },
                           {"'stress'", "(5, 5)", "(*batch, 6)"});
  expect_error<FatalError>([&] { into(at::empty({5, 6}, at::kFloat)); },
                           {"'stress'", "float32", "expected float64"});
  expect_error<FatalError>([&] { into(at::empty({6}, float64()).expand({5, 6})); }, {"'stress'", "expanded"});
  expect_error<FatalError>([&] { model.forward_into(inputs, {{"stres", at::empty({5, 6}, float64())}}); },
                           {"unknown output 'stres'", "did you mean 'stress'"});
  expect_error<FatalError>(
      [&] { model.jacobian_into(inputs, {}, {{"stress", {{"nu", at::empty({5, 6}, float64())}}}}); },
      {"'stress:nu' was not compiled", "stress:strain"});
  expect_error<FatalError>(
      [&] { model.jacobian_into(inputs, {}, {{"stress", {{"E", at::empty({6}, float64())}}}}); },
      {"'stress:E'", "expected (5,)"});
}

TEST(Parameters, AreMutableInPlace)
{
  const Model model(package("promoted"));
  const auto strain = random_strain({3});
  const auto E = model.named_parameters().at("E"), nu = model.named_parameters().at("nu");
  EXPECT_EQ(E.item<double>(), 200e3);
  E.fill_(100e3);
  nu.mul_(0.5);
  expect_close(model.forward({{"strain", strain}}).at("stress"), hooke(strain, 100e3, 0.15));
}

TEST(Parameters, MayHaveBatchAxesOfTheirOwn)
{
  Model model(package("promoted"));
  const auto strain = random_strain({3}), E = at::tensor({100e3, 300e3}, float64()).reshape({2, 1});
  model.set_parameter("E", E);
  const auto [outputs, J] = model.jacobian({{"strain", strain}});
  ASSERT_EQ(outputs.at("stress").sizes(), at::IntArrayRef({2, 3, 6}));
  expect_close(outputs.at("stress")[1], hooke(strain, 300e3));
  ASSERT_EQ(J.at("stress").at("strain").sizes(), at::IntArrayRef({2, 3, 6, 6}))
      << "it depends on E, which is batched";
  expect_close(J.at("stress").at("strain")[0][2], hooke(at::eye(6, float64()), 100e3));
  E.fill_(50e3); // shared, not copied
  expect_close(model.forward({{"strain", strain}}).at("stress")[0], hooke(strain, 50e3));
  EXPECT_EQ(model.named_parameters().at("E").data_ptr(), E.data_ptr());
}

TEST(Parameters, OfTheWrongKindAreRefusedAndChangeNothing)
{
  Model model(package("promoted"));
  expect_error<FatalError>([&] { model.set_parameter("E", at::tensor(1.f)); },
                           {"'E'", "float32", "expected float64"});
  expect_error<FatalError>([&] { model.set_parameter("e", at::tensor(1.)); },
                           {"unknown parameter 'e'", "'E'", "-p NAME"});
  expect_error<FatalError>([&] { model.set_parameter("E", at::Tensor()); }, {"'E'", "undefined"});
  const auto strain = random_strain({2});
  expect_close(model.forward({{"strain", strain}}).at("stress"), hooke(strain));
  model.set_parameter("E", at::ones({4}, float64()));
  expect_error<FatalError>([&] { (void)model.forward({{"strain", strain}}); },
                           {"do not broadcast", "'E'", "(4,)", "(2,)"});
}

TEST(Single, Float32PackagesComputeInFloat32)
{
  const Model model(package("single"));
  EXPECT_EQ(model.dtype(), at::kFloat);
  for (const auto & batch : batches)
  {
    const auto strain = random_strain(batch).to(at::kFloat);
    const auto [outputs, J] = model.jacobian({{"strain", strain}});
    expect_close(outputs.at("stress"), hooke(strain), 1e-6);
    expect_close(J.at("stress").at("strain"), hooke(at::eye(6, at::kFloat)), 1e-6);
    expect_close(model.jvp({{"strain", strain}}, {{"strain", strain}}).second.at("stress"), hooke(strain),
                 1e-6);
  }
}

TEST(Threads, TheirNumberDoesNotChangeABit)
{
  const Model model(package("promoted"));
  model.named_parameters().at("E").fill_(123456.789);
  const auto strain = random_strain({100003}), tangent = random_strain({100003});
  const auto before = at::get_num_threads();
  std::vector<at::Tensor> first;
  for (const int threads : {1, 2, 3, 4})
  {
    at::set_num_threads(threads);
    const auto [outputs, J] = model.jacobian({{"strain", strain}});
    const auto product = model.jvp({{"strain", strain}}, {{"strain", tangent}}).second.at("stress");
    const std::vector<at::Tensor> now = {outputs.at("stress"), J.at("stress").at("E"), product};
    if (first.empty())
      first = now;
    for (std::size_t i = 0; i < now.size(); i++)
      EXPECT_TRUE(at::equal(now[i], first[i])) << threads << " threads, result " << i;
  }
  at::set_num_threads(before);
}

TEST(Threads, SeveralMayCallOneModel)
{
  const Model model(package("promoted"));
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; t++)
    threads.emplace_back(
        [&, t]
        {
          for (int i = 0; i < 50; i++)
          {
            const auto strain = at::full({t * 40 + i, 6}, 1e-3 * (t + 1), float64());
            const auto [outputs, J] = model.jacobian({{"strain", strain}});
            const auto expected = hooke(strain);
            if (!at::allclose(outputs.at("stress"), expected, 1e-12, 1e-12) ||
                !at::allclose(J.at("stress").at("E"), expected / 200e3, 1e-12, 1e-12))
              wrong++;
          }
        });
  for (auto & thread : threads)
    thread.join();
  EXPECT_EQ(wrong, 0);
}

} // namespace
} // namespace neml2::aoti
