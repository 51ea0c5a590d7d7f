// SPDX-License-Identifier: MIT
// Which tensors may lie on one another, and what calls make of those that do.
#include "call/Memory.h"
#include "neml2/aoti/exceptions.h"
#include "packages.h"

#include <ATen/ops/from_blob.h>
#include <atomic>
#include <chrono>
#include <future>
#include <random>
#include <set>
#include <thread>

namespace neml2::aoti
{
namespace
{

using test::expect_error;
using test::float64;
using test::package;

/// Addresses of all elements.
std::multiset<const double *> places(const at::Tensor & tensor)
{
  std::multiset<const double *> found = {tensor.numel() > 0 ? tensor.const_data_ptr<double>() : nullptr};
  for (std::int64_t axis = 0; axis < tensor.dim(); axis++)
  {
    std::multiset<const double *> more;
    for (const auto * place : found)
      for (std::int64_t i = 0; i < tensor.size(axis); i++)
        more.insert(place + i * tensor.stride(axis));
    found = std::move(more);
  }
  return found;
}

bool overlap(const at::Tensor & a, const at::Tensor & b)
{
  const auto of_b = places(b);
  for (const auto * place : places(a))
    if (of_b.contains(place))
      return true;
  return false;
}

bool may(const at::Tensor & a, const at::Tensor & b)
{
  const bool found = may_overlap(Region(a), Region(b));
  EXPECT_EQ(found, may_overlap(Region(b), Region(a)));
  return found;
}

TEST(Memory, FieldsOfRecordsLieApart)
{
  const auto records = at::empty({40, 5, 20}, float64());
  const auto field = [&](std::int64_t from, std::int64_t to) { return records.slice(2, from, to); };
  EXPECT_FALSE(may(field(0, 6), field(6, 20)));
  EXPECT_FALSE(may(field(14, 20), field(0, 14)));
  EXPECT_FALSE(may(records.slice(2, 0, 20, 2), records.slice(2, 1, 20, 2)));
  EXPECT_FALSE(may(records.slice(1, 0, 2), records.slice(1, 2, 5)));
  EXPECT_FALSE(may(records.slice(0, 0, 40, 2), records.slice(0, 1, 40, 2)));
  EXPECT_FALSE(may(field(0, 6).transpose(0, 1), field(6, 12)));
  EXPECT_FALSE(may(records.slice(1, 0, 2).permute({2, 0, 1}), field(0, 3).slice(1, 2, 5)));
  EXPECT_TRUE(may(field(0, 7), field(6, 20)));
  EXPECT_TRUE(may(field(0, 6), field(0, 6)));
}

TEST(Memory, WhatIsEmptyLiesNowhere)
{
  const auto memory = at::empty({4, 6}, float64());
  EXPECT_FALSE(may(memory.slice(0, 2, 2), memory));
  EXPECT_FALSE(may_overlap_itself(at::empty({0, 6}, float64()).expand({0, 6})));
}

TEST(Memory, AnOverlapIsNeverMissed)
{
  std::mt19937 random(5);
  const auto below = [&](int n) { return static_cast<std::int64_t>(random() % static_cast<unsigned>(n)); };
  const auto memory = at::empty({400}, float64());
  const auto view = [&]
  { return memory.as_strided({1 + below(4), 1 + below(4)}, {below(30), below(10)}, below(250)); };
  int apart = 0, told = 0;
  for (int i = 0; i < 20000; i++)
  {
    const auto a = view(), b = view();
    const bool found = may(a, b);
    if (!overlap(a, b))
    {
      apart++;
      told += !found;
      continue;
    }
    ASSERT_TRUE(found) << a.strides() << a.sizes() << b.strides() << b.sizes();
  }
  EXPECT_GT(told, apart / 2) << "of " << apart;
}

TEST(Memory, AnElementAtTwoPlacesIsNeverMissed)
{
  const auto memory = at::empty({400}, float64());
  for (std::int64_t rows = 0; rows < 12; rows++)
    for (std::int64_t columns = 0; columns < 12; columns++)
    {
      const auto view = memory.as_strided({4, 5}, {rows, columns});
      const auto all = places(view);
      const bool twice = std::set(all.begin(), all.end()).size() < all.size();
      EXPECT_TRUE(!twice || may_overlap_itself(view)) << rows << " " << columns;
    }
  for (const auto & view : {memory.as_strided({4, 5}, {6, 1}), memory.as_strided({4, 5}, {2, 9}),
                            memory.as_strided({4, 1, 5}, {5, 0, 1})})
    EXPECT_FALSE(may_overlap_itself(view)) << view.strides();
}

TEST(Memory, TensorsOfOneBufferAreOneMemory)
{
  const Model model(package("promoted"));
  std::vector<double> buffer(6 * 1010);
  for (std::size_t i = 0; i < buffer.size(); i++)
    buffer[i] = std::sin(double(i));
  const auto strain = at::from_blob(buffer.data() + 6, {1000, 6}, float64());
  const auto stress = at::from_blob(buffer.data() + 15, {1000, 6}, float64());
  const auto expected = test::hooke(strain);
  model.forward_into({{"strain", strain}}, {{"stress", stress}});
  test::expect_close(stress, expected);
  expect_error<FatalError>(
      [&] { model.jvp_into({{"strain", expected}}, {}, {{"stress", strain}}, {{"stress", stress}}); },
      {"output tangent 'stress' and output 'stress' overlap"});
}

TEST(Memory, ThereMustBeSome)
{
  const Model model(package("promoted"));
  const auto nothing = at::from_blob(nullptr, {5, 6}, float64());
  expect_error<FatalError>([&] { (void)model.forward({{"strain", nothing}}); }, {"input 'strain'", "freed"});
  std::vector<char> bytes(6 * 8 + 1);
  auto * odd = bytes.data() + (reinterpret_cast<std::uintptr_t>(bytes.data()) % 8 == 0);
  expect_error<FatalError>([&] { (void)model.forward({{"strain", at::from_blob(odd, {6}, float64())}}); },
                           {"input 'strain'", "multiple of its 8 bytes"});
}

TEST(Memory, MoreThanThereIsIsAnErrorOfOneLine)
{
  const Model model(package("promoted"));
  const auto strain = at::zeros({6}, float64()).expand({std::int64_t(1) << 40, 6});
  const auto one_line = [](const auto & call)
  {
    try
    {
      call();
      ADD_FAILURE() << "no exception";
    }
    catch (const FatalError & error)
    {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("out of memory"), std::string::npos) << error.what();
    }
  };
  one_line([&] { (void)model.forward({{"strain", strain}}); });
  one_line([&] { (void)model.forward_natural({{"strain", strain}}); });
  one_line([&] { (void)model.jacobian({{"strain", strain}}); });
  one_line([&] { (void)model.jvp({{"strain", strain}}, {}); });
}

TEST(Memory, SettingAParameterWaitsForNoCalls)
{
  Model model(package("promoted"));
  const auto strain = at::full({32, 6}, 1e-3, float64());
  const auto unit = test::hooke(strain, 1);
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (int t = 0; t < 8; t++)
    callers.emplace_back(
        [&]
        {
          while (!stop)
          {
            const auto scale = model.forward({{"strain", strain}}).at("stress") / unit;
            wrong += scale.max().item<double>() - scale.min().item<double>() > 1e-6;
          }
        });
  auto setting = std::async(std::launch::async,
                            [&]
                            {
                              for (int i = 1; i <= 500; i++)
                                model.set_parameter("E", at::tensor(100. * i, float64()));
                            });
  EXPECT_EQ(setting.wait_for(std::chrono::minutes(1)), std::future_status::ready);
  stop = true;
  for (auto & caller : callers)
    caller.join();
  setting.get();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(model.named_parameters().at("E").item<double>(), 50e3);
}

} // namespace
} // namespace neml2::aoti
