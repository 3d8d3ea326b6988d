# Finds hnswlib (0.6.2 or newer): its own CMake package where there is one (from 0.7 on), else the
# headers alone (Debian's libhnswlib-dev). Defines hnswlib::hnswlib. Installed with lazygumbel.

if(TARGET hnswlib::hnswlib)
  set(hnswlib_FOUND TRUE)
  return()
endif()

find_package(hnswlib CONFIG QUIET)
if(TARGET hnswlib::hnswlib)
  set(hnswlib_FOUND TRUE)
  return()
endif()

find_path(hnswlib_INCLUDE_DIR hnswlib/hnswlib.h)
mark_as_advanced(hnswlib_INCLUDE_DIR)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(hnswlib REQUIRED_VARS hnswlib_INCLUDE_DIR)
if(hnswlib_FOUND)
  add_library(hnswlib::hnswlib INTERFACE IMPORTED)
  target_include_directories(hnswlib::hnswlib INTERFACE "${hnswlib_INCLUDE_DIR}")
endif()
