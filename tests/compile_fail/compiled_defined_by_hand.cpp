// Without the library's own definitions nothing would tell that the file fits it.
// expect: link lazygumbel::compiled, which defines it
#ifdef SHOULD_FAIL
#undef LAZYGUMBEL_COMPILED
#undef LAZYGUMBEL_COMPILED_ALIGN
#define LAZYGUMBEL_COMPILED
#endif
#include <lazygumbel/core/config.hpp>

int main() {}
