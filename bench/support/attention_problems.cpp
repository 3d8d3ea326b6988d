#include "attention_problems.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <utility>
#include <vector>

#include "interleaved.hpp"
#include "lazygumbel/core/parallel.hpp"
#include "lazygumbel/random/philox.hpp"
#include "lazygumbel/random/uniform.hpp"
#include "workload.hpp"

namespace bench {

namespace {

namespace lg = lazygumbel;

/// What a stream of random numbers is for; every row has its own.
enum class Part : std::uint64_t { centres, keys, queries, values };

lg::PhiloxEngine engine_of(std::uint64_t seed, Part part, Eigen::Index row) {
  return lg::PhiloxEngine(seed, static_cast<std::uint64_t>(part) << 32 | static_cast<item_id>(row));
}

/// Adds independent normals (Box and Muller, both of a pair).
template <class Row>
void add_normals(Row&& row, double deviation, lg::PhiloxEngine& engine) {
  for (Eigen::Index j = 0; j < row.size(); j += 2) {
    const double radius = deviation * std::sqrt(-2.0 * std::log(lg::open_uniform(engine)));
    const double angle = 2.0 * std::numbers::pi * lg::open_uniform(engine);
    row(j) += static_cast<float>(radius * std::cos(angle));
    if (j + 1 < row.size()) row(j + 1) += static_cast<float>(radius * std::sin(angle));
  }
}

Rows gaussian(std::size_t n, std::size_t d, float mean, std::uint64_t seed, Part part) {
  Rows rows = Rows::Constant(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(d), mean);
  lg::parallel_for(n, 0, [&](std::size_t item) {
    const auto i = static_cast<Eigen::Index>(item);
    lg::PhiloxEngine engine = engine_of(seed, part, i);
    add_normals(rows.row(i), 1.0, engine);
  });
  return rows;
}

/// Tokens about the centres; those of `part`, at the centres of the tokens of `centres_of`.
Rows tokens(const Rows& centres, std::size_t n, std::uint64_t seed, Part part, Part centres_of) {
  Rows rows(static_cast<Eigen::Index>(n), centres.cols());
  const auto count = static_cast<item_id>(centres.rows());
  const double deviation = 0.3 / std::sqrt(static_cast<double>(centres.cols()));
  lg::parallel_for(n, 0, [&](std::size_t item) {
    const auto i = static_cast<Eigen::Index>(item);
    lg::PhiloxEngine chooser = engine_of(seed, centres_of, i), engine = engine_of(seed, part, i);
    engine.discard(32);  // far behind what choosing a centre takes
    rows.row(i) = centres.row(lg::uniform_index(count, chooser));
    add_normals(rows.row(i), deviation, engine);
    rows.row(i).normalize();
  });
  return rows;
}

AttentionProblem clusters(std::size_t d, std::size_t n, std::size_t query_count,
                          std::uint64_t seed) {
  Rows centres = gaussian(256, d, 0.0F, seed, Part::centres);
  centres.rowwise().normalize();
  const Part shared = query_count == n ? Part::keys : Part::queries;
  return {.queries = tokens(centres, query_count, seed, Part::queries, shared),
          .keys = tokens(centres, n, seed, Part::keys, Part::keys),
          .values = {},
          .scale = 9.0};
}

AttentionProblem gaussian_logits(double sigma, std::size_t d, std::size_t n,
                                 std::size_t query_count, std::uint64_t seed) {
  AttentionProblem problem{.queries = gaussian(query_count, d, 0.0F, seed, Part::queries),
                           .keys = gaussian(n, d, 0.0F, seed, Part::keys),
                           .values = {},
                           .scale = 1.0 / std::sqrt(static_cast<double>(d))};
  problem.queries.rowwise().normalize();
  problem.queries *= static_cast<float>(sigma / problem.scale);
  return problem;
}

std::optional<AttentionProblem> words(std::size_t d, std::size_t n, std::size_t query_count,
                                      std::uint64_t seed, std::string& why) {
  const Workload* data = workload("glove100k", why);
  if (!data) return std::nullopt;
  const Rows& all = data->rows();
  const auto count = static_cast<std::size_t>(all.rows());
  if (d != static_cast<std::size_t>(all.cols()) || n > count) {
    why = "glove100k has " + std::to_string(count) + " words of " + std::to_string(all.cols()) +
          " dimensions";
    return std::nullopt;
  }
  AttentionProblem problem{
      .queries = {}, .keys = all.topRows(static_cast<Eigen::Index>(n)), .values = {}, .scale = 20};
  if (query_count == n) {
    problem.queries = problem.keys;
    return problem;
  }
  const std::size_t first = count - n >= query_count ? n : 0;
  problem.queries.resize(static_cast<Eigen::Index>(query_count), all.cols());
  for (Eigen::Index i = 0; i < problem.queries.rows(); ++i) {
    lg::PhiloxEngine engine = engine_of(seed, Part::queries, i);
    problem.queries.row(i) = all.row(static_cast<Eigen::Index>(
        first + lg::uniform_index(static_cast<item_id>(count - first), engine)));
  }
  return problem;
}

using Packet = Eigen::internal::packet_traits<float>::type;
constexpr std::size_t lanes = Eigen::internal::packet_traits<float>::size;
/// Chains of dependent operations at a time: enough to hide the latency, few enough for registers.
constexpr std::size_t chains = lanes >= 16 ? 24 : 12;
using Chains = std::make_index_sequence<chains>;

/// Sums streams * blocks blocks, one of each stream in turn.
template <std::size_t... I>
float sum(const float* data, std::size_t streams, std::size_t blocks, std::index_sequence<I...>) {
  using namespace Eigen::internal;
  Packet sums[chains];
  ((sums[I] = pset1<Packet>(0.0F)), ...);
  for (std::size_t b = 0; b < blocks; ++b) {
    for (std::size_t s = 0; s < streams; ++s) {
      const float* block = data + (s * blocks + b) * chains * lanes;
      ((sums[I] = padd(sums[I], ploadu<Packet>(block + I * lanes))), ...);
    }
  }
  return (predux(sums[I]) + ...);
}

template <std::size_t... I>
float multiply_add(float factor, std::size_t rounds, std::index_sequence<I...>) {
  using namespace Eigen::internal;
  const Packet a = pset1<Packet>(factor);
  Packet values[chains];
  ((values[I] = pset1<Packet>(static_cast<float>(I))), ...);
  for (std::size_t r = 0; r < rounds; ++r) ((values[I] = pmadd(values[I], a, a)), ...);
  return (predux(values[I]) + ...);
}

}  // namespace

std::optional<AttentionProblem> attention_problem(const std::string& data, std::size_t d,
                                                  std::size_t n, std::size_t query_count,
                                                  std::uint64_t seed, std::string& why) {
  std::optional<AttentionProblem> problem;
  if (data == "clusters")
    problem = clusters(d, n, query_count, seed);
  else if (data == "glove100k")
    problem = words(d, n, query_count, seed, why);
  else if (data == "gaussian_sigma2")
    problem = gaussian_logits(2.0, d, n, query_count, seed);
  else if (data == "gaussian_sigma3")
    problem = gaussian_logits(3.0, d, n, query_count, seed);
  else
    throw std::invalid_argument("no attention problem called " + data);
  if (problem) problem->values = gaussian(n, d, 1.0F, seed, Part::values);
  return problem;
}

double read_bandwidth(std::size_t bytes) {
  constexpr std::size_t most_streams = 4, block_bytes = chains * lanes * sizeof(float);
  const std::size_t blocks =
      (std::max)(std::size_t{1}, bytes / (most_streams * block_bytes)) * most_streams;
  const std::vector<float> data(blocks * chains * lanes, 1.0F);
  double best = 0.0;
  for (std::size_t streams = 1; streams <= most_streams; streams *= 2) {
    std::vector<double> times;
    for (int run = 0; run < 7; ++run)
      times.push_back(seconds([&] {
        benchmark::DoNotOptimize(sum(data.data(), streams, blocks / streams, Chains{}));
      }));
    best = (std::max)(best, static_cast<double>(blocks * block_bytes) / median(times));
  }
  return best;
}

double fma_peak() {
  constexpr std::size_t rounds = 4'000'000;
  float factor = 0.5F;
  double best = 0.0;
  for (int run = 0; run < 9; ++run) {
    benchmark::DoNotOptimize(factor);
    const double time =
        seconds([&] { benchmark::DoNotOptimize(multiply_add(factor, rounds, Chains{})); });
    best = (std::max)(best, static_cast<double>(2 * chains * lanes * rounds) / time);
  }
  return best;
}

}  // namespace bench
