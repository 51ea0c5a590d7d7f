// SPDX-License-Identifier: MIT
/**
 * A native kernel along a strain ramp, through its C boundary: what one update costs, by batch size and
 * threads.
 *
 *     g++ -O2 -fopenmp -Iinclude benchmarks/native/ramp.cpp -ldl -o ramp
 *     ramp model_avx512.so [seconds for each line [batch sizes]]
 *
 * `strain` (or the first SR2 input without a lag) grows linearly to (0.1, -0.05, -0.05) in 100 steps, `t` to
 * an end time spread over the batch from 1e-1 to 1e5 (a batch of one: 1e5); every input `x~1` is the last
 * value of x. One update is one call for one point. The kernel's status arrays are not asked for.
 */
#include "neml2/native/Kernel.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <omp.h>
#include <string>
#include <vector>

namespace
{
constexpr int steps = 100;

/// All arrays of a ramp, one entry for each step.
class Ramp
{
public:
  Ramp(const neml2_native_model & model, int64_t points) : _model(model), _points(points)
  {
    for (int k = 0; k < model.n_inputs; ++k)
      _inputs.emplace_back(model.inputs[k].size * points, 0.0);
    for (int side = 0; side < 2; ++side)
      for (int k = 0; k < model.n_outputs; ++k)
        _outputs[side].emplace_back(model.outputs[k].size * points, 0.0);
    for (int k = 0; k < model.n_pairs; ++k)
      _blocks.emplace_back(model.outputs[model.pairs[k].output].size *
                           model.inputs[model.pairs[k].input].size * points);
    for (int step = 0; step <= steps; ++step)
    {
      _strain.emplace_back(6 * points);
      _time.emplace_back(points);
      for (int64_t p = 0; p < points; ++p)
      {
        const double x = double(step) / steps,
                     end = points > 1 ? -1.0 + 6.0 * double(p) / double(points - 1) : 5.0;
        const double full[] = {0.1, -0.05, -0.05, 0, 0, 0};
        for (int c = 0; c < 6; ++c)
          _strain[step][6 * p + c] = x * full[c];
        _time[step][p] = x * std::pow(10.0, end);
      }
    }
    prepare();
  }

  /// Runs the ramp once; returns the number of points that failed.
  int64_t run(bool tangent, int threads)
  {
    for (auto & side : _outputs)
      for (auto & a : side)
        std::fill(a.begin(), a.end(), 0.0);
    int64_t failed = 0;
    for (int step = 1; step <= steps; ++step)
      failed += update(step, tangent, threads);
    return failed;
  }

private:
  bool lagged(int k) const { return std::strstr(_model.inputs[k].name, "~1") != nullptr; }

  double * input(int k, int step)
  {
    const std::string name = _model.inputs[k].name;
    const bool old = lagged(k);
    const std::string base = old ? name.substr(0, name.size() - 2) : name;
    if (_model.inputs[k].value)
      return nullptr;
    if (base == "t")
      return _time[step - old].data();
    for (int o = 0; o < _model.n_outputs; ++o)
      if (base == _model.outputs[o].name)
        return old ? _outputs[(step - 1) % 2][o].data() : _inputs[k].data();
    if (std::strcmp(_model.inputs[k].type, "SR2") == 0)
      return _strain[step - old].data();
    return _inputs[k].data();
  }

  /// The arrays of all calls, so that a call is all that is measured.
  void prepare()
  {
    for (int step = 0; step <= steps; ++step)
    {
      _in.emplace_back();
      _out.emplace_back();
      for (int k = 0; step > 0 && k < _model.n_inputs; ++k)
        _in[step].push_back({input(k, step), _model.inputs[k].size, _model.inputs[k].size, nullptr, nullptr});
      for (int k = 0; k < _model.n_outputs; ++k)
        _out[step].push_back(
            {_outputs[step % 2][k].data(), _model.outputs[k].size, _model.outputs[k].size, nullptr, nullptr});
    }
    for (auto & block : _blocks)
      _results.push_back(
          {block.data(), int64_t(block.size()) / _points, int64_t(block.size()) / _points, nullptr, nullptr});
  }

