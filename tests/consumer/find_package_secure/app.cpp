// A user's program: all it needs to compile and link comes with lazygumbel::secure.
#include <cstdio>
#include <lazygumbel/lazygumbel.hpp>
#include <lazygumbel/random/sodium_engine.hpp>

int main() {
  lazygumbel::SodiumEngine engine;
  const long long noisy = 100 + lazygumbel::discrete_laplace({1, 100}, engine);
  std::printf("lazygumbel %s adds 0 but for one draw in e^100: %lld\n", lazygumbel::version, noisy);
  return noisy == 100 ? 0 : 1;
}
