// The standard engines are not secure either.
// expect: SecureBitGenerator
#include <lazygumbel/privacy/noise/discrete_noise.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <random>

#ifdef SHOULD_FAIL
using Engine = std::mt19937_64;
#else
using Engine = lazygumbel::NotPrivateEngine;
#endif

int main() {
  Engine engine(1);
  return lazygumbel::discrete_gaussian(1, engine) == 0;
}
