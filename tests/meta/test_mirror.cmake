# include/lazygumbel/<layer>/<header>.hpp has its tests in tests/unit/<layer>/<header>_test.cpp.
# detail/ is tested through the headers that use it.
include("${CMAKE_CURRENT_LIST_DIR}/rule.cmake")

set(exempt
  lazygumbel/core/config.hpp)  # nothing to run: tests/compile_fail/fast_math.cpp

foreach(header IN LISTS headers)
  if(header MATCHES "^lazygumbel/([^/]+)/([^/]+)\\.hpp$" AND NOT header IN_LIST exempt)
    set(test "tests/unit/${CMAKE_MATCH_1}/${CMAKE_MATCH_2}_test.cpp")
    if(NOT EXISTS "${ROOT}/${test}")
      complain("${test} is missing")
    endif()
  endif()
endforeach()
finish()
