// SPDX-License-Identifier: MIT
// Time per system of the batched LU next to at::linalg_solve: one right-hand side, double precision, one
// thread.
#include "neml2/solvers/LUKernels.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

namespace
{
using namespace neml2::solvers;
constexpr int L = lu_lanes;

struct Timing
{
  double median, low, high; // seconds; low and high are the quartiles
};

Timing summarise(std::vector<double> seconds)
{
  std::sort(seconds.begin(), seconds.end());
  const std::size_t n = seconds.size();
  return {seconds[n / 2], seconds[n / 4], seconds[3 * n / 4]};
}

/// Runs the candidates in turn, round after round, so that all of them see the same machine.
std::vector<Timing> compare(const std::vector<std::function<void()>> & candidates, int rounds)
{
  using Clock = std::chrono::steady_clock;
  std::vector<std::vector<double>> seconds(candidates.size());
  for (int round = -2; round < rounds; ++round)
    for (std::size_t c = 0; c < candidates.size(); ++c)
    {
      const auto start = Clock::now();
      candidates[c]();
      if (round >= 0)
        seconds[c].push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
  std::vector<Timing> timings;
  for (auto & s : seconds)
    timings.push_back(summarise(std::move(s)));
  return timings;
}

/// Memory of cache-line alignment.
using Buffer = std::unique_ptr<double[], decltype(&std::free)>;
Buffer allocate(std::int64_t size)
{
  const auto bytes = (static_cast<std::size_t>(size) * sizeof(double) + 63) / 64 * 64;
  return {static_cast<double *>(std::aligned_alloc(64, bytes)), &std::free};
}

/// (B, rows, cols) to blocks (B / L, rows, stride, L).
void pack(const double * from, double * to, std::int64_t rows, std::int64_t cols, std::int64_t stride)
{
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < cols; ++j)
      for (std::int64_t l = 0; l < L; ++l)
        to[(i * stride + j) * L + l] = from[(l * rows + i) * cols + j];
}

void benchmark(int n, bool exchanges)
{
  const std::int64_t batch = std::clamp<std::int64_t>(2'000'000 / (n * n) / L * L, 512, 8192);
  const std::int64_t stride = lu_row_stride<double>(n);
  at::Tensor a = at::rand({batch, n, n}, at::kDouble) * 2 - 1;
  if (!exchanges)
    a = 0.1 * a + at::eye(n, at::kDouble);
  a = a.contiguous();
  const at::Tensor b = at::rand({batch, n, 1}, at::kDouble);
  at::Tensor x;

  const Buffer blocks_a = allocate(batch * n * stride);
  const Buffer blocks_b = allocate(batch * n);
  const Buffer work_a = allocate(n * stride * L);
  const Buffer work_b = allocate(batch * n);
  for (std::int64_t p = 0; p < batch; p += L)
  {
    pack(a.const_data_ptr<double>() + p * n * n, blocks_a.get() + p * n * stride, n, n, stride);
    pack(b.const_data_ptr<double>() + p * n, blocks_b.get() + p * n, n, 1, 1);
  }

  std::vector<std::function<void()>> candidates{[&] { x = at::linalg_solve(a, b); }};
  // From and to the layout of at::linalg_solve.
  candidates.emplace_back(
      [&]
      {
        for (std::int64_t p = 0; p < batch; p += L)
        {
          pack(a.const_data_ptr<double>() + p * n * n, work_a.get(), n, n, stride);
          pack(b.const_data_ptr<double>() + p * n, work_b.get() + p * n, n, 1, 1);
          lu_kernels().f64.factor_solve(work_a.get(), work_b.get() + p * n, n, 1, L,
                                        static_cast<int>(stride));
        }
      });
  // In the layout of the compiled graphs, the matrix copied as the solver does.
  for (const LUKernels * kernels : lu_kernels_supported())
    candidates.emplace_back(
        [&, kernels]
        {
          const std::int64_t size_a = n * stride * L, size_b = static_cast<std::int64_t>(n) * L;
          std::memcpy(work_b.get(), blocks_b.get(), static_cast<std::size_t>(batch * n) * sizeof(double));
          for (std::int64_t k = 0; k < batch / L; ++k)
          {
            std::memcpy(work_a.get(), blocks_a.get() + k * size_a,
                        static_cast<std::size_t>(size_a) * sizeof(double));
            kernels->f64.factor_solve(work_a.get(), work_b.get() + k * size_b, n, 1, L,
                                      static_cast<int>(stride));
          }
        });

  const auto timings = compare(candidates, 15);
  double error = 0.0;
  for (std::int64_t p = 0; p < batch; ++p)
    for (std::int64_t i = 0; i < n; ++i)
      error = std::max(error, std::abs(work_b[static_cast<std::size_t>((p / L * n + i) * L + p % L)] -
                                       x.const_data_ptr<double>()[p * n + i]) /
                                  (1.0 + x[p].abs().max().item<double>()));

  std::printf("%3d %s", n, exchanges ? "random  " : "diagonal");
  for (const Timing & t : timings)
    std::printf("  %8.1f [%8.1f %8.1f]", t.median / static_cast<double>(batch) * 1e9,
                t.low / static_cast<double>(batch) * 1e9, t.high / static_cast<double>(batch) * 1e9);
  std::printf("   %5.1fx %5.1fx   %.0e\n", timings[0].median / timings[2].median,
              timings[0].median / timings[1].median, error);
}
} // namespace

int main()
{
  at::set_num_threads(1);
  at::manual_seed(1);
  std::printf("nanoseconds per system, median [quartiles] of 15 rounds; speed-up in block layout and with "
              "conversion\n");
  std::printf("  n matrix    at::linalg_solve               ours + conversion            ");
  for (const LUKernels * kernels : lu_kernels_supported())
    std::printf("  %-28s", kernels->isa);
  std::printf("  speed-up         difference\n");
  for (const bool exchanges : {false, true})
    for (const int n : {6, 7, 8, 12, 16, 19, 24, 32, 43})
      benchmark(n, exchanges);
}
