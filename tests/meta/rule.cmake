# What the rules share: the list of public headers, their includes, and how to complain.
cmake_minimum_required(VERSION 3.21)

# Paths below include/, as an #include names them.
file(GLOB_RECURSE headers RELATIVE "${ROOT}/include" "${ROOT}/include/lazygumbel/*.hpp")
list(SORT headers)

set(complaints 0)
macro(complain text)
  message(NOTICE "${text}")
  math(EXPR complaints "${complaints} + 1")
endmacro()

include("${CMAKE_CURRENT_LIST_DIR}/includes.cmake")

# The lazygumbel headers that the header includes itself.
function(read_includes_of header result)
  read_includes("${ROOT}/include/${header}" includes eigen)
  set(${result} "${includes}" PARENT_SCOPE)
endfunction()

macro(finish)
  list(LENGTH headers header_count)
  if(complaints)
    message(FATAL_ERROR "${complaints} complaint(s), ${header_count} headers read")
  elseif(NOT headers)
    message(FATAL_ERROR "no headers below ${ROOT}/include")
  endif()
  message(NOTICE "no complaints, ${header_count} headers read")
endmacro()
