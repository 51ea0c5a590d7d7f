// SPDX-License-Identifier: MIT
// A host code that evaluates a native package by itself: plain C, dlopen, no libtorch, no libneml2.
//
//   neml2-compile viscoplasticity.i --model model -d stress:strain --backend native
//   cc -I"$(python -c 'import neml2; print(neml2.cmake_prefix_path)')/include" host.c -ldl -o host
//   ./host aoti/model/cpu/model
//
// Stretches a few material points in ten steps, each at a rate of its own, and prints stress and tangent at
// the end.
#include "neml2/native/Kernel.h"
#include "neml2/native/choose.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

enum
{
  POINTS = 5,
  STEPS = 10
};

/* Where a variable of the model is in a list of arguments, -1 where it has none. */
static int place(const neml2_native_argument * arguments, int count, const char * name)
{
  for (int k = 0; k < count; ++k)
    if (!strcmp(arguments[k].name, name))
      return k;
  fprintf(stderr, "the model has no variable '%s'\n", name);
  return -1;
}

/* The model of the best of a package's objects that is there and that this CPU runs: `stem`_avx2.so and the
 * like. */
static const neml2_native_model * load(const char * stem)
{
  void * library = NULL;
  for (int k = 0; neml2_native_isa(k) && !library; ++k)
  {
    char path[1000];
    snprintf(path, sizeof path, "%s_%s.so", stem, neml2_native_isa(k));
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  }
  if (!library)
    return fprintf(stderr, "%s\n", dlerror()), NULL;
  neml2_native_entry entry;
  *(void **)&entry = dlsym(library, NEML2_NATIVE_ENTRY); /* POSIX: a function's address through void * */
  const neml2_native_model * model = entry ? entry(NEML2_NATIVE_ABI) : NULL;
  if (!model)
    fprintf(stderr, "%s is no native package of this version\n", stem);
  return model;
}

int main(int argc, char ** argv)
{
  if (argc != 2)
    return fputs("usage: host FOLDER/MODEL\n", stderr), 2;
  const neml2_native_model * model = load(argv[1]);
  if (!model)
    return 1;

  /* The host's own memory: all of it, and the only one; a call allocates nothing. */
  static double strain[2][POINTS][6], time[2][POINTS], plastic[2][POINTS], stress[2][POINTS][6],
      tangent[POINTS][6][6];
  neml2_native_array inputs[6] = {{0}}, outputs[2] = {{0}}, derivatives[1] = {{tangent, 36, 36, NULL, NULL}};
  const char * const names[] = {"strain", "t", "equivalent_plastic_strain", "stress"};
  const char * const old_names[] = {"strain~1", "t~1", "equivalent_plastic_strain~1", "stress~1"};
  double * const old[] = {strain[0][0], time[0], plastic[0], stress[0][0]};
  double * const now[] = {strain[1][0], time[1], plastic[1], stress[1][0]};
  const int sizes[] = {6, 1, 1, 6};
  if (model->n_inputs != 6 || model->n_outputs != 2 || model->n_pairs != 1 ||
      model->scalar_bytes != sizeof(double))
    return fputs("another model was expected\n", stderr), 1;
  for (int i = 0; i < 4; ++i)
  {
    const neml2_native_array here = {now[i], sizes[i], sizes[i], NULL, NULL};
    const neml2_native_array before = {old[i], sizes[i], sizes[i], NULL, NULL};
    const int output = i >= 2;
    const int k =
        output ? place(model->outputs, model->n_outputs, names[i]) : place(model->inputs, 6, names[i]);
    const int k_old = place(model->inputs, 6, old_names[i]);
    if (k < 0 || k_old < 0)
      return 1;
    (output ? outputs : inputs)[k] = here;
    inputs[k_old] = before;
  }

  neml2_native_call call = {0};
  call.bytes = sizeof(call);
  call.points = call.end = POINTS;
  call.inputs = inputs, call.n_inputs = 6;
  call.outputs = outputs, call.n_outputs = 2;
  call.derivatives = derivatives, call.n_derivatives = 1;
  int32_t status[POINTS], iterations[POINTS];
  call.status = status, call.iterations = iterations;

  for (int step = 1; step <= STEPS; ++step)
  {
    for (int p = 0; p < POINTS; ++p)
    {
      strain[1][p][0] = 0.01 * step / STEPS;
      strain[1][p][1] = strain[1][p][2] = -0.004 * step / STEPS;
      time[1][p] = (p + 1.0) * step;
    }
    if (model->jacobian(&call) != NEML2_NATIVE_OK)
    {
      fprintf(stderr, "step %d: %s\n", step, call.message);
      for (int p = 0; p < POINTS; ++p)
        if (status[p] != NEML2_NATIVE_CONVERGED)
          fprintf(stderr, "  point %d after %d updates\n", p, iterations[p]); /* a host would cut the step */
      return 1;
    }
    for (int i = 0; i < 4; ++i)
      memcpy(old[i], now[i], sizeof(double) * POINTS * sizes[i]);
  }
  for (int p = 0; p < POINTS; ++p)
    printf("%d %d %.15g %.15g %.15g\n", p, iterations[p], stress[1][p][0], plastic[1][p], tangent[p][0][0]);
  return 0;
}
