#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <lazygumbel/attention/exact/exact_attention.hpp>
#include <lazygumbel/estimation/normal_quantile.hpp>
#include <string>
#include <vector>

#include "honesty.hpp"
#include "prefill_laws.hpp"

/// \file
/// Families of attention problems that are hard to be honest about, and counts of what
/// KnnAttention::forward says of them. The truth is exact_attention's, which has tests of its own.

namespace lazygumbel::testing {

/// Values N(1, 1), logits of standard deviation `sigma` under a scale of 1.
inline HeadsProblem logits_problem(double sigma, std::uint64_t seed, std::size_t m = 256,
                                   std::size_t n = 4096) {
  const AttentionSizes sizes{.queries = m, .keys = n, .d = 32, .dv = 16};
  HeadsProblem problem = gaussian_problem(sizes, 1.0, seed);
  problem.queries.rowwise().normalize();
  problem.queries *= static_cast<float>(sigma);
  problem.values = gaussian_rows<float>(n, 16, seed + 90).array() + 1.0F;
  return problem;
}

/// Nearly flat scores; `count` of the values are `factor` times as large.
inline HeadsProblem rare_values(std::size_t count, std::uint64_t seed, float factor = 100.0F) {
  HeadsProblem problem = logits_problem(0.05, seed);
  for (std::size_t i = 0; i < count; ++i)
    problem.values.row(static_cast<Eigen::Index>((i * 2654435761U + 17 * seed) % 4096)) *= factor;
  return problem;
}

/// Values of a Cauchy law, and scores of deviation 1.
inline HeadsProblem heavy_values(std::uint64_t seed) {
  HeadsProblem problem = logits_problem(1.0, seed);
  const RowMatrix<float> under = gaussian_rows<float>(4096, 16, seed + 91);
  problem.values.array() /= under.array().abs() + 1e-6F;
  return problem;
}

/// `count` keys in the middle, in lists whose centroids promise nothing, that share a third of all
/// weight of every query, and values that no other key has.
inline HeadsProblem needles(std::size_t count, std::uint64_t seed) {
  HeadsProblem problem = logits_problem(0.3, seed);
  const RowMatrix<float> direction = gaussian_rows<float>(1, 32, seed + 92).rowwise().normalized();
  problem.queries.rowwise() += 8.0F * direction.row(0);
  // No other key has anything to do with the direction, so that the needles are near the others.
  const RowMatrix<float> along = problem.keys * direction.transpose();
  problem.keys -= along * direction;
  const float length = std::log(2048.0F / static_cast<float>(count)) / 8.0F;
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = static_cast<Eigen::Index>(1000 + 37 * i + 5 * seed);
    problem.keys.row(at) += length * direction.row(0);
    problem.values.row(at).setConstant(-3.0F);
  }
  return problem;
}

/// Keys that cluster, which is what sampling is for.
inline HeadsProblem benign_clusters(std::uint64_t seed, float key_scale = 1.0F,
                                    float value_scale = 1.0F) {
  const AttentionSizes sizes{.queries = 256, .keys = 6000, .d = 32, .dv = 16};
  HeadsProblem problem = clustered_problem(sizes, seed, 64);
  problem.keys *= key_scale;
  problem.queries /= key_scale;
  problem.values *= value_scale;
  return problem;
}

struct PrefillFamily {
  std::string name;
  std::function<HeadsProblem(std::uint64_t seed)> problem;
  AttentionOptions attention{};
  double epsilon = 0.1;
  std::size_t problems = 2, seeds = 2;
};

inline std::vector<PrefillFamily> prefill_families() {
  const AttentionOptions plain{.scale = 1.0};
  return {
      {"flat, 4 values times 1000", [](std::uint64_t s) { return rare_values(4, s, 1000.0F); },
       plain, 0.3},
      {"flat, 12 rare values", [](std::uint64_t s) { return rare_values(12, s); }, plain, 0.3},
      {"flat, 40 rare values", [](std::uint64_t s) { return rare_values(40, s); }, plain, 0.3},
      {"heavy values", heavy_values, plain, 0.5},
      {"a needle", [](std::uint64_t s) { return needles(1, s); }, plain, 0.2},
      {"12 needles", [](std::uint64_t s) { return needles(12, s); }, plain, 0.2},
      {"sigma 1", [](std::uint64_t s) { return logits_problem(1.0, s); }, plain, 0.2},
      {"sigma 3", [](std::uint64_t s) { return logits_problem(3.0, s); }, plain, 0.5},
      {"sigma 20", [](std::uint64_t s) { return logits_problem(20.0, s); }, plain, 0.1},
      {"clusters", [](std::uint64_t s) { return benign_clusters(s); }, {}, 0.1},
      {"clusters, huge keys", [](std::uint64_t s) { return benign_clusters(s, 1e12F); }, {}, 0.1},
      {"clusters, tiny values",
       [](std::uint64_t s) { return benign_clusters(s, 1.0F, 1e-15F); },
       {},
       0.1},
      {"clusters, huge values",
       [](std::uint64_t s) { return benign_clusters(s, 1.0F, 1e15F); },
       {},
       0.1},
  };
}

