// SPDX-License-Identifier: MIT
/* Sizes of the types of Kernel.h, and where some members lie: sizes.f90 prints the same. */
#include "neml2/native/Kernel.h"

#include <stddef.h>
#include <stdio.h>

#define AT(type, member) (int)offsetof(neml2_native_##type, member)

int main(void)
{
  printf("%d %d %d\n", (int)sizeof(neml2_native_array), AT(array, stride), AT(array, component_offsets));
  printf("%d %d %d\n", (int)sizeof(neml2_native_solver), AT(solver, max_its), AT(solver, update_tol));
  printf("%d %d %d\n", (int)sizeof(neml2_native_call), AT(call, inputs), AT(call, n_derivatives));
  printf("%d %d %d\n", AT(call, residual), AT(call, iterated), AT(call, message));
  printf("%d %d %d\n", (int)sizeof(neml2_native_argument), AT(argument, size), AT(argument, shape));
  printf("%d %d %d\n", (int)sizeof(neml2_native_pair), AT(model, inputs), AT(model, forward));
  return 0;
}
