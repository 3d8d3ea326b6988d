# include/lazygumbel/<layer>/[<family>/]<header>.hpp has its tests in
# tests/unit/<layer>/[<family>/]<header>_test.cpp, and every folder of tests/unit and
# tests/statistical has its like in include/, but statistical/honesty, which goes across them. detail/
# is tested through the headers that use it.
include("${CMAKE_CURRENT_LIST_DIR}/rule.cmake")

set(exempt
  lazygumbel/core/config.hpp)  # nothing to run: tests/compile_fail/fast_math.cpp

foreach(header IN LISTS headers)
  if(header MATCHES "^lazygumbel/(.+)\\.hpp$" AND NOT header IN_LIST exempt)
    set(path ${CMAKE_MATCH_1})
    if(path MATCHES "/" AND NOT path MATCHES "/detail/" AND NOT EXISTS "${ROOT}/tests/unit/${path}_test.cpp")
      complain("tests/unit/${path}_test.cpp is missing")
    endif()
  endif()
endforeach()

foreach(kind unit statistical)
  file(GLOB_RECURSE tests RELATIVE "${ROOT}/tests/${kind}" "${ROOT}/tests/${kind}/*_test.cpp")
  foreach(test IN LISTS tests)
    get_filename_component(folder "${test}" DIRECTORY)
    if(NOT IS_DIRECTORY "${ROOT}/include/lazygumbel/${folder}" AND NOT "${kind}/${folder}" STREQUAL "statistical/honesty")
      complain("tests/${kind}/${test} lies in a folder that include/lazygumbel does not have")
    endif()
  endforeach()
endforeach()
finish()
