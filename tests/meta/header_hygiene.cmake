# The library never prints, never ends the program, and draws only from the engine it is given:
# std::*_distribution differs between standard libraries, and a clock or rand() is hidden state.
include("${CMAKE_CURRENT_LIST_DIR}/rule.cmake")

set(forbidden
  "std::(cout|cerr|clog)"
  "std::(abort|exit|quick_exit|terminate)"
  "std::[a-z_]+_distribution"
  "std::(s?rand|time) *\\("
  "(^|[^A-Za-z0-9_.:>])(f?printf|f?puts|abort|exit|time|s?rand) *\\(")

foreach(header IN LISTS headers)
  file(READ "${ROOT}/include/${header}" code)
  string(REGEX REPLACE "//[^\n]*" "" code "${code}")
  string(REGEX REPLACE "/\\*([^*]|\\*+[^*/])*\\*+/" "" code "${code}")
  foreach(pattern IN LISTS forbidden)
    if(code MATCHES "${pattern}")
      string(STRIP "${CMAKE_MATCH_0}" found)
      complain("${header} uses ${found}")
    endif()
  endforeach()
endforeach()
finish()
