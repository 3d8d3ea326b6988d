// std::minstd_rand never returns 0 or values near 2^32: bits made of it would be biased.
// expect: BitGenerator
#include <lazygumbel/random/engine.hpp>
#include <random>

#ifdef SHOULD_FAIL
using Engine = std::minstd_rand;
#else
using Engine = std::mt19937;
#endif

int main() {
  Engine engine(1);
  return lazygumbel::uniform_bits(engine) == 0;
}
