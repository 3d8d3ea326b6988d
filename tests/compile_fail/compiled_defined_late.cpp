// One file, one kind of lazygumbel: all of its headers see the macro or none does.
// expect: defined after a header of lazygumbel
#undef LAZYGUMBEL_COMPILED
#include <lazygumbel/core/errors.hpp>
#ifdef SHOULD_FAIL
#define LAZYGUMBEL_COMPILED 1
#endif
#include <lazygumbel/core/config.hpp>

int main() {}
