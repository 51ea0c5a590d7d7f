// SPDX-License-Identifier: MIT
/**
 * Calls a kernel with arguments that are wrong in random ways: every call must return a code, say why, and touch nothing
 * that it was not given. Compiled together with a kernel, under sanitizers, by test_native_boundary.py.
 */
#include "neml2/native/Kernel.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

extern "C" const neml2_native_model * neml2_native_model_v1(int32_t abi);

namespace
{
std::mt19937 random_bits(7);

int pick(int n) { return static_cast<int>(random_bits() % static_cast<unsigned>(n)); }

/// Arrays of a call, on the heap with exactly the room they need.
struct Arrays
{
  std::vector<std::vector<double>> data;
  std::vector<neml2_native_array> entries;

  void add(int64_t size, int64_t points)
  {
    data.emplace_back(static_cast<std::size_t>(size * points), 0.25);
    for (double & x : data.back())
      x += 1e-3 * pick(100);
    entries.push_back({data.back().data(), size, size, nullptr, nullptr});
  }
};

int64_t strange()
{
  static const int64_t values[] = {-1, 0, 1, 7, 1 << 20, std::numeric_limits<int64_t>::max(),
                                   std::numeric_limits<int64_t>::min()};
  return values[pick(7)];
}

/// One thing wrong with a call.
void spoil(neml2_native_call & call, Arrays & in, Arrays & out, Arrays & blocks)
{
  Arrays & some = pick(3) == 0 ? in : pick(2) ? out : blocks;
  switch (pick(15))
  {
  case 0: call.points = -1 - pick(5); break;
  case 1: call.begin = call.points + 1; break;
  case 2: call.end = call.points + 1 + pick(100); break;
  case 3: call.n_inputs = static_cast<int32_t>(strange()); break;
  case 4: call.n_outputs += 1; break;
  case 5: call.inputs = nullptr; break;
  case 6: call.outputs = nullptr; break;
  case 7: in.entries[static_cast<std::size_t>(pick(int(in.entries.size())))].data = nullptr; break;
  case 8: if (!some.entries.empty()) some.entries[0].size += 1 + pick(3); break;
  case 9:
    if (!some.entries.empty())
      some.entries[0].data = reinterpret_cast<char *>(some.entries[0].data) + 1 + pick(7);
    break;
  case 10: out.entries[0].data = in.entries[0].data; break;
  case 11: if (out.entries.size() > 1) out.entries[0].data = out.entries[1].data; break;
  case 12: out.entries[0].stride = pick(2) ? 0 : out.entries[0].size - 1; break;
  case 13: call.batch_axes = 2 + pick(10); break;
  case 14: call.bytes = strange(); break;
  }
}
} // namespace

int main()
{
  const neml2_native_model * model = neml2_native_model_v1(NEML2_NATIVE_ABI);
  if (neml2_native_model_v1(NEML2_NATIVE_ABI + 1) || !model || model->forward(nullptr) != NEML2_NATIVE_BAD_CALL)
    return 1;
  int refused = 0, ran = 0;
  for (int round = 0; round < 20000; ++round)
  {
    const int64_t points = pick(20);
    Arrays in, out, blocks, cotangents;
    const bool back = pick(3) == 0 && model->vjp;
    for (int k = 0; k < model->n_inputs; ++k)
      in.add(model->inputs[k].size, points);
    for (int k = 0; k < model->n_outputs; ++k)
      out.add(model->outputs[k].size, points);
    for (int k = 0; back && k < model->n_outputs; ++k)
      cotangents.add(model->outputs[k].size, points);
    for (int k = 0; back && k < model->n_inputs; ++k)
    {
      blocks.add(model->inputs[k].size, points);
      if (pick(2))
        blocks.entries.back().stride = 0; // the sum
    }
    for (int k = 0; !back && k < model->n_pairs; ++k)
      blocks.add(model->outputs[model->pairs[k].output].size * model->inputs[model->pairs[k].input].size, points);
    neml2_native_call call = {};
    call.bytes = sizeof(call);
    call.points = call.end = points;
    call.inputs = in.entries.data();
    call.outputs = out.entries.data();
    call.derivatives = blocks.entries.data();
    call.n_inputs = model->n_inputs;
    call.n_outputs = model->n_outputs;
    call.n_derivatives = back ? model->n_inputs : model->n_pairs;
    call.tangents = cotangents.entries.data();
    call.n_tangents = back ? model->n_outputs : 0;
    const bool wrong = pick(4) != 0;
    if (wrong)
      spoil(call, in, out, blocks);
    std::memset(call.message, '?', sizeof(call.message));
    const bool tangent = pick(2) && model->jacobian;
    const int code = (back ? model->vjp : tangent ? model->jacobian : model->forward)(&call);
    if (code < 0)
    {
      ++refused;
      if (call.bytes == sizeof(call) && std::strlen(call.message) < 10)
        return std::printf("no message in round %d\n", round), 1;
    }
    else
      ++ran;
    if (!wrong && code < 0)
      return std::printf("a good call was refused: %s\n", call.message), 1;
  }
  std::printf("%d refused, %d ran\n", refused, ran);
  return refused > 5000 && ran > 3000 ? 0 : 1;
}
