// SPDX-License-Identifier: MIT
// Cost of a compiled model on states that were kept from a run.
//
//     bench_crystal METADATA FOLDER THREADS SECONDS
//
// FOLDER/inputs.txt has a line for each input: its name and its shape, states first, then points. The numbers
// of the k-th are in FOLDER/k.bin, double precision. A sweep calls the model once for each state. Prints a
// line for each operation: its name, then microseconds a call of wall clock and of the processor (all threads
// together), each the median, the lower and the upper quartile over the sweeps, and the number of sweeps.
#include "neml2/aoti/Model.h"
#include "neml2/aoti/exceptions.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace
{

using neml2::aoti::Model;
using neml2::aoti::ValueMap;

std::vector<ValueMap> states(const std::string & folder)
{
  std::vector<ValueMap> found;
  std::ifstream list(folder + "/inputs.txt");
  int file = 0;
  for (std::string line; std::getline(list, line); file++)
  {
    std::istringstream words(line);
    std::string name;
    words >> name;
    std::vector<std::int64_t> shape;
    std::int64_t numbers = 1;
    for (std::int64_t n = 0; words >> n; numbers *= n)
      shape.push_back(n);
    const auto all = at::from_file(folder + "/" + std::to_string(file) + ".bin", false, numbers, at::kDouble);
    const auto parts = all.clone().reshape(shape).unbind(0);
    found.resize(parts.size());
    for (std::size_t k = 0; k < parts.size(); k++)
      found[k][name] = parts[k];
  }
  return found;
}

double processor()
{
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return 1e6 * double(now.tv_sec) + 1e-3 * double(now.tv_nsec);
}

void print_quartiles(std::vector<double> & x)
{
  std::sort(x.begin(), x.end());
  std::printf(" %.4f %.4f %.4f", x[x.size() / 2], x[x.size() / 4], x[3 * x.size() / 4]);
}

void measure(const char * operation, const std::vector<ValueMap> & states, double seconds,
             const std::function<void(const ValueMap &)> & call)
{
  using clock = std::chrono::steady_clock;
  std::vector<double> walls, processors;
  double spent = 0;
  const auto sweep = [&]
  {
    const auto begin = clock::now();
    const double begin_processor = processor();
    for (const auto & state : states)
      call(state);
    processors.push_back((processor() - begin_processor) / double(states.size()));
    const double wall = std::chrono::duration<double, std::micro>(clock::now() - begin).count();
    walls.push_back(wall / double(states.size()));
    spent += wall * 1e-6;
  };
  sweep(); // not counted: memory is touched for the first time
  walls.clear();
  processors.clear();
  for (spent = 0; walls.size() < 3 || (spent < seconds && walls.size() < 10000);)
    sweep();
  std::printf("%s", operation);
  print_quartiles(walls);
  print_quartiles(processors);
  std::printf(" %zu\n", walls.size());
  std::fflush(stdout);
}

} // namespace

int main(int argc, char ** argv)
{
  if (argc != 5)
    return std::fputs("usage: bench_crystal METADATA FOLDER THREADS SECONDS\n", stderr), 2;
  try
  {
    const Model model(argv[1]);
    const auto prepared = states(argv[2]);
    at::set_num_threads(std::atoi(argv[3]));
    const double seconds = std::atof(argv[4]);
    measure("forward", prepared, seconds, [&](const ValueMap & state) { model.forward(state); });
    if (!model.derivative_pairs().empty())
      measure("tangent", prepared, seconds, [&](const ValueMap & state) { model.jacobian(state); });
  }
  catch (const neml2::aoti::Exception & error)
  {
    return std::fprintf(stderr, "%s\n", error.what()), 1;
  }
  return 0;
}
