// The compiled library was built from other headers than this file includes.
// expect: built from another version
#ifdef SHOULD_FAIL
#undef LAZYGUMBEL_COMPILED
#undef LAZYGUMBEL_COMPILED_ALIGN
#undef LAZYGUMBEL_COMPILED_AUDIT
#define LAZYGUMBEL_COMPILED 990000
#define LAZYGUMBEL_COMPILED_ALIGN 16
#define LAZYGUMBEL_COMPILED_AUDIT 0
#endif
#include <lazygumbel/core/config.hpp>

int main() {}
