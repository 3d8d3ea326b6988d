# Configures PROJECT in the fresh folder WORK, builds it, and runs its program `app`;
# INSTALL: builds and installs it to PREFIX instead; REFUSED: configuring must fail and say so.

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

execute_process(COMMAND ${CMAKE_COMMAND} --build "${WORK}" --config Debug COMMAND_ERROR_IS_FATAL ANY)
if(INSTALL)
  file(REMOVE_RECURSE "${PREFIX}")
  execute_process(COMMAND ${CMAKE_COMMAND} --install "${WORK}" --config Debug --prefix "${PREFIX}"
    COMMAND_ERROR_IS_FATAL ANY)
else()
  find_program(app app PATHS "${WORK}" PATH_SUFFIXES Debug NO_DEFAULT_PATH REQUIRED)
  execute_process(COMMAND "${app}" COMMAND_ERROR_IS_FATAL ANY)
endif()
