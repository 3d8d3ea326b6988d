# Finds FAISS (1.6.4 or newer) by its own CMake package, whose target `faiss` links
# OpenMP::OpenMP_CXX without finding it. Defines faiss. Installed with lazygumbel's component faiss.

if(TARGET faiss)
  set(faiss_FOUND TRUE)
  return()
endif()

if(NOT TARGET OpenMP::OpenMP_CXX)
  find_package(OpenMP QUIET COMPONENTS CXX)
endif()
if(TARGET OpenMP::OpenMP_CXX)
  find_package(faiss CONFIG QUIET)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(faiss REQUIRED_VARS faiss_CONFIG OpenMP_CXX_FOUND)
