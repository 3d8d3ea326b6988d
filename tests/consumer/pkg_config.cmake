# Compiles SOURCE by a bare call of COMPILER with the flags that pkg-config gives for PACKAGE as
# installed in PREFIX, and runs it. UNLIKE: an object file with these flags more must not link, and the
# linker must name what is missing as REFUSED.

file(GLOB_RECURSE files "${PREFIX}/*.pc")
foreach(file IN LISTS files)
  get_filename_component(folder "${file}" DIRECTORY)
  list(APPEND folders "${folder}")
endforeach()
list(JOIN folders ":" folders)
set(ENV{PKG_CONFIG_PATH} "${folders}:$ENV{PKG_CONFIG_PATH}")
foreach(kind cflags libs)
  execute_process(COMMAND "${PKG_CONFIG}" --${kind} ${PACKAGE}
    OUTPUT_VARIABLE ${kind} OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(${kind} UNIX_COMMAND "${${kind}}")
endforeach()

file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")
set(compile "${COMPILER}" -std=c++20 -O0 ${cflags})
execute_process(COMMAND ${compile} "${SOURCE}" ${libs} -Wl,-rpath,${PREFIX}/lib -o "${WORK}/app"
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${WORK}/app" COMMAND_ERROR_IS_FATAL ANY)

# must_not_link(<flags> ..): with these flags more SOURCE compiles, and the linker names REFUSED, though
# it throws away what nothing refers to.
function(must_not_link)
  foreach(linking "" -Wl,--gc-sections)
    execute_process(COMMAND ${compile} ${ARGN} "${SOURCE}" ${libs} ${linking} -o "${WORK}/unlike"
      RESULT_VARIABLE result ERROR_VARIABLE output)
    if(NOT result OR NOT output MATCHES "${REFUSED}")
      message(FATAL_ERROR "with ${ARGN} ${linking} it must not link, and name ${REFUSED}:\n${output}")
    endif()
  endforeach()
endfunction()

if(UNLIKE)
  separate_arguments(UNLIKE UNIX_COMMAND "${UNLIKE}")
  must_not_link(${UNLIKE})
  set(REFUSED "debug_containers")
  must_not_link(-D_GLIBCXX_DEBUG)
endif()
