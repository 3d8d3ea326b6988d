// A race that ThreadSanitizer has to see; it then ends the program with an error.

#include <lazygumbel/core/parallel.hpp>

int main() {
  int count = 0;
  lazygumbel::parallel_for(100'000, 2, [&](std::size_t) { ++count; });
  return count > 100'000 ? 1 : 0;
}
