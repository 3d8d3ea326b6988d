# cmake --install: the headers, and a package for find_package(lazygumbel 0.1 CONFIG REQUIRED) and
# for pkg-config. Nothing in it depends on the processor, so it goes to share/; the component
# `compiled` does depend on it and goes to the library folder.

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_folder "${CMAKE_INSTALL_DATADIR}/cmake/lazygumbel")
set(compiled_package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/lazygumbel")

# An exported target may link only what is imported or exported. CMake's own complaint comes later and
# does not know of the option.
foreach(target IN LISTS LAZYGUMBEL_LINKS)
  get_target_property(imported ${target} IMPORTED)
  if(NOT imported)
    message(STATUS "lazygumbel: ${target} is built by this project. If CMake finds it in no export set,"
      " put it into one, or set LAZYGUMBEL_INSTALL=OFF where only programs link lazygumbel")
  endif()
endforeach()

# INCLUDES: a user's CMake before 3.23 ignores the header set in the installed target.
if(CMAKE_VERSION VERSION_GREATER_EQUAL 3.23)
  install(TARGETS lazygumbel lazygumbel_headers EXPORT lazygumbelTargets
    INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILE_SET HEADERS)
else()
  install(TARGETS lazygumbel lazygumbel_headers EXPORT lazygumbelTargets
    INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/lazygumbel"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.hpp")
endif()
install(EXPORT lazygumbelTargets NAMESPACE lazygumbel:: DESTINATION "${package_folder}")

# A component has an export set of its own: who does not ask for it needs none of its dependencies.
# lazygumbelConfig.cmake learns from component_dependencies what each needs.
set(component_dependencies "")
foreach(component IN LISTS LAZYGUMBEL_COMPONENTS)
  set(package ${LAZYGUMBEL_PACKAGE_OF_${component}})
  string(APPEND component_dependencies
    "set(lazygumbel_package_of_${component} ${package})\n"
    "set(lazygumbel_target_of_${component} ${LAZYGUMBEL_TARGET_OF_${component}})\n")
  set(targets lazygumbel_${component}Targets)
  install(TARGETS lazygumbel_${component} EXPORT ${targets})
  install(EXPORT ${targets} NAMESPACE lazygumbel:: DESTINATION "${package_folder}")
  install(FILES cmake/Find${package}.cmake DESTINATION "${package_folder}")
endforeach()

set(find_openmp "")
if("OpenMP::OpenMP_CXX" IN_LIST LAZYGUMBEL_LINKS)
  set(find_openmp "find_dependency(OpenMP COMPONENTS CXX)")
endif()
configure_package_config_file(
  cmake/lazygumbelConfig.cmake.in "${PROJECT_BINARY_DIR}/lazygumbelConfig.cmake"
  INSTALL_DESTINATION "${package_folder}" PATH_VARS compiled_package_folder)
configure_file(
  cmake/lazygumbelDependencies.cmake.in "${PROJECT_BINARY_DIR}/lazygumbelDependencies.cmake" @ONLY)

# While the major version is 0, a minor version may break its users: 0.1.x answers 0.1 only.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/lazygumbelConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)

install(FILES
  "${PROJECT_BINARY_DIR}/lazygumbelConfig.cmake"
  "${PROJECT_BINARY_DIR}/lazygumbelConfigVersion.cmake"
  "${PROJECT_BINARY_DIR}/lazygumbelDependencies.cmake"
  cmake/Findhnswlib.cmake
  cmake/FindRandom123.cmake
  DESTINATION "${package_folder}")
# Not CMAKE_INSTALL_DOCDIR, which is the parent project's in a subproject.
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DATAROOTDIR}/doc/lazygumbel")

# For pkg-config. `prefix` is found from where the file lies, so the tree may be moved.
#
# lazygumbel_install_pkgconfig(name folder)
function(lazygumbel_install_pkgconfig name folder)
  foreach(dir INCLUDEDIR LIBDIR)
    set(${dir} "${CMAKE_INSTALL_${dir}}")
    if(NOT IS_ABSOLUTE "${${dir}}")
      string(PREPEND ${dir} "\${prefix}/")
    endif()
  endforeach()
  if(IS_ABSOLUTE "${folder}")
    set(prefix "${CMAKE_INSTALL_PREFIX}")
  else()
    file(RELATIVE_PATH up "/prefix/${folder}" "/prefix")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(prefix "\${pcfiledir}/${up}")
  endif()
  configure_file(cmake/pkgconfig/${name}.pc.in "${PROJECT_BINARY_DIR}/${name}.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/${name}.pc" DESTINATION "${folder}")
endfunction()

# What pkg-config knows no package of is given as flags: hnswlib and Random123 where they do not lie
# among the system's headers (a download of this build's is no place to point to), threads, OpenMP.
set(pkgconfig_flags "")
foreach(target hnswlib::hnswlib Random123::Random123)
  get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
  foreach(folder IN LISTS folders)
    cmake_path(IS_PREFIX CMAKE_BINARY_DIR "${folder}" downloaded)
    if(IS_ABSOLUTE "${folder}" AND NOT downloaded
       AND NOT folder IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
      string(APPEND pkgconfig_flags " -I${folder}")
    endif()
  endforeach()
endforeach()
set(pkgconfig_threads "")
if(CMAKE_THREAD_LIBS_INIT OR NOT WIN32)
  string(APPEND pkgconfig_threads " -pthread")
endif()
if("OpenMP::OpenMP_CXX" IN_LIST LAZYGUMBEL_LINKS)
  if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
    string(APPEND pkgconfig_threads " -fopenmp")  # both understand it; CMake writes clang's dialect
  else()
    string(APPEND pkgconfig_threads " ${OpenMP_CXX_FLAGS}")
  endif()
endif()
lazygumbel_install_pkgconfig(lazygumbel "${CMAKE_INSTALL_DATADIR}/pkgconfig")

if(TARGET lazygumbel_compiled)
  install(TARGETS lazygumbel_compiled EXPORT lazygumbel_compiledTargets
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  install(EXPORT lazygumbel_compiledTargets NAMESPACE lazygumbel::
    DESTINATION "${compiled_package_folder}")
  # lazygumbelConfig.cmake asks this file whether the library is for the user's processor.
  write_basic_package_version_file("${PROJECT_BINARY_DIR}/lazygumbel_compiledVersion.cmake"
    COMPATIBILITY ExactVersion)
  install(FILES "${PROJECT_BINARY_DIR}/lazygumbel_compiledVersion.cmake"
    DESTINATION "${compiled_package_folder}")

  list(TRANSFORM LAZYGUMBEL_COMPILED_DEFINITIONS PREPEND "-D" OUTPUT_VARIABLE definitions)
  list(JOIN definitions " " pkgconfig_definitions)
  lazygumbel_install_pkgconfig(lazygumbel-compiled "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endif()
