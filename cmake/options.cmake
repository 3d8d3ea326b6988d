# Every option of the build. A project that takes lazygumbel in by add_subdirectory or FetchContent
# gets the library target and nothing else; tests, programs and install rules are off there.

# What else to build beside the library.
option(LAZYGUMBEL_BUILD_TESTS      "Build the tests"       ${PROJECT_IS_TOP_LEVEL})
option(LAZYGUMBEL_BUILD_BENCHMARKS "Build the benchmarks"  ${PROJECT_IS_TOP_LEVEL})
option(LAZYGUMBEL_BUILD_EXAMPLES   "Build the examples and the demo" ${PROJECT_IS_TOP_LEVEL})
option(LAZYGUMBEL_INSTALL          "Install the headers and the CMake package" ${PROJECT_IS_TOP_LEVEL})

# What the library depends on.
option(LAZYGUMBEL_OPENMP
  "Use OpenMP where it is found; batches and parallel index builds run on one thread without it" ON)
if(PROJECT_IS_TOP_LEVEL)
  set(component_default AUTO)
else()
  set(component_default OFF)
endif()
set(LAZYGUMBEL_FAISS ${component_default} CACHE STRING
  "Component faiss (target lazygumbel::faiss): ON, OFF, or AUTO, which means when FAISS is found")
set(LAZYGUMBEL_SODIUM ${component_default} CACHE STRING
  "Component secure (target lazygumbel::secure): ON, OFF, or AUTO, which means when libsodium is found")
set_property(CACHE LAZYGUMBEL_FAISS LAZYGUMBEL_SODIUM PROPERTY STRINGS AUTO ON OFF)
option(LAZYGUMBEL_FETCH_DEPENDENCIES
  "Download (pinned to a commit) what find_package does not find of Eigen, hnswlib and Random123" ON)

# For the project's own tests, benchmarks and examples only. None of these reaches a user's target:
# see cmake/dev_flags.cmake.
option(LAZYGUMBEL_WARNINGS_AS_ERRORS "Fail on a compiler warning" OFF)
option(LAZYGUMBEL_NATIVE             "Compile for this machine's processor (-march=native)" OFF)
option(LAZYGUMBEL_AUDIT
  "Compile the costly self-checks in (a user's program gets them by defining LAZYGUMBEL_AUDIT)" OFF)
set(LAZYGUMBEL_SANITIZE "" CACHE STRING
  "Sanitizers, as -fsanitize takes them: address,undefined or thread")
