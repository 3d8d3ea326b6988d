# Writes OUTPUT, which includes all of HEADERS after min and max have become macros that do not
# compile. What those headers take from elsewhere is included first, since it is not ours to mend.
set(foreign "")
set(ours "")
foreach(header IN LISTS HEADERS)
  file(STRINGS "${INCLUDE_FOLDER}/${header}" lines REGEX "^[ \t]*#[ \t]*include[ \t]*<[^>]+>")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^[^<]*<([^>]+)>.*$" "\\1" name "${line}")
    if(NOT name MATCHES "^lazygumbel/")
      list(APPEND foreign "${name}")
    endif()
  endforeach()
  string(APPEND ours "#include <${header}>\n")
endforeach()
list(REMOVE_DUPLICATES foreign)
list(SORT foreign)

set(content "")
foreach(name IN LISTS foreign)
  string(APPEND content "#if __has_include(<${name}>)\n#include <${name}>\n#endif\n")
endforeach()
string(APPEND content "
#define min(...) min_must_stand_in_parentheses
#define max(...) max_must_stand_in_parentheses

${ours}")
file(WRITE "${OUTPUT}" "${content}")
