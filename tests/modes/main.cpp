// Prints draws, estimates and attention, all from the seed given: modes_... SEED

#include <cstdlib>

#include "print.hpp"

int main(int argc, char** argv) {
  const std::uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  print_draws(seed);
  print_decoding(seed);
}
