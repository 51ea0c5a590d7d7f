// SPDX-License-Identifier: MIT
// Cost of a call from C++: microseconds, beside the bare AOT-Inductor runner of the same graph and a memcpy
// of the same bytes. Arguments: the folder of a package of linear elasticity (strain -> stress,
// stress:strain), the number of threads. Prints one line per measurement: operation, points, microseconds.
#include "neml2/aoti/Model.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

namespace
{

/// Microseconds of one call: the best of many rounds, each just long enough to be timed, so that what else
/// the machine does disturbs few of them.
double measure(const std::function<void()> & call)
{
  using clock = std::chrono::steady_clock;
  const auto time = [&](int calls)
  {
    const auto start = clock::now();
    for (int i = 0; i < calls; i++)
      call();
    return std::chrono::duration<double, std::micro>(clock::now() - start).count() / calls;
  };
  constexpr double round_time = 500, total_time = 600e3; // microseconds
  time(3);
  const int calls = std::clamp(static_cast<int>(round_time / std::max(time(10), 0.1)), 1, 5000);
  double best = time(calls);
  for (double spent = 0; spent < total_time; spent += best * calls)
    best = std::min(best, time(calls));
  return best;
}

void report(const char * operation, std::int64_t points, double microseconds)
{
  std::printf("%s %lld %.3f\n", operation, static_cast<long long>(points), microseconds);
}

} // namespace

int main(int argc, char ** argv)
{
  if (argc != 3)
    return std::fputs("usage: bench_overhead FOLDER THREADS\n", stderr), 2;
  at::set_num_threads(std::atoi(argv[2]));
  const std::filesystem::path folder = argv[1];
  const neml2::aoti::Model model(folder / "elasticity_meta.json");
  torch::inductor::AOTIModelPackageLoader bare((folder / "elasticity.pt2").string());
  const auto options = at::TensorOptions().dtype(model.dtype());
  constexpr std::int64_t lanes = 16, state_size = 12;

  for (const std::int64_t points : {1LL, 100LL, 10000LL, 1000000LL})
  {
    const neml2::aoti::ValueMap inputs = {{"strain", at::rand({points, 6}, options)}};
    const neml2::aoti::ValueMap tangents = {{"strain", at::rand({points, 6}, options)}};
    const neml2::aoti::ValueMap outputs = {{"stress", at::empty({points, 6}, options)}};
    const neml2::aoti::ValueMap products = {{"stress", at::empty({points, 6}, options)}};
    const neml2::aoti::JacobianMap blocks = {{"stress", {{"strain", at::empty({6, 6}, options)}}}};
    report("forward", points, measure([&] { (void)model.forward(inputs); }));
    report("forward_into", points, measure([&] { model.forward_into(inputs, outputs); }));
    report("jacobian", points, measure([&] { (void)model.jacobian(inputs); }));
    report("jacobian_into", points, measure([&] { model.jacobian_into(inputs, outputs, blocks); }));
    report("jvp", points, measure([&] { (void)model.jvp(inputs, tangents); }));
    report("jvp_into", points, measure([&] { model.jvp_into(inputs, tangents, outputs, products); }));

    std::vector<at::Tensor> state = {at::rand({(points + lanes - 1) / lanes, state_size, lanes}, options)};
    report("bare", points, measure([&] { (void)bare.run(state); }));
    const auto & from = inputs.at("strain");
    const auto & to = outputs.at("stress");
    report("memcpy", points,
           measure([&] { std::memcpy(to.mutable_data_ptr(), from.const_data_ptr(), from.nbytes()); }));
    report("copy_", points, measure([&] { to.copy_(from); }));
  }
}
