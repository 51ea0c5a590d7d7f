// SPDX-License-Identifier: MIT
#pragma once

/// Marks what libneml2.so shows to the programs that link it; everything else is hidden.
#define NEML2_EXPORT __attribute__((visibility("default")))
