// Infinities carry meaning here (masked items, empty sums), so a build that assumes there are none
// is refused.
// expect: compile without -ffast-math
// flags: -ffast-math
#include <lazygumbel/core/config.hpp>

int main() {}
