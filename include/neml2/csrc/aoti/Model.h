// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/aoti/Model.h"      // IWYU pragma: export
#include "neml2/aoti/exceptions.h" // IWYU pragma: export
