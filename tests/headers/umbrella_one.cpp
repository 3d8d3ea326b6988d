#include <cstdio>
#include <lazygumbel/lazygumbel.hpp>

const char* const* version_seen_by_the_other_file();

int main() {
  // One object in the whole program, whichever file looks at it.
  const bool same = &lazygumbel::version == version_seen_by_the_other_file();
  if (!same) std::puts("the two files do not see the same lazygumbel::version");
  return same ? 0 : 1;
}