  int64_t update(int step, bool tangent, int threads)
  {
    const auto part = [&](int64_t begin, int64_t end)
    {
      neml2_native_call call = {};
      call.bytes = sizeof(call);
      call.points = _points;
      call.begin = begin;
      call.end = end;
      call.flags = NEML2_NATIVE_TRUSTED;
      call.inputs = _in[step].data();
      call.outputs = _out[step].data();
      call.derivatives = _results.data();
      call.n_inputs = _model.n_inputs;
      call.n_outputs = _model.n_outputs;
      call.n_derivatives = _model.n_pairs;
      if ((tangent ? _model.jacobian : _model.forward)(&call) < 0)
      {
        std::fprintf(stderr, "%s\n", call.message);
        std::exit(1);
      }
      return call.failed;
    };
    if (threads == 1)
      return part(0, _points);
    int64_t failed = 0;
#pragma omp parallel num_threads(threads) reduction(+ : failed)
    {
      const int64_t groups = (_points + _model.lanes - 1) / _model.lanes;
      const int64_t t = omp_get_thread_num();
      failed += part(groups * t / threads * _model.lanes,
                     std::min(groups * (t + 1) / threads * _model.lanes, _points));
    }
    return failed;
  }

  const neml2_native_model & _model;
  int64_t _points;
  std::vector<std::vector<double>> _inputs, _outputs[2], _blocks, _strain, _time;
  std::vector<std::vector<neml2_native_array>> _in, _out; ///< by step
  std::vector<neml2_native_array> _results;
};

double measure(Ramp & ramp, bool tangent, int threads, double seconds, int64_t & failed)
{
  failed = ramp.run(tangent, threads);
  double best = 1e300, total = 0;
  while (total < seconds)
  {
    const auto start = std::chrono::steady_clock::now();
    ramp.run(tangent, threads);
    const double t = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::min(best, t);
    total += t;
  }
  return best / steps;
}
} // namespace

int main(int argc, char ** argv)
{
  if (argc < 2)
    return std::fprintf(stderr, "usage: ramp KERNEL.so [SECONDS [BATCH...]]\n"), 2;
  void * library = dlopen(argv[1], RTLD_NOW);
  if (!library)
    return std::fprintf(stderr, "%s\n", dlerror()), 1;
  const auto entry = reinterpret_cast<neml2_native_entry>(dlsym(library, NEML2_NATIVE_ENTRY));
  const neml2_native_model * model = entry ? entry(NEML2_NATIVE_ABI) : nullptr;
  if (!model || model->scalar_bytes != 8)
    return std::fprintf(stderr, "%s: not a kernel in double precision\n", argv[1]), 1;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 0.3;
  std::printf("%s (%s): us per update of a point, and updates per second\n", model->name, model->isa);
  std::printf("%8s %8s %12s %12s %12s %12s %8s\n", "batch", "threads", "forward us", "per second",
              "tangent us", "per second", "failed");
  std::vector<int64_t> batches;
  for (int i = 3; i < argc; ++i)
    batches.push_back(std::atoll(argv[i]));
  if (batches.empty())
    batches = {1, 2, 4, 8, 16, 64, 256, 1024, 4096, 16384};
  for (const int64_t points : batches)
    for (const int threads : {1, 2})
    {
      if (threads > 1 && points < 64)
        continue;
      Ramp ramp(*model, points);
      int64_t failed = 0;
      const double forward = measure(ramp, false, threads, seconds, failed) / double(points);
      const double tangent =
          model->jacobian ? measure(ramp, true, threads, seconds, failed) / double(points) : 0;
      std::printf("%8lld %8d %12.4f %12.3g %12.4f %12.3g %8lld\n", (long long)points, threads, forward * 1e6,
                  1 / forward, tangent * 1e6, tangent > 0 ? 1 / tangent : 0, (long long)failed);
      std::fflush(stdout);
    }
  return 0;
}
