// SPDX-License-Identifier: MIT
#pragma once

#include "Material.h"
#include "Mesh.h"

#include <filesystem>

/// Files for ParaView: of each rank FOLDER/plate_NNNN_RANK.vtu, and FOLDER/plate_NNNN.pvtu, which names them,
/// with displacements at nodes, and the equivalent plastic strain and the stress (xx yy zz xy yz xz) of each
/// element, means over its volume. Numbers are written as text, for all to read; larger programs would write
/// binary ones.
PetscErrorCode write_vtu(const std::filesystem::path & folder, int number, const Mesh & mesh,
                         const Material & material, Vec u);
