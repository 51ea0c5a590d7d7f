# SPDX-License-Identifier: MIT
# The HIT parser: headers and static library from the Python package nmhit, as neml2_nmhit (private to src/).

set(NEML2_NMHIT_DIR "" CACHE PATH "Folder of the Python package nmhit (found through Python where empty)")
if(NEML2_NMHIT_DIR)
  set(neml2_nmhit_dir "${NEML2_NMHIT_DIR}")
else()
  neml2_ask_python(neml2_nmhit_dir
                   "import importlib.util as u; print(list(u.find_spec('nmhit').submodule_search_locations)[0])"
                   "nmhit was not found: install it (pip install 'nmhit>=0.3.6') or set NEML2_NMHIT_DIR.")
endif()
add_library(neml2_nmhit STATIC IMPORTED)
set_target_properties(neml2_nmhit PROPERTIES
  IMPORTED_LOCATION "${neml2_nmhit_dir}/lib/libnmhit.a"
  INTERFACE_INCLUDE_DIRECTORIES "${neml2_nmhit_dir}/include"
  INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${neml2_nmhit_dir}/include")
