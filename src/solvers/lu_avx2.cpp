// SPDX-License-Identifier: MIT
#include "lu_table.h"

NEML2_LU_DEFINE_KERNELS(avx2)
