# Every option of the build. Without any, the library is configured and installed in seconds, since
# nothing is compiled: tests, programs and the compiled library are built by those who ask for them,
# as the presets and scripts do.

# What else to build beside the headers. BUILD_TESTING=OFF (CTest's own switch) leaves out the tests
# whatever is said here.
option(LAZYGUMBEL_BUILD_TESTS      "Build the tests" OFF)
option(LAZYGUMBEL_BUILD_BENCHMARKS "Build the benchmarks" OFF)
option(LAZYGUMBEL_BUILD_EXAMPLES   "Build the examples and the demo" OFF)
option(LAZYGUMBEL_BUILD_FUZZERS    "With the tests: fuzzers of what reads files (clang)" OFF)
option(LAZYGUMBEL_COMPILED
  "Component compiled (target lazygumbel::compiled): a library of the usual instantiations, static or shared as BUILD_SHARED_LIBS says" OFF)
set(LAZYGUMBEL_COMPILED_SOURCES "." CACHE STRING
  "Which files of cmake/compiled go into it, a regular expression: all, but for tests of the build itself")
mark_as_advanced(LAZYGUMBEL_COMPILED_SOURCES)

# ON in a subproject, too: a parent that exports a library of its own which links lazygumbel can be
# installed only together with lazygumbel. A parent that links lazygumbel in its programs alone may
# switch it off.
option(LAZYGUMBEL_INSTALL "Install the headers, the CMake package and the pkg-config file" ON)

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

# For the project's own tests, benchmarks and examples, and for the compiled library in a build that
# has any of them. None of these reaches a user's target: see cmake/dev_flags.cmake.
option(LAZYGUMBEL_WARNINGS_AS_ERRORS "Fail on a compiler warning" OFF)
option(LAZYGUMBEL_NATIVE             "Compile for this machine's processor (-march=native)" OFF)
option(LAZYGUMBEL_AUDIT
  "Compile the costly self-checks in (a user's program gets them by defining LAZYGUMBEL_AUDIT)" OFF)
set(LAZYGUMBEL_SANITIZE "" CACHE STRING
  "Sanitizers, as -fsanitize takes them: address,undefined or thread")
option(LAZYGUMBEL_UNIT_TESTS
  "With the tests: unit tests, their controls, and each header alone" ON)
option(LAZYGUMBEL_UNITY_TESTS
  "Compile the tests' files ten at a time: a third of the time in all, more for one changed file" ON)
# -O1 of gcc leaves out vzeroupper, without which exp and log are 20 times slower after a kernel of
# AVX registers has run: -fexpensive-optimizations puts it back.
set(LAZYGUMBEL_TEST_FLAGS "" CACHE STRING
  "Further compiler flags of unit tests and tools, such as -O1, which compiles twice as fast")
