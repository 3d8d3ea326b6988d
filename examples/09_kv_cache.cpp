/// Compressed KV caches: error against memory.
///
///   09_kv_cache                      four made-up streams, each hard for some caches: a table and
///                                    one picture (--quick: short streams)
///   09_kv_cache --keys k.npy --values v.npy [--queries q.npy]
///                                    your own tokens
///   09_kv_cache --text file.txt [--glove vectors.fvecs]
///                                    the words of a text; --help lists the options
///
/// The made-up streams (kv/problem.hpp has them in full):
///   clustered       128 clusters of keys, small and large, 8 in each sixteenth of the stream
///   flat            small scores and values of mean 0: the output is nearly 0
///   needles         32 lone keys among 64 clusters; a query wants one of them
///   unclusterable   Gaussian keys, scores of deviation 2
/// Truth is attention over all tokens in double precision, for windows too.

#include <exception>
#include <iostream>
#include <new>
#include <output_files.hpp>
#include <run_program.hpp>
#include <string>
#include <text.hpp>
#include <utility>
#include <vector>

#include "kv/caches.hpp"
#include "kv/options.hpp"
#include "kv/problem.hpp"
#include "kv/radius.hpp"
#include "kv/report.hpp"

namespace {

constexpr const char* explanation =
    "Error: |output - exact| / |exact|; exact is attention over all tokens, in double. Reported:\n"
    "median of the errors that the cache reports, each to hold in 95% of cases; within: outputs\n"
    "that err by no more. All queries share the samples of a cache; reports allow for what those\n"
    "may have missed of wide clusters. Of exact: of the keys and values of all\n"
    "tokens in float. Lower bound: what any cache needs for the worst stream, with 1 for an\n"
    "unknown constant; of windows, to attend to the window.\n\n";

void run(const kv_tools::Options& options, std::ostream& out) {
  using lazygumbel_tools::text;
  auto problems = kv_tools::load_problems(options, out);
  std::filesystem::create_directories(options.output);
  lazygumbel_tools::require_writable(
      {options.numbers(), options.picture()},
      {options.keys, options.values, options.queries, options.text, options.glove});
  out << explanation;
  std::vector<kv_tools::Result> results;
  std::vector<std::string> arguments{"Compressed KV caches: error against memory",
                                     "median over queries of |output - exact| / |exact|; exact: "
                                     "attention to all tokens, for windows too"};
  for (auto& problem : problems) {
    const double radius = options.radius ? *options.radius : kv_tools::pick_radius(problem.keys);
    out << problem.name << ": " << problem.caption << "\n  " << problem.source << "; scores "
        << text(problem.scale, 4) << " <query, key>; radius of clusters " << text(radius, 4)
        << (options.radius ? "" : " (from the keys)") << std::endl;
    auto lines = kv_tools::compare_caches(problem, radius, options);
    kv_tools::print_table(out, problem, lines);
    arguments.push_back(problem.name + ": " + problem.caption);
    results.push_back({std::move(problem), std::move(lines)});
  }
  kv_tools::write_numbers(options.numbers(), results);
  out << "error against memory: "
      << lazygumbel_tools::run_gnuplot(LAZYGUMBEL_PLOT_KV_CACHE_SCRIPT, options.numbers(),
                                       options.picture(), arguments)
      << '\n';
}

}  // namespace

int main(int argc, char** argv) try {
  kv_tools::Options options;
  if (const auto code = kv_tools::parse(argc, argv, options)) return *code;
  run(options, std::cout);
  return 0;
} catch (const std::bad_alloc&) {
  std::cerr << "error: out of memory\n";
  return 1;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
