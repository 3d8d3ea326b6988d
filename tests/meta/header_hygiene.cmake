# The library never prints, never ends the program, and draws only from the engine it is given:
# std::*_distribution differs between standard libraries, and a clock or rand() is hidden state.
include("${CMAKE_CURRENT_LIST_DIR}/rule.cmake")

set(forbidden
  "std::w?(cout|cerr|clog)"
  "(^|[^A-Za-z0-9_.:])w?(cout|cerr|clog) *<<"
  "std::terminate"
  "__builtin_(trap|abort|unreachable)"
  "std::[a-z_]+_distribution"
  "system_clock|high_resolution_clock"
  "random_device"
  "(^|[^A-Za-z0-9_.:>])(std::|::)?(v?f?w?printf|f?puts|f?putw?char|f?putw?c|perror|abort|_?exit|_Exit|quick_exit|time|clock|s?rand) *\\("
  "# *include_next"
  "# *include *[<\"][^>\"]*\\.\\./")

foreach(header IN LISTS headers)
  file(READ "${ROOT}/include/${header}" code)
  string(REGEX REPLACE "([^'\\])\"([^\"\n\\]|\\\\.)*://" "\\1\"" code "${code}")  # no comment
  string(REGEX REPLACE "//[^\n]*" "" code "${code}")
  string(REGEX REPLACE "/\\*([^*]|\\*+[^*/])*\\*+/" "" code "${code}")
  foreach(pattern IN LISTS forbidden)
    if(code MATCHES "${pattern}")
      string(STRIP "${CMAKE_MATCH_0}" found)
      complain("${header} uses ${found}")
    endif()
  endforeach()
endforeach()
# What is not a header is neither installed nor looked at by any rule.
file(GLOB_RECURSE others RELATIVE "${ROOT}/include" "${ROOT}/include/*")
list(FILTER others EXCLUDE REGEX "\\.hpp$")
foreach(other IN LISTS others)
  complain("${other} is not a header, *.hpp")
endforeach()
finish()
