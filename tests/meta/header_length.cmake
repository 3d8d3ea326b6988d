# A header that needs more than 400 lines holds more than one idea.
include("${CMAKE_CURRENT_LIST_DIR}/rule.cmake")

foreach(header IN LISTS headers)
  file(READ "${ROOT}/include/${header}" text)
  string(REGEX MATCHALL "\n" line_ends "${text}")
  list(LENGTH line_ends lines)
  if(lines GREATER 400)
    complain("${header} has ${lines} lines")
  endif()
endforeach()
finish()
