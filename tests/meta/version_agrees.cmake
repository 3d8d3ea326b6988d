# The newest version that CHANGELOG.md names ("## 0.1.0" or "## [0.1.0]") is that of version.hpp.
include("${CMAKE_CURRENT_LIST_DIR}/rule.cmake")

file(STRINGS "${ROOT}/include/lazygumbel/core/version.hpp" lines
  REGEX "^#define LAZYGUMBEL_VERSION_(MAJOR|MINOR|PATCH) [0-9]+$")
string(REGEX REPLACE "[^0-9;]" "" numbers "${lines}")
string(REPLACE ";" "." version "${numbers}")

if(EXISTS "${ROOT}/CHANGELOG.md")
  file(STRINGS "${ROOT}/CHANGELOG.md" headings REGEX "^## .*[0-9]+\\.[0-9]+\\.[0-9]+")
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" newest "${headings}")  # the first of them
  if(NOT newest STREQUAL version)
    complain("CHANGELOG.md names ${newest}, version.hpp ${version}")
  endif()
endif()
finish()
