# Finds what the library's headers include and lists the targets in LAZYGUMBEL_LINKS. Each is taken
# from, in this order: a target that the parent project already has, find_package, a pinned download.
#
# Set FETCHCONTENT_SOURCE_DIR_<NAME> to use a checkout of your own in place of the download.

set(LAZYGUMBEL_LINKS "")
list(PREPEND CMAKE_MODULE_PATH "${CMAKE_CURRENT_LIST_DIR}")  # the Find modules

# Downloads a header-only package and makes `target` of it. SOURCE_SUBDIR names a folder that does
# not exist, so that none of the package's own CMake code (tests, install rules, flags) is run.
function(lazygumbel_fetch package target repository commit include_folder)
  include(FetchContent)
  FetchContent_Declare(${package}
    GIT_REPOSITORY ${repository} GIT_TAG ${commit} SOURCE_SUBDIR only-its-headers)
  FetchContent_MakeAvailable(${package})
  string(TOLOWER ${package} lower)
  add_library(${target} INTERFACE IMPORTED GLOBAL)  # IMPORTED: its headers are system headers
  target_include_directories(${target} INTERFACE "${${lower}_SOURCE_DIR}/${include_folder}")
  message(STATUS "lazygumbel: ${target} from ${${lower}_SOURCE_DIR} (${commit})")
endfunction()

# lazygumbel_require(package target [find_package arguments] FETCH [arguments of lazygumbel_fetch])
function(lazygumbel_require package target)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "FIND;FETCH")
  if(NOT TARGET ${target})
    find_package(${package} ${arg_FIND} QUIET)
    if(TARGET ${target})
      # A found target is visible in this folder only; the parent project links it through us.
      set_target_properties(${target} PROPERTIES IMPORTED_GLOBAL TRUE)
    elseif(LAZYGUMBEL_FETCH_DEPENDENCIES AND arg_FETCH)
      lazygumbel_fetch(${package} ${target} ${arg_FETCH})
    else()
      message(FATAL_ERROR "lazygumbel needs ${package} (${target}), which find_package did not find."
        " Install it, name its place in CMAKE_PREFIX_PATH, or set LAZYGUMBEL_FETCH_DEPENDENCIES=ON.")
    endif()
  endif()
  set(LAZYGUMBEL_LINKS ${LAZYGUMBEL_LINKS} ${target} PARENT_SCOPE)
endfunction()

lazygumbel_require(Eigen3 Eigen3::Eigen
  FIND 3.4 CONFIG
  FETCH https://gitlab.com/libeigen/eigen.git
        3147391d946bb4b6c68edd901f2add6ac1f31f8c .)       # 3.4.0
lazygumbel_require(hnswlib hnswlib::hnswlib
  FETCH https://github.com/nmslib/hnswlib.git
        3f3429661187e4c24a490a0f148fc6bc89042b3d .)       # v0.8.0
lazygumbel_require(Random123 Random123::Random123
  FETCH https://github.com/DEShawResearch/random123.git
        726a093cd9a73f3ec3c8d7a70ff10ed8efec8d13 include) # v1.14.0
lazygumbel_require(Threads Threads::Threads)

if(LAZYGUMBEL_OPENMP AND NOT TARGET OpenMP::OpenMP_CXX)
  find_package(OpenMP QUIET COMPONENTS CXX)
  if(TARGET OpenMP::OpenMP_CXX)
    set_target_properties(OpenMP::OpenMP_CXX PROPERTIES IMPORTED_GLOBAL TRUE)
  else()
    message(STATUS "lazygumbel: OpenMP not found, batches run on one thread")
  endif()
endif()
if(LAZYGUMBEL_OPENMP AND TARGET OpenMP::OpenMP_CXX)
  list(APPEND LAZYGUMBEL_LINKS OpenMP::OpenMP_CXX)
endif()

# Optional components: which to build, in LAZYGUMBEL_COMPONENTS, and the package and the target that
# the component links, in LAZYGUMBEL_PACKAGE_OF_<component> and LAZYGUMBEL_TARGET_OF_<component>.
# cmake/Find<package>.cmake is installed with it.
set(LAZYGUMBEL_COMPONENTS "")

# lazygumbel_component(component option package target what_is_missing)
function(lazygumbel_component component option package target what_is_missing)
  if(NOT ${option} AND NOT ${option} STREQUAL "AUTO")
    return()
  endif()
  if(NOT TARGET ${target})  # the parent's own stays in its folders, of which this is one
    find_package(${package} MODULE QUIET)
    if(TARGET ${target})
      get_target_property(imported ${target} IMPORTED)
      if(imported)
        set_target_properties(${target} PROPERTIES IMPORTED_GLOBAL TRUE)
      endif()
    endif()
  endif()
  if(TARGET ${target})
    set(LAZYGUMBEL_COMPONENTS ${LAZYGUMBEL_COMPONENTS} ${component} PARENT_SCOPE)
    set(LAZYGUMBEL_PACKAGE_OF_${component} ${package} PARENT_SCOPE)
    set(LAZYGUMBEL_TARGET_OF_${component} ${target} PARENT_SCOPE)
  elseif(${option} STREQUAL "AUTO")
    message(STATUS "lazygumbel: ${package} not found, no component ${component}")
  else()
    message(FATAL_ERROR "${option}=ON, but find_package did not find ${what_is_missing}.")
  endif()
endfunction()

lazygumbel_component(faiss LAZYGUMBEL_FAISS faiss faiss "FAISS and OpenMP (Debian: libfaiss-dev)")
lazygumbel_component(secure LAZYGUMBEL_SODIUM sodium sodium::sodium
  "libsodium (Debian: libsodium-dev)")
