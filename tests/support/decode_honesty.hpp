#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/attention/knn/detail/decode/sampled_decode.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <string>
#include <vector>

#include "attention_reference.hpp"
#include "decode_problems.hpp"
#include "honesty.hpp"

/// \file
/// Decoding steps that hide from draws what matters, and whether answers say so.

namespace lazygumbel::testing {

/// A step, and how its decoder is asked for it.
struct HostileDecode {
  std::string name;
  DecodeProblem problem;  ///< of one query
  double epsilon = 0.1;
};

namespace hostile {

inline constexpr std::size_t tokens = 8192;

inline DecodeProblem normal(std::size_t d, std::size_t dv, double sigma, std::uint64_t seed,
                            double mean = 1.0, std::size_t n = tokens) {
  DecodeProblem problem{quick_normals(n, d, 0.0, 1.0, seed),
                        quick_normals(n, dv, mean, 1.0, seed + 1),
                        quick_normals(1, d, 0.0, 1.0, seed + 2)};
  problem.queries *= static_cast<float>(sigma) / problem.queries.norm();
  return problem;
}

/// `count` different rows of 4 .. n - 65: neither sinks nor in the window.
inline std::vector<Eigen::Index> some_rows(std::size_t count, std::size_t n, std::uint64_t seed) {
  PhiloxEngine engine(seed);
  std::vector<bool> taken(n);
  std::vector<Eigen::Index> rows;
  while (rows.size() < count) {
    const std::size_t row = 4 + uniform_index(static_cast<std::uint32_t>(n - 132), engine);
    if (taken[row]) continue;
    taken[row] = true;
    rows.push_back(static_cast<Eigen::Index>(row));
  }
  return rows;
}

/// Flat scores; 12 values 1, the others 0.
inline HostileDecode flat_and_rare(std::uint64_t seed) {
  HostileDecode made{"12 values of 8,192", normal(32, 1, 0.01, seed)};
  made.problem.values.setZero();
  for (const Eigen::Index row : some_rows(12, tokens, seed)) made.problem.values(row, 0) = 1.0F;
  return made;
}

inline HostileDecode long_values(std::size_t count, float factor, std::uint64_t seed) {
  HostileDecode made{std::to_string(count) + " values at " + std::to_string(factor),
                     normal(32, 1, 0.01, seed)};
  made.problem.values.setOnes();
  for (const Eigen::Index row : some_rows(count, tokens, seed))
    made.problem.values(row, 0) = factor;
  return made;
}

/// P(v > x) = x^-1.2.
inline HostileDecode heavy_tail(std::uint64_t seed) {
  HostileDecode made{"Pareto values", normal(32, 1, 1.0, seed)};
  PhiloxEngine engine(seed);
  for (Eigen::Index i = 0; i < made.problem.values.rows(); ++i)
    made.problem.values(i, 0) = static_cast<float>(std::pow(open_uniform(engine), -1.0 / 1.2));
  return made;
}

/// One key in 8,192 carries half of the row, or nearly all of it.
inline HostileDecode needle(std::uint64_t seed) {
  HostileDecode made{"a needle", normal(32, 4, 1.0, seed)};
  const Eigen::Index row = some_rows(1, tokens, seed)[0];
  const auto query = made.problem.queries.row(0);
  made.problem.keys.row(row) = query * static_cast<float>(9.5 / query.squaredNorm());
  made.problem.values.row(row).setConstant(-3.0F);
  return made;
}

/// 24 keys that lie off the points that 4-bit codes have, all in the query's direction, so that
/// codes made of the keys as they are leave that out; their values are unlike the others'.
inline HostileDecode aligned_residuals(std::uint64_t seed) {
  HostileDecode made{"residuals along the query", normal(64, 4, 0.0, seed)};
  auto& [keys, values, queries] = made.problem;
  PhiloxEngine engine(seed);
  for (Eigen::Index c = 0; c < queries.cols(); ++c)
    queries(0, c) = engine() % 2 == 0 ? 0.5F : -0.5F;  // |q| = 4
  for (const Eigen::Index row : some_rows(24, hostile::tokens, seed)) {
    for (Eigen::Index c = 0; c < keys.cols(); ++c)
      keys(row, c) =
          0.46F * (queries(0, c) > 0.0F ? 1.0F : -1.0F) + static_cast<float>(engine() % 16) - 7.5F;
    // Both ends of the grid; the sum over the others makes <q, point> about 0.
    keys(row, 0) = -7.5F;
    keys(row, 1) = 7.5F;
    for (int pass = 0; pass < 400; ++pass) {
      const auto score = static_cast<double>(keys.row(row).dot(queries.row(0))) - 14.0;
      if (std::abs(score) < 1.0) break;
      const Eigen::Index c = 2 + static_cast<Eigen::Index>(engine() % 62);
      const float moved =
          keys(row, c) - (score > 0.0 ? 1.0F : -1.0F) * (queries(0, c) > 0.0F ? 1.0F : -1.0F);
      if (std::abs(moved) < 7.0F) keys(row, c) = moved;
    }
    values.row(row).setConstant(-40.0F);
  }
  for (Eigen::Index j = 0; j < keys.rows(); ++j) {  // the others' scores are 12
    if (values(j, 0) == -40.0F) continue;
    const float score = keys.row(j).dot(queries.row(0));
    keys.row(j) += queries.row(0) * ((12.0F - score) / queries.squaredNorm());
  }
  return made;
}

/// Values of 1e4 on keys of weight e^-30, which make means and squares large and sums not.
inline HostileDecode huge_and_light(std::uint64_t seed) {
  HostileDecode made{"values 1e4 at weight e^-30", normal(32, 4, 1.0, seed)};
  auto& [keys, values, queries] = made.problem;
  const RowMatrix<float> away = queries.row(0) * (30.0F / queries.row(0).squaredNorm());
  for (Eigen::Index row = 0; row < 4; ++row) {
    keys.row(row) -= away.row(0);
    values.row(row).setConstant(1e4F);
  }
  for (Eigen::Index row = keys.rows() - 128; row < keys.rows(); ++row) {
    keys.row(row) -= away.row(0);
    values.row(row).setConstant(1e4F);
  }
  return made;
}

inline HostileDecode tiny_values(std::uint64_t seed) {
  HostileDecode made{"values 1e-20", normal(32, 4, 1.0, seed)};
  made.problem.values *= 1e-20F;
  return made;
}

/// Scores of deviation 20 over keys that do not cluster: a few keys are all that counts.
inline HostileDecode long_query(std::uint64_t seed) {
  return {"a query times 20", normal(32, 4, 20.0, seed)};
}

inline HostileDecode benign(std::uint64_t seed) {
  return {"normal keys", normal(64, 16, 1.5, seed)};
}

inline HostileDecode clusters(std::uint64_t seed) {
  return {"clusters", clustered_decode(tokens, 32, 8, 32, 1, seed)};
}

using Family = HostileDecode (*)(std::uint64_t seed);

inline const std::vector<Family>& families() {
  static const std::vector<Family> all = {
      flat_and_rare,
      [](std::uint64_t seed) { return long_values(12, 100.0F, seed); },
      [](std::uint64_t seed) { return long_values(40, 100.0F, seed); },
      [](std::uint64_t seed) { return long_values(40, 30.0F, seed); },
      [](std::uint64_t seed) { return long_values(200, 8.0F, seed); },
      heavy_tail,
      needle,
      aligned_residuals,
      huge_and_light,
      tiny_values,
      long_query,
      benign,
      clusters};
  return all;
}

}  // namespace hostile

inline KnnAttentionOptions honesty_options(KeyIndex index, bool fixed_budget, double epsilon) {
  KnnAttentionOptions options = plain_options();
  options.index = index;
  options.accuracy = Accuracy(epsilon, 0.1);
  if (fixed_budget) options.accuracy = std::nullopt;
  return options;
}

/// Counts `repeats` answers of one decoder (with sampled ones only, where exact ones are told
/// apart: after a failure a decoder waits before it samples again).
inline void count_decodes(const HostileDecode& made, const KnnAttentionOptions& options,
                          std::size_t repeats, std::uint64_t seed, HonestyCount& count) {
  const KeyValueCache<float> cache = cache_of(made.problem);
  const DecodeTruth truth = plain_decode(made.problem.keys, made.problem.values,
                                         made.problem.queries.row(0).transpose().cast<double>());
  auto decoder = decoder_of(made.problem, options);
  KnnAttentionOptions exactly = options;
  exactly.minimum_keys = static_cast<std::size_t>(made.problem.keys.rows()) + 1;
  auto plain = decoder_of(made.problem, exactly);
  AttentionOutput out;
  PhiloxEngine engine(seed), other(seed);
  for (std::size_t repeat = 0; repeat < repeats; ++repeat) {
    const double exact_seconds =
        seconds_of([&] { plain.decode(cache, made.problem.queries, other, out); });
    const double seconds =
        seconds_of([&] { decoder.decode(cache, made.problem.queries, engine, out); });
    if (repeat > 0) {  // the first step makes the codes or lists
      count.exact_seconds += exact_seconds;
      count.seconds += seconds;
    }
    const AttentionRow& row = out.rows[0];
    const Vector<double> found = out.values.row(0).transpose().cast<double>();
    const double error = (found - truth.output).norm(), norm = found.norm();
    const bool exact = row.path == AttentionPath::exact;
    const double allowed = static_cast<double>(row.error) * norm;
    count.add(row.target_met && options.accuracy.has_value(),
              !exact && options.accuracy && error > options.accuracy->epsilon() * norm,
              !exact && !(row.error == std::numeric_limits<float>::infinity()) &&
                  error > allowed * (1.0 + 1e-5),
              exact);
  }
}

}  // namespace lazygumbel::testing
