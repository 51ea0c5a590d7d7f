// SPDX-License-Identifier: MIT
// Cost of implicit updates from C++, along a strain ramp of 100 steps, beside a memcpy of the same bytes.
//
//     bench_implicit METADATA THREADS [SECONDS [BATCH...]]      THREADS 0: as many as it gets by itself
//
// `strain` grows linearly to (0.1, -0.05, -0.05, 0, 0, 0), `t` to end times spread evenly in the logarithm
// over the batch between the two exponents below; every input `x~1` is the x of the step before, `x~2` that
// of two before. One update is one step of one point. Prints a line per measurement: operation, points,
// threads, then microseconds per step of the whole batch: least, median and largest over the repeats, the
// least processor time (all threads together, for machines that do other things too), and the number of
// repeats.
#include "neml2/aoti/Model.h"
#include "neml2/aoti/exceptions.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace
{

constexpr int steps = 100;
constexpr double first_exponent = -1, last_exponent = 5;

using neml2::aoti::JacobianMap;
using neml2::aoti::Model;
using neml2::aoti::ValueMap;

/// Inputs of all steps; what a step leaves to the next is filled in by run().
class Ramp
{
public:
  Ramp(const Model & model, std::int64_t points) : _model(model)
  {
    const auto options = at::TensorOptions().dtype(model.dtype());
    const auto end = points > 1 ? at::logspace(first_exponent, last_exponent, points, 10.0, options)
                                : at::full({1}, 1e5, options);
    const auto full = at::tensor({0.1, -0.05, -0.05, 0.0, 0.0, 0.0}, options).expand({points, 6});
    for (int step = 0; step <= steps; step++)
    {
      _strain.push_back(at::mul(full, double(step) / steps).contiguous());
      _time.push_back(at::mul(end, double(step) / steps).contiguous());
    }
    for (const auto & [name, base] : model.input_base_shapes())
    {
      auto shape = base;
      shape.insert(shape.begin(), points);
      _zero[name] = at::zeros(shape, options);
    }
  }

  /// Walks the ramp once.
  void run(bool tangent)
  {
    ValueMap inputs = _zero, last;
    _now.clear();
    _before.clear();
    for (int step = 1; step <= steps; step++)
    {
      for (auto & [name, value] : inputs)
        value = input(name, step, last, inputs);
      if (tangent)
      {
        std::tie(_outputs, _blocks) = _model.jacobian(inputs);
        last = _outputs;
      }
      else
        last = _model.forward(inputs);
    }
    _outputs = last;
  }

  /// Bytes that the last step read and wrote.
  std::size_t bytes() const
  {
    std::size_t sum = 0;
    for (const auto & [name, value] : _zero)
      sum += value.nbytes();
    for (const auto & [name, value] : _outputs)
      sum += value.nbytes();
    for (const auto & [output, row] : _blocks)
      for (const auto & [name, block] : row)
        sum += block.nbytes();
    return sum;
  }

private:
  /// Asked for in ascending order of the names: `x~1` comes before `x~2`.
  at::Tensor input(const std::string & name, int step, const ValueMap & last, const ValueMap & inputs)
  {
    if (name == "strain")
      return _strain[static_cast<std::size_t>(step)];
    if (name == "t")
      return _time[static_cast<std::size_t>(step)];
    const auto mark = name.find('~');
    const auto base = name.substr(0, mark);
    const auto back = mark == std::string::npos ? 0 : std::atoi(name.c_str() + mark + 1);
    if (base == "strain")
      return _strain[static_cast<std::size_t>(std::max(step - back, 0))];
    if (base == "t")
      return _time[static_cast<std::size_t>(std::max(step - back, 0))];
    if (back == 1 && last.contains(base))
    {
      _before[base] = std::exchange(_now[base], last.at(base));
      return last.at(base);
    }
    if (back == 2 && _before[base].defined())
      return _before[base];
    return inputs.at(name);
  }

  const Model & _model;
  std::vector<at::Tensor> _strain, _time;
  ValueMap _zero, _outputs, _now, _before;
  JacobianMap _blocks;
};

void measure(const char * operation, std::int64_t points, int threads, double seconds,
             const std::function<void()> & walk)
{
  using clock = std::chrono::steady_clock;
  walk();
  std::vector<double> times;
  double processor = 1e300;
  for (double spent = 0; times.size() < 3 || (spent < seconds * 1e6 && times.size() < 1000);)
  {
    const auto start = clock::now();
    const auto start_processor = std::clock();
    walk();
    processor = std::min(processor, double(std::clock() - start_processor) * 1e6 / CLOCKS_PER_SEC / steps);
    times.push_back(std::chrono::duration<double, std::micro>(clock::now() - start).count() / steps);
    spent += times.back() * steps;
  }
  std::sort(times.begin(), times.end());
  std::printf("%s %lld %d %.3f %.3f %.3f %.3f %zu\n", operation, static_cast<long long>(points), threads,
              times.front(), times[times.size() / 2], times.back(), processor, times.size());
  std::fflush(stdout);
}

} // namespace

int main(int argc, char ** argv)
{
  if (argc < 3)
    return std::fputs("usage: bench_implicit METADATA THREADS [SECONDS [BATCH...]]\n", stderr), 2;
  const Model model(argv[1]);
  const int threads = std::atoi(argv[2]);
  const double seconds = argc > 3 ? std::atof(argv[3]) : 1.0;
  if (threads > 0)
    at::set_num_threads(threads);
  std::vector<std::int64_t> batches;
  for (int i = 4; i < argc; i++)
    batches.push_back(std::atoll(argv[i]));
  if (batches.empty())
    batches = {1, 16, 256, 4096, 16384};
  for (const auto points : batches)
  {
    Ramp ramp(model, points);
    try
    {
      measure("forward", points, threads, seconds, [&] { ramp.run(false); });
      if (!model.derivative_pairs().empty())
        measure("jacobian", points, threads, seconds, [&] { ramp.run(true); });
    }
    catch (const neml2::aoti::Exception & error)
    {
      std::fprintf(stderr, "%lld points: %s\n", static_cast<long long>(points), error.what());
      continue;
    }
    std::vector<char> from(ramp.bytes(), 1), to(ramp.bytes());
    measure("memcpy", points, threads, 0.1,
            [&]
            {
              for (int step = 0; step < steps; step++)
              {
                std::memcpy(to.data(), from.data(), from.size());
                asm volatile("" : : "r"(to.data()) : "memory"); // or the copies would be left out
              }
            });
  }
  return 0;
}
