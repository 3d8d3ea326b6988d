// Noise from an engine whose seed someone knows protects nobody, so private mechanisms refuse it.
// expect: SecureBitGenerator
#include <lazygumbel/privacy/noise/discrete_noise.hpp>
#include <lazygumbel/random/not_private_engine.hpp>

#ifdef SHOULD_FAIL
using Engine = lazygumbel::PhiloxEngine;
#else
using Engine = lazygumbel::NotPrivateEngine;
#endif

int main() {
  Engine engine(1);
  return lazygumbel::discrete_laplace(1, engine) == 0;
}
