# lazygumbel_dev: what the project's own tests, benchmarks and examples compile with, and beside them
# the compiled library, which has to be compiled like the tests that link it. They link it PRIVATE and
# it is never exported, so none of these flags reaches a user. It links the headers, not
# lazygumbel::lazygumbel, so that a test may link lazygumbel::compiled.

add_library(lazygumbel_dev INTERFACE)
target_link_libraries(lazygumbel_dev INTERFACE lazygumbel::headers)

if(MSVC)
  target_compile_options(lazygumbel_dev INTERFACE /W4 $<$<BOOL:${LAZYGUMBEL_WARNINGS_AS_ERRORS}>:/WX>)
else()
  # Left out: sign conversions, which clang counts to -Wconversion and gcc does not, and
  # {.only = some} of an options struct, which gcc takes for a forgotten member.
  target_compile_options(lazygumbel_dev INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion
    -Wno-sign-conversion -Wno-missing-field-initializers
    -Wnon-virtual-dtor -Woverloaded-virtual
    $<$<BOOL:${LAZYGUMBEL_WARNINGS_AS_ERRORS}>:-Werror>
    $<$<BOOL:${LAZYGUMBEL_NATIVE}>:-march=native>
    # gcc 12 sees std::string + literal write beyond its buffer (PR 105329, 105651).
    $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-array-bounds>
    $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>
    # gcc 12 takes the undefined operands inside its own AVX-512 headers for a mistake (PR 105593).
    $<$<AND:$<BOOL:${LAZYGUMBEL_NATIVE}>,$<CXX_COMPILER_ID:GNU>>:-Wno-maybe-uninitialized>
    $<$<CXX_COMPILER_ID:GNU>:-fconcepts-diagnostics-depth=3>)
endif()

if(LAZYGUMBEL_AUDIT)
  target_compile_definitions(lazygumbel_dev INTERFACE LAZYGUMBEL_AUDIT)
endif()

if(LAZYGUMBEL_SANITIZE)
  target_compile_options(lazygumbel_dev INTERFACE
    -fsanitize=${LAZYGUMBEL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(lazygumbel_dev INTERFACE -fsanitize=${LAZYGUMBEL_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(lazygumbel_dev INTERFACE
      "-fsanitize-ignorelist=${PROJECT_SOURCE_DIR}/cmake/sanitize_ignore.txt"
      -Wno-pass-failed)  # checks keep it from unrolling loops that ask for it
  endif()
endif()

# Where data that is not part of the project may lie beside the checkout; the environment variable
# LAZYGUMBEL_DATA comes first, and whoever needs the data says so and skips where there is none.
target_compile_definitions(lazygumbel_dev INTERFACE
  LAZYGUMBEL_SHARED_DATA_HINT="${PROJECT_SOURCE_DIR}/../shared/data")
