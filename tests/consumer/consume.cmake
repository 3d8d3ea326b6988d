# Configures PROJECT in the fresh folder WORK, builds it, and runs its program `app`.
#   INSTALL          builds and installs it to PREFIX instead
#   REFUSED          configuring must fail and say so; BUILD_REFUSED: building must
#   NOTHING_TO_BUILD the build compiles no file, and no test is registered

file(REMOVE_RECURSE "${WORK}")
set(settings "")
foreach(setting IN LISTS SETTINGS)
  list(APPEND settings -D ${setting})
endforeach()

execute_process(
  COMMAND ${CMAKE_COMMAND} -S "${PROJECT}" -B "${WORK}" -G "${GENERATOR}" -C "${INITIAL_CACHE}"
          -D "LAZYGUMBEL_PREFIX=${PREFIX}" ${settings}
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
string(REGEX REPLACE "[ \n]+" " " output_line "${output}")  # CMake wraps its messages

if(REFUSED)
  if(NOT result)
    message(FATAL_ERROR "configured, but must be refused:\n${output}")
  elseif(NOT output_line MATCHES "${REFUSED}")
    message(FATAL_ERROR "refused, but without saying '${REFUSED}':\n${output}")
  endif()
  return()
elseif(result)
  message(FATAL_ERROR "does not configure:\n${output}")
endif()

set(build ${CMAKE_COMMAND} --build "${WORK}" --config Debug)
if(BUILD_REFUSED)
  execute_process(COMMAND ${build} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result)
    message(FATAL_ERROR "built, but must be refused:\n${output}")
  elseif(NOT output MATCHES "${BUILD_REFUSED}")
    message(FATAL_ERROR "refused, but without saying '${BUILD_REFUSED}':\n${output}")
  endif()
  return()
endif()
execute_process(COMMAND ${build} COMMAND_ERROR_IS_FATAL ANY)
if(NOTHING_TO_BUILD)
  file(GLOB_RECURSE objects "${WORK}/*.o" "${WORK}/*.obj")
  file(GLOB_RECURSE tests "${WORK}/CTestTestfile.cmake")
  if(objects OR tests)
    message(FATAL_ERROR "builds ${objects} and registers tests in ${tests}")
  endif()
endif()
if(INSTALL)
  file(REMOVE_RECURSE "${PREFIX}")
  execute_process(COMMAND ${CMAKE_COMMAND} --install "${WORK}" --config Debug --prefix "${PREFIX}"
    COMMAND_ERROR_IS_FATAL ANY)
else()
  find_program(app app PATHS "${WORK}" PATH_SUFFIXES Debug NO_DEFAULT_PATH REQUIRED)
  execute_process(COMMAND "${app}" COMMAND_ERROR_IS_FATAL ANY)
endif()
