# The component `compiled`: the templates of the headers instantiated once for the usual types, in a
# library, static or shared as BUILD_SHARED_LIBS says. A program that links it compiles faster; what
# it does is the same.
#
# A target is header-only or compiled. lazygumbel::lazygumbel and lazygumbel::compiled say which in
# the interface property LAZYGUMBEL_HEADER_ONLY_OR_COMPILED, so CMake refuses a program that links
# both. What CMake cannot see, core/config.hpp and core/detail/compiled_abi.hpp check with the
# definitions below.

# Sets `result` to EIGEN_MAX_ALIGN_BYTES as the library's sources will see it.
function(lazygumbel_find_alignment result)
  get_directory_property(options COMPILE_OPTIONS)
  get_directory_property(definitions COMPILE_DEFINITIONS)
  list(FILTER definitions INCLUDE REGEX "^EIGEN_")
  list(TRANSFORM definitions PREPEND "-D")
  list(APPEND options ${definitions})
  string(REGEX REPLACE "\\$<\\$<COMPILE_LANGUAGE:CXX>:([^>]*)>" "\\1" options "${options}")
  list(FILTER options EXCLUDE REGEX "\\$<")
  if(TARGET lazygumbel_dev AND LAZYGUMBEL_NATIVE)
    list(APPEND options -march=native)
  endif()
  if(NOT MSVC)
    list(APPEND options -w)  # -Werror is not meant for Eigen
  endif()
  get_target_property(includes Eigen3::Eigen INTERFACE_INCLUDE_DIRECTORIES)
  string(REGEX REPLACE "\\$<BUILD_INTERFACE:([^>]*)>" "\\1" includes "${includes}")
  list(FILTER includes EXCLUDE REGEX "\\$<")
  set(configuration "${CMAKE_BUILD_TYPE}")
  if(NOT configuration AND CMAKE_CONFIGURATION_TYPES)
    list(GET CMAKE_CONFIGURATION_TYPES 0 configuration)
  endif()
  string(TOUPPER "${configuration}" upper)

  set(asked "${CMAKE_CXX_COMPILER} ${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${upper}} ${options} ${includes}")
  if(NOT asked STREQUAL LAZYGUMBEL_ALIGNMENT_ASKED)
    set(source "${PROJECT_BINARY_DIR}/alignment.cpp")
    set(CMAKE_TRY_COMPILE_CONFIGURATION "${configuration}")
    set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
    foreach(bytes 16 32 64 0 128 256)
      file(WRITE "${source}" "#include <Eigen/Core>\nstatic_assert(EIGEN_MAX_ALIGN_BYTES == ${bytes}, \"\");\n")
      try_compile(found "${PROJECT_BINARY_DIR}/alignment" SOURCES "${source}"
        CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${includes}" COMPILE_DEFINITIONS ${options}
        CXX_STANDARD 20)
      if(found)
        set(alignment ${bytes})
        break()
      endif()
    endforeach()
    if(NOT found)
      message(FATAL_ERROR "lazygumbel: a file that includes Eigen/Core does not compile, see"
        " ${CMAKE_BINARY_DIR}/CMakeFiles/CMakeError.log")
    endif()
    set(LAZYGUMBEL_ALIGNMENT ${alignment} CACHE INTERNAL "EIGEN_MAX_ALIGN_BYTES of the compiled library")
    set(LAZYGUMBEL_ALIGNMENT_ASKED "${asked}" CACHE INTERNAL "Compiler and flags that it is for")
  endif()
  set(${result} ${LAZYGUMBEL_ALIGNMENT} PARENT_SCOPE)
endfunction()

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)  # nobody wants it without -O
  message(STATUS "lazygumbel: CMAKE_BUILD_TYPE is Release, since nothing else was said")
endif()

lazygumbel_find_alignment(alignment)
math(EXPR version_number
  "10000 * ${PROJECT_VERSION_MAJOR} + 100 * ${PROJECT_VERSION_MINOR} + ${PROJECT_VERSION_PATCH}")
set(audit 0)
if(TARGET lazygumbel_dev AND LAZYGUMBEL_AUDIT)
  set(audit 1)
endif()
set(LAZYGUMBEL_COMPILED_DEFINITIONS LAZYGUMBEL_COMPILED=${version_number}
  LAZYGUMBEL_COMPILED_ALIGN=${alignment} LAZYGUMBEL_COMPILED_AUDIT=${audit})

file(GLOB compiled_sources CONFIGURE_DEPENDS
  RELATIVE "${PROJECT_SOURCE_DIR}/cmake/compiled" "${PROJECT_SOURCE_DIR}/cmake/compiled/*.cpp")
list(FILTER compiled_sources INCLUDE REGEX "${LAZYGUMBEL_COMPILED_SOURCES}")
list(TRANSFORM compiled_sources PREPEND "${PROJECT_SOURCE_DIR}/cmake/compiled/")
add_library(lazygumbel_compiled ${compiled_sources})
add_library(lazygumbel::compiled ALIAS lazygumbel_compiled)
target_link_libraries(lazygumbel_compiled PUBLIC lazygumbel_headers)
target_compile_definitions(lazygumbel_compiled PUBLIC ${LAZYGUMBEL_COMPILED_DEFINITIONS})
if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")  # behind what the parent's folders say
  target_compile_options(lazygumbel_compiled PRIVATE -fvisibility=default)
endif()
if(TARGET lazygumbel_dev)  # the flags of the tests that link it; not exported
  target_link_libraries(lazygumbel_compiled PRIVATE "$<BUILD_INTERFACE:lazygumbel_dev>")
endif()

# Templates keep their private members, which any version may change, in their users' files: hence
# the whole version in the name of the shared library. Its symbols are exported whatever the parent
# project does with its own.
set_target_properties(lazygumbel_compiled PROPERTIES
  EXPORT_NAME compiled
  OUTPUT_NAME lazygumbel
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION}
  POSITION_INDEPENDENT_CODE ON
  CXX_VISIBILITY_PRESET default
  VISIBILITY_INLINES_HIDDEN OFF
  WINDOWS_EXPORT_ALL_SYMBOLS ON
  INTERFACE_LAZYGUMBEL_HEADER_ONLY_OR_COMPILED "compiled"
  COMPATIBLE_INTERFACE_STRING LAZYGUMBEL_HEADER_ONLY_OR_COMPILED)
