include(CMakeFindDependencyMacro)
find_dependency(lazygumbel 0.1 CONFIG)
include("${CMAKE_CURRENT_LIST_DIR}/parentTargets.cmake")
