# Finds Random123 (headers only, no CMake package of its own). Defines Random123::Random123.
# Installed with lazygumbel.

if(TARGET Random123::Random123)
  set(Random123_FOUND TRUE)
  return()
endif()

find_path(Random123_INCLUDE_DIR Random123/philox.h)
mark_as_advanced(Random123_INCLUDE_DIR)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Random123 REQUIRED_VARS Random123_INCLUDE_DIR)
if(Random123_FOUND)
  add_library(Random123::Random123 INTERFACE IMPORTED)
  target_include_directories(Random123::Random123 INTERFACE "${Random123_INCLUDE_DIR}")
endif()