/// Adds what the answer says of the rows that see `least` keys or more. `error`: of a row, relative
/// to |o^|, in place of what is stated; met where it is within `epsilon`.
template <class Error>
void count_rows(const AttentionOutput& out, const AttentionOutput& truth,
                const AttentionOptions& attention, std::size_t keys, std::size_t least,
                double epsilon, Error&& error, HonestyCount& count) {
  for (std::size_t i = 0; i < out.rows.size(); ++i) {
    const auto row = static_cast<Eigen::Index>(i);
    if (attention.mask.visible(i, out.rows.size(), keys) < least) continue;
    const double away = (out.values.row(row) - truth.values.row(row)).cast<double>().norm();
    const double size = out.values.row(row).cast<double>().norm();
    const auto [stated, met] = error(i);
    const bool exact = out.rows[i].path == AttentionPath::exact;
    // Exact rows differ by what rounding does.
    count.add(met, !exact && away > epsilon * size, !exact && away > stated * size, exact);
  }
}

/// What is stated.
inline auto stated(const AttentionOutput& out) {
  return [&out](std::size_t i) {
    return std::pair<double, bool>{static_cast<double>(out.rows[i].error), out.rows[i].target_met};
  };
}

inline KnnAttentionOptions honest_options(const AttentionOptions& attention, double epsilon) {
  KnnAttentionOptions options;
  options.index = KeyIndex::lists;  // however few the queries are
  options.attention = attention;
  options.accuracy = Accuracy(epsilon, 0.1);
  options.minimum_keys = 1024;
  return options;
}

/// The rule that counts nothing for what no draw met: c sd (1 + 8 / ESS) from the draws alone, of
/// every row of a fixed budget. One head; the deviation about o^ of what each draw adds.
inline std::vector<double> errors_by_draws_alone(const HeadsProblem& problem,
                                                 const AttentionOptions& attention,
                                                 const AttentionTape& tape, double delta) {
  const Eigen::MatrixXd k = problem.keys.cast<double>(), v = problem.values.cast<double>();
  std::vector<double> errors(problem.sizes.queries, 0.0);
  const double quantile = normal_quantile(1.0 - delta);
  for (const auto& segment : tape.segments)
    for (const auto& block : segment.blocks) {
      if (!block.sampled) continue;
      const auto draws = static_cast<Eigen::Index>(block.keys.size());
      for (std::size_t at = 0; at < block.rows.size(); ++at) {
        const std::size_t r = block.rows[at], query = tape.order[segment.first + r];
        const Eigen::VectorXd q =
            attention.scale.value_or(1.0 / std::sqrt(static_cast<double>(problem.sizes.d))) *
            problem.queries.row(static_cast<Eigen::Index>(query)).transpose().cast<double>();
        const Eigen::RowVectorXd o =
            tape.output.values.row(static_cast<Eigen::Index>(query)).cast<double>();
        Eigen::MatrixXd y = Eigen::MatrixXd::Zero(draws, v.cols());
        Eigen::VectorXd w = Eigen::VectorXd::Zero(draws);
        std::vector<bool> out(block.keys.size());
        for (const auto& range : block.excluded)
          if (range.row == at) std::fill(out.begin() + range.begin, out.begin() + range.end, true);
        for (Eigen::Index i = 0; i < draws; ++i) {
          if (out[static_cast<std::size_t>(i)]) continue;
          const auto key = static_cast<Eigen::Index>(block.keys[static_cast<std::size_t>(i)]);
          w[i] = std::exp(k.row(key).dot(q) + static_cast<double>(segment.log_weights[r]) -
                          segment.log_sums[r]);
          y.row(i) = w[i] * (v.row(key) - o);
        }
        const Eigen::MatrixXd centred = y.rowwise() - y.colwise().mean();
        const double effective = w.sum() * w.sum() / w.squaredNorm();
        // As many directions as values have is the smallest factor, one the largest: a middle.
        errors[query] = lazygumbel::detail::norm_quantile(4.0, quantile) * centred.norm() *
                        (1.0 + 8.0 / effective) / o.norm();
      }
    }
  return errors;
}

}  // namespace lazygumbel::testing
