# Finds GLPK, which has no CMake package of its own. Defines glpk::glpk. For the examples only.

if(TARGET glpk::glpk)
  set(glpk_FOUND TRUE)
  return()
endif()

find_path(glpk_INCLUDE_DIR glpk.h)
find_library(glpk_LIBRARY glpk)
mark_as_advanced(glpk_INCLUDE_DIR glpk_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(glpk REQUIRED_VARS glpk_LIBRARY glpk_INCLUDE_DIR)
if(glpk_FOUND)
  add_library(glpk::glpk UNKNOWN IMPORTED)
  set_target_properties(glpk::glpk PROPERTIES
    IMPORTED_LOCATION "${glpk_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${glpk_INCLUDE_DIR}")
endif()
