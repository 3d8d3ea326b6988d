// Google Benchmark's main, with every product on one thread: the rivals' as well as ours.

#include <benchmark/benchmark.h>

#include <Eigen/Core>

int main(int argc, char** argv) {
  Eigen::setNbThreads(1);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::AddCustomContext("threads", "1 (index builds: all)");
#ifdef NDEBUG
  benchmark::AddCustomContext("assertions", "off");
#else
  benchmark::AddCustomContext("assertions", "ON: do not quote these figures");
#endif
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
