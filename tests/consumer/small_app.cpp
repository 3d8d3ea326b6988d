// A user's program that compiles fast, header-only or against the compiled library.
#include <cstdio>
#include <lazygumbel/core/parallel.hpp>
#include <lazygumbel/core/types.hpp>
#include <lazygumbel/random/philox.hpp>

int main() {
#ifdef LAZYGUMBEL_COMPILED
  const int compiled = *lazygumbel::detail::compiled_abi;
#else
  const int compiled = 0;
#endif
  lazygumbel::PhiloxEngine engine(1);
  lazygumbel::Vector<double> numbers(1000);
  lazygumbel::parallel_for(1000, 0, [&](std::size_t i) { numbers[static_cast<long>(i)] = 1.0; });
  std::printf("lazygumbel %s, compiled library %d, %llx\n", lazygumbel::version, compiled,
              static_cast<unsigned long long>(engine()));
  return numbers.sum() == 1000.0 ? 0 : 1;
}
