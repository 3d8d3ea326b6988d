# A header includes only its own layer and the layers before it:
# core -> random -> index -> sampling -> estimation -> { privacy | attention }, and distributed after
# estimation. The last three never include each other.
include("${CMAKE_CURRENT_LIST_DIR}/rule.cmake")

set(chain core random index sampling estimation)
set(allowed "")
foreach(layer IN LISTS chain)
  list(APPEND allowed ${layer})
  set(allowed_in_${layer} ${allowed})
endforeach()
foreach(layer privacy attention distributed)
  set(allowed_in_${layer} ${chain} ${layer})
endforeach()

foreach(header IN LISTS headers)
  if(NOT header MATCHES "^lazygumbel/([^/]+)/")
    continue()  # the umbrella
  endif()
  set(layer ${CMAKE_MATCH_1})
  if(NOT DEFINED allowed_in_${layer})
    complain("${header} lies in a folder that is no layer")
    continue()
  endif()
  read_includes(${header} includes)
  foreach(include IN LISTS includes)
    if(NOT include MATCHES "^lazygumbel/([^/]+)/" OR NOT CMAKE_MATCH_1 IN_LIST allowed_in_${layer})
      complain("${header} includes ${include}, which its layer must not see")
    endif()
  endforeach()
endforeach()
finish()
