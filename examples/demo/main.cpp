/// The main job: draw from the softmax over real vectors, once by exhaustive scan and once lazily,
/// on the same queries in the same run, and tell what each costs and whether their laws agree.

#include <algorithm>
#include <exception>
#include <iostream>
#include <lazygumbel/sampling/tune.hpp>
#include <stdexcept>

#include "agreement.hpp"
#include "growing_index.hpp"
#include "input.hpp"
#include "measure.hpp"
#include "options.hpp"
#include "report.hpp"

namespace {

using namespace demo;

// Every use of randomness has a stream of its own.
enum Stream : std::uint64_t { timing = 1, tallies = 1000 };

/// How many queries, draws and rows each step takes.
struct Plan {
  std::size_t tune, test;                // queries: rows 0 .. tune-1, then the next `test`
  std::size_t tune_subset, test_subset;  // of these, on the way to the whole
  std::size_t draws;                     // for each of the thetas of the agreement check
  std::vector<std::size_t> sizes;        // n / 32, n / 16, ..., n, where the queries fit in

  Plan(const Options& options, std::size_t n) {
    // Tuning keeps 16 bytes for each query and row: half a gigabyte at most.
    const std::size_t affordable = (std::max)(std::size_t{20}, 30'000'000 / n);
    tune = (std::min)({std::size_t{options.quick ? 60U : 200U}, n / 8, affordable});
    test = (std::min)(options.queries, n / 8);
    tune_subset = (std::min)(tune, std::size_t{40});
    test_subset = (std::min)(test, std::size_t{60});
    draws = options.quick ? 20'000 : 50'000;
    for (std::size_t part = 32; part >= 1; part /= 2)
      if (n / part >= tune + test) sizes.push_back(n / part);
  }
};

/// What to try, given the k that was best for half the rows (0: no such k).
lazygumbel::TuneOptions tune_options(const Options& options, std::size_t nearby_k) {
  lazygumbel::TuneOptions tune;
  tune.k = {2, 4, 8, 16, 32, 64, 128, 256, 512};
  if (nearby_k > 0) tune.k = {(std::max)(nearby_k / 2, std::size_t{2}), nearby_k, 2 * nearby_k};
  if (options.k > 0) tune.k = {options.k};
  tune.ef = {16, 32, 64, 128, 256, 512};
  if (options.ef > 0) tune.ef = {options.ef};
  tune.gap = options.gap;
  tune.max_clipped_mass = 1e-4;
  return tune;
}

/// "building 25% 50% 75% 100%", in one line.
lazygumbel::Progress percent_shown() {
  return [shown = std::size_t{0}](std::size_t done, std::size_t all) mutable {
    for (; shown < 4 && done * 4 >= (shown + 1) * all; ++shown)
      std::cerr << ' ' << (shown + 1) * 25 << '%' << std::flush;
  };
}

/// Grows the index to each size in turn, tunes and times it there; the last size is the whole,
/// where everything else is measured too.
template <class Growing>
Results measure(const Options& options, const Input& input) {
  const auto n = static_cast<std::size_t>(input.rows.rows());
  const Plan plan(options, n);
  const Matrix tune_thetas = make_thetas(input.rows, 0, plan.tune, options.temperature);
  const Matrix test_thetas = make_thetas(input.rows, plan.tune, plan.test, options.temperature);
  lazygumbel::PhiloxEngine engine(options.seed, timing);

  Results results;
  results.index_name = Growing::name;
  results.build_threads = lazygumbel::usable_threads(options.threads, n);
  results.tuned_on = plan.tune;
  Growing growing(input.rows, options);
  std::size_t nearby_k = 0;
  for (const std::size_t size : plan.sizes) {
    const bool whole = size == n;
    std::cerr << "n = " << with_commas(static_cast<double>(size)) << ": building" << std::flush;
    auto& index = growing.grow_to(size, percent_shown());
    std::cerr << ", tuning" << std::flush;
    const auto thetas = [&](const Matrix& all, std::size_t count) -> Matrix {
      return whole ? all : all.topRows(static_cast<Eigen::Index>(count));
    };
    const auto tuned = lazygumbel::tune(index, thetas(tune_thetas, plan.tune_subset),
                                        tune_options(options, nearby_k));
    nearby_k = tuned.best.k;
    const lazygumbel::LazySampler sampler(index, tuned.options);
    ExhaustiveScan scan(input.rows, size);
    const Race timed = race(scan, sampler, thetas(test_thetas, plan.test_subset), engine);
    results.growth.push_back(
        {size, median(timed.exhaustive), median(timed.lazy), tuned.best.k, tuned.best.ef});
    std::cerr << " (k = " << tuned.best.k;
    if (tuned.best.ef > 0) std::cerr << ", ef = " << tuned.best.ef;
    std::cerr << "); a draw takes " << duration(median(timed.exhaustive)) << " by scan, "
              << duration(median(timed.lazy)) << " lazily\n";
    if (!whole) continue;

    results.build_seconds = growing.seconds();
    results.index_bytes = growing.bytes();
    results.tuned = tuned;
    results.race = timed;
    results.further = further_draws(
        scan, sampler, test_thetas.topRows((std::min)(test_thetas.rows(), Eigen::Index{50})),
        engine);
    std::cerr << "measuring the clipped mass by full scans" << std::flush;
    results.clipped = clipped_masses(scan, sampler, test_thetas);
    std::cerr << ", comparing the laws\n";
    for (Eigen::Index j = 0; j < (std::min)(test_thetas.rows(), Eigen::Index{4}); ++j) {
      Tally drawn = tally(scan, sampler, test_thetas.row(j).transpose(), plan.draws, options.seed,
                          tallies + static_cast<std::uint64_t>(j), options.threads);
      results.agreement.add(drawn);
      // The picture shows the flattest of these laws: the most items to be seen.
      if (j == 0 || drawn.perplexity() > results.picture.perplexity())
        results.picture = std::move(drawn);
    }
  }
  std::vector<double> sizes, exhaustive, lazy;
  for (const GrowthPoint& at : results.growth) {
    sizes.push_back(static_cast<double>(at.n));
    exhaustive.push_back(at.exhaustive);
    lazy.push_back(at.lazy);
  }
  if (sizes.size() > 1) {
    results.exhaustive_growth = fit_power_law(sizes, exhaustive);
    results.lazy_growth = fit_power_law(sizes, lazy);
  }
  return results;
}

void run(const Options& options) {
  std::filesystem::create_directories(options.out);
  Input input;
  const double seconds = seconds_of([&] { input = load_input(options); });
  std::cerr << input.source << '\n'
            << "loaded " << with_commas(static_cast<double>(input.rows.rows())) << " x "
            << input.rows.cols() << " in " << duration(seconds) << '\n';
  if (options.k > static_cast<std::size_t>(input.rows.rows()))
    throw std::runtime_error("--k " + std::to_string(options.k) + " exceeds the number of rows");

  const Results results =
      options.index == Options::Index::hnsw    ? measure<GrowingHnsw>(options, input)
      : options.index == Options::Index::codes ? measure<GrowingCodes>(options, input)
                                               : measure<GrowingFlat>(options, input);
  print(std::cout, input, options, results);
  write_pictures(options.out, input, options, results);
}

}  // namespace

int main(int argc, char** argv) {
  demo::Options options;
  try {
    if (const auto exit_code = demo::parse(argc, argv, options)) return *exit_code;
    run(options);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
}
