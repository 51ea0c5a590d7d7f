# SPDX-License-Identifier: MIT
# The libtorch inside the Python package torch, as the imported target neml2::torch.
#
# Torch's own CMake package is not used: on a CUDA build it demands an installed CUDA toolkit, which nothing here needs.

set(NEML2_TORCH_DIR "" CACHE PATH "Folder of the Python package torch (found through Python where empty)")
if(NEML2_TORCH_DIR)
  set(neml2_torch_dir "${NEML2_TORCH_DIR}")
else()
  neml2_ask_python(neml2_torch_dir
                   "import importlib.util as u; print(list(u.find_spec('torch').submodule_search_locations)[0])"
                   "torch was not found: install it (pip install 'torch>=2.11') or set NEML2_TORCH_DIR.")
endif()
file(STRINGS "${neml2_torch_dir}/version.py" neml2_torch_line REGEX "^__version__ = ")
string(REGEX REPLACE "^__version__ = '([^']+)'.*$" "\\1" NEML2_TORCH_VERSION "${neml2_torch_line}")
string(REGEX MATCH "^[0-9]+\\.[0-9]+(\\.[0-9]+)?" neml2_torch_release "${NEML2_TORCH_VERSION}")
if(neml2_torch_release VERSION_LESS 2.11)
  message(FATAL_ERROR "torch ${NEML2_TORCH_VERSION} in ${neml2_torch_dir} is too old: neml2 needs torch 2.11 or newer.")
endif()
message(STATUS "torch ${NEML2_TORCH_VERSION} in ${neml2_torch_dir}")

include("${CMAKE_CURRENT_LIST_DIR}/TorchTarget.cmake")
neml2_add_torch_target("${neml2_torch_dir}")
