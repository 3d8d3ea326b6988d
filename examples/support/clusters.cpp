#include <Random123/philox.h>

#include <Random123/boxmuller.hpp>
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "datasets.hpp"

namespace lazygumbel_datasets {
namespace {

/// What a random word is for; each purpose has counters of its own.
enum class Purpose : std::uint32_t { centre, cluster, noise };

/// Four words of Philox 4x32-10, addressed by purpose, row and block.
r123::Philox4x32::ctr_type random_words(std::uint64_t seed, Purpose purpose, Eigen::Index row,
                                        Eigen::Index block) {
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  const auto i = static_cast<std::uint64_t>(row);
  return r123::Philox4x32()({{low(static_cast<std::uint64_t>(block)), low(i), high(i),
                              static_cast<std::uint32_t>(purpose)}},
                            {{low(seed), high(seed)}});
}

std::uint64_t join(std::uint32_t low, std::uint32_t high) {
  return low | static_cast<std::uint64_t>(high) << 32;
}

/// Fills `values` with independent standard Gaussians.
void fill_gaussian(std::uint64_t seed, Purpose purpose, Eigen::Index row,
                   Eigen::RowVectorXd& values) {
  for (Eigen::Index j = 0; j < values.size(); j += 2) {
    const auto words = random_words(seed, purpose, row, j / 2);
    const auto pair = r123::boxmuller(join(words[0], words[1]), join(words[2], words[3]));
    values[j] = pair.x;
    if (j + 1 < values.size()) values[j + 1] = pair.y;
  }
}

/// Cumulative sums of 1/c, c = 1..count.
std::vector<double> zipf_sums(Eigen::Index count) {
  std::vector<double> sums;
  double sum = 0;
  for (Eigen::Index c = 1; c <= count; ++c) sums.push_back(sum += 1.0 / static_cast<double>(c));
  return sums;
}

/// Standard deviations s_j of the noise: s_j^2 proportional to j^(-3/2), summing to 1.
Eigen::RowVectorXd noise_shape(Eigen::Index d) {
  Eigen::RowVectorXd shape(d);
  double sum = 0;
  for (Eigen::Index j = 0; j < d; ++j) {
    const auto rank = static_cast<double>(j + 1);
    const double variance = 1 / (rank * std::sqrt(rank));
    shape[j] = std::sqrt(variance);
    sum += variance;
  }
  return shape / std::sqrt(sum);
}

void require(bool valid, const std::string& parameter, const std::string& value) {
  if (!valid) throw std::invalid_argument("clusters: " + parameter + " is " + value);
}

}  // namespace

Dataset clusters(Eigen::Index n, Eigen::Index d, std::uint64_t seed, Eigen::Index cluster_count,
                 double spread) {
  require(n >= 1, "n", std::to_string(n));
  require(d >= 1 && d <= max_dimension, "d", std::to_string(d));
  require(cluster_count >= 1, "cluster_count", std::to_string(cluster_count));
  require(std::isfinite(spread) && spread >= 0, "spread", std::to_string(spread));

  Eigen::RowVectorXd gaussian(d);
  Matrix centres(cluster_count, d);
  for (Eigen::Index c = 0; c < cluster_count; ++c) {
    fill_gaussian(seed, Purpose::centre, c, gaussian);
    centres.row(c) = gaussian.normalized().cast<float>();
  }

  const std::vector<double> sums = zipf_sums(cluster_count);
  const Eigen::RowVectorXd scale = spread * noise_shape(d);
  Dataset data;
  data.rows.resize(n, d);
  for (Eigen::Index i = 0; i < n; ++i) {
    const auto words = random_words(seed, Purpose::cluster, i, 0);
    const double target = r123::u01<double>(join(words[0], words[1])) * sums.back();
    const auto c = std::lower_bound(sums.begin(), sums.end(), target) - sums.begin();
    fill_gaussian(seed, Purpose::noise, i, gaussian);
    gaussian.array() *= scale.array();
    gaussian += centres.row(c).cast<double>();
    data.rows.row(i) = gaussian.normalized().cast<float>();
  }
  data.name = "clusters";
  data.source = std::to_string(n) + " made-up unit vectors of dimension " + std::to_string(d) +
                " in " + std::to_string(cluster_count) + " clusters (seeded generator, seed " +
                std::to_string(seed) + ")";
  return data;
}

}  // namespace lazygumbel_datasets
