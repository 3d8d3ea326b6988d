# cmake --install: the headers, and a package for find_package(lazygumbel 0.1 CONFIG REQUIRED).
# Nothing in it depends on the processor, so it goes to share/.

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_folder "${CMAKE_INSTALL_DATADIR}/cmake/lazygumbel")

# INCLUDES: a user's CMake before 3.23 ignores the header set in the installed target.
if(CMAKE_VERSION VERSION_GREATER_EQUAL 3.23)
  install(TARGETS lazygumbel EXPORT lazygumbelTargets
    INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILE_SET HEADERS)
else()
  install(TARGETS lazygumbel EXPORT lazygumbelTargets
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
  INSTALL_DESTINATION "${package_folder}")
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
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
