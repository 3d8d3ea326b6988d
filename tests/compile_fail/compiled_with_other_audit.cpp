// The self-checks are in the library and not in this file, or the other way round.
// expect: was built with(out)? LAZYGUMBEL_AUDIT, this file is compiled with
#include <lazygumbel/core/version.hpp>
#ifdef SHOULD_FAIL
#undef LAZYGUMBEL_COMPILED
#undef LAZYGUMBEL_COMPILED_ALIGN
#undef LAZYGUMBEL_COMPILED_AUDIT
#define LAZYGUMBEL_COMPILED \
  (10000 * LAZYGUMBEL_VERSION_MAJOR + 100 * LAZYGUMBEL_VERSION_MINOR + LAZYGUMBEL_VERSION_PATCH)
#define LAZYGUMBEL_COMPILED_ALIGN 16
#ifdef LAZYGUMBEL_AUDIT
#define LAZYGUMBEL_COMPILED_AUDIT 0
#else
#define LAZYGUMBEL_COMPILED_AUDIT 1
#endif
#endif
#include <lazygumbel/core/config.hpp>

int main() {}
