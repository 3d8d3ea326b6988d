// What including the umbrella header costs a user: one translation unit, g++ -O2 or the like.

#include <benchmark/benchmark.h>

#include <cstdlib>

namespace {

void compile_umbrella(benchmark::State& state) {
  for (auto _ : state)
    if (std::system(LAZYGUMBEL_COMPILE_COMMAND) != 0)
      return state.SkipWithError("the compiler failed: " LAZYGUMBEL_COMPILE_COMMAND);
  state.SetLabel("-O2 -c");
}

BENCHMARK(compile_umbrella)
    ->Name("compile/umbrella")
    ->Unit(benchmark::kSecond)
    ->UseRealTime()
    ->Iterations(3);

}  // namespace
