#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/attention/subgen/sub_gen_cache.hpp>
#include <limits>
#include <utility>
#include <vector>

#include "indexes.hpp"
#include "laws.hpp"

/// \file
/// Streams for a SubGenCache whose clusters are known, what attention to them is in double, and
/// what many caches with other seeds say.

namespace lazygumbel::testing {

/// One kv head; key i belongs to cluster owners[i].
struct SubGenProblem {
  RowMatrix<float> queries, keys, values;
  std::vector<std::size_t> owners;
  std::size_t clusters = 1;

  Eigen::Index tokens() const { return keys.rows(); }
  Eigen::Index m() const { return queries.rows(); }
};

/// Scores are <q, k>.
inline AttentionOptions unscaled() {
  AttentionOptions options;
  options.scale = 1.0;
  return options;
}

inline void set_norms(RowMatrix<float>& rows, double norm) {
  for (Eigen::Index i = 0; i < rows.rows(); ++i)
    rows.row(i) *= static_cast<float>(norm) / rows.row(i).norm();
}

/// Keys within 0.45 of 3 e_c, c = 0 .. 5 (so that they are clusters of radius 1 whatever comes
/// first), 1 to 6 parts of 21 of them; values of norms from 0 to about 4, larger in some clusters;
/// queries of norm `rho`. In random order. The seventh dimension is empty.
inline SubGenProblem separated_problem(Eigen::Index n, Eigen::Index m, double rho,
                                       std::uint64_t seed, Eigen::Index dv = 3) {
  constexpr std::size_t clusters = 6;
  constexpr Eigen::Index d = 7;
  SubGenProblem p{gaussian_rows<float>(m, d, seed),
                  gaussian_rows<float>(n, d, seed + 1),
                  gaussian_rows<float>(n, dv, seed + 2),
                  {},
                  clusters};
  p.queries.col(d - 1).setZero();
  p.keys.col(d - 1).setZero();
  set_norms(p.queries, rho);
  set_norms(p.keys, 0.45);
  PhiloxEngine engine(seed, 99);
  for (Eigen::Index i = 0; i < n; ++i) {
    std::size_t c = 0;
    for (std::uint32_t part = uniform_index(21, engine); part > c; ++c)
      part -= static_cast<std::uint32_t>(c) + 1;
    p.owners.push_back(c);
    p.keys.row(i) *= static_cast<float>(open_uniform(engine));
    p.keys(i, static_cast<Eigen::Index>(c)) += 3.0F;
    p.values.row(i).array() += 0.5F + 0.2F * static_cast<float>(c);
  }
  p.values.row(n / 2).setZero();
  return p;
}

/// One cluster: keys N(0, I), queries with logits N(0, sigma^2), values N(mean, 1).
inline SubGenProblem flat_problem(Eigen::Index n, Eigen::Index m, double sigma, double mean,
                                  std::uint64_t seed, Eigen::Index dv = 3) {
  SubGenProblem p{gaussian_rows<float>(m, 7, seed), gaussian_rows<float>(n, 7, seed + 1),
                  gaussian_rows<float>(n, dv, seed + 2),
                  std::vector<std::size_t>(static_cast<std::size_t>(n), 0), 1};
  set_norms(p.queries, sigma);
  p.values.array() += static_cast<float>(mean);
  return p;
}

/// `p` with a token at `at` that no other key is near to, of which each query's weight is
/// e^`excess` times that of all others; its value has norm `norm`.
inline SubGenProblem with_needle(SubGenProblem p, Eigen::Index at, double excess, double norm) {
  const Eigen::Index last = p.keys.cols() - 1;
  const auto far = 20.0F;
  p.keys.row(at).setZero();
  p.keys(at, last) = far;
  p.values.row(at).setConstant(0.0F);
  p.values(at, 0) = static_cast<float>(-norm);
  p.owners[static_cast<std::size_t>(at)] = p.clusters++;
  for (Eigen::Index i = 0; i < p.m(); ++i) {
    double others = 0.0;
    for (Eigen::Index j = 0; j < p.tokens(); ++j)
      if (j != at)
        others += std::exp(
            static_cast<double>(p.queries.row(i).head(last).dot(p.keys.row(j).head(last))));
    p.queries(i, last) = static_cast<float>((std::log(others) + excess) / far);
  }
  return p;
}

/// Weights e^<q, k_j> of one query, their sums, and the variances of estimates, as formulas say.
struct SubGenTruth {
  std::vector<double> weights;
  double z = 0.0;
  Vector<double> n;  ///< sum w v
  Vector<double> o;  ///< n / z

  SubGenTruth(const SubGenProblem& p, Eigen::Index i) : n(Vector<double>::Zero(p.values.cols())) {
    for (Eigen::Index j = 0; j < p.tokens(); ++j) {
      const double w = std::exp(p.queries.row(i).cast<double>().dot(p.keys.row(j).cast<double>()));
      weights.push_back(w);
      z += w;
      n += w * p.values.row(j).cast<double>().transpose();
    }
    o = n / z;
  }

  /// E |N^ - N|^2 / Z^2 of s slots of `plain`: (|V|_F^2 |p|^2 - |o|^2) / s.
  double plain_variance(const SubGenProblem& p, double slots) const {
    double squares = 0.0;
    for (const double w : weights) squares += w / z * (w / z);
    return (p.values.cast<double>().squaredNorm() * squares - o.squaredNorm()) / slots;
  }

  /// Of sum_c (n_c / t_c) sum_a f_ca over samples without replacement, f_j a row of `f`:
  /// sum_c n_c^2 (1 / t_c - 1 / n_c) s_c^2 with the variance s_c^2 of f in the cluster.
  static double sample_variance(const SubGenProblem& p, const RowMatrix<double>& f, double t) {
    double variance = 0.0;
    for (std::size_t c = 0; c < p.clusters; ++c) {
      double n = 0.0, squares = 0.0;
      Vector<double> sum = Vector<double>::Zero(f.cols());
      for (Eigen::Index j = 0; j < f.rows(); ++j)
        if (p.owners[static_cast<std::size_t>(j)] == c) {
          n += 1.0;
          squares += f.row(j).squaredNorm();
          sum += f.row(j).transpose();
        }
      if (n > t)
        variance += n * n * (1.0 / t - 1.0 / n) * (squares - sum.squaredNorm() / n) / (n - 1.0);
    }
    return variance;
  }

  /// Var Z^ / Z^2.
  double normaliser_variance(const SubGenProblem& p, double t) const {
    RowMatrix<double> f(p.tokens(), 1);
    for (Eigen::Index j = 0; j < f.rows(); ++j) f(j, 0) = weights[static_cast<std::size_t>(j)] / z;
    return sample_variance(p, f, t);
  }

  /// E |N^ - N|^2 / Z^2 of `stratified`.
  double stratified_variance(const SubGenProblem& p, double t) const {
    RowMatrix<double> f = p.values.cast<double>();
    for (Eigen::Index j = 0; j < f.rows(); ++j)
      f.row(j) *= weights[static_cast<std::size_t>(j)] / z;
    return sample_variance(p, f, t);
  }

  /// E |o^ - o|^2 to first order, o^ = N^ / Z^ from samples with values beside them: the variance
  /// of (w - m) (v - o), m = 0 or, `centred`, the mean weight of the cluster.
  double ratio_variance(const SubGenProblem& p, double t, bool centred) const {
    std::vector<double> mean(p.clusters), count(p.clusters);
    for (std::size_t j = 0; j < weights.size(); ++j) {
      mean[p.owners[j]] += weights[j] / z;
      count[p.owners[j]] += 1.0;
    }
    RowMatrix<double> f = p.values.cast<double>().rowwise() - o.transpose();
    for (std::size_t j = 0; j < weights.size(); ++j) {
      const std::size_t c = p.owners[j];
      f.row(static_cast<Eigen::Index>(j)) *= weights[j] / z - (centred ? mean[c] / count[c] : 0.0);
    }
    return sample_variance(p, f, t);
  }

  /// sum_c (Z_c / Z)^2 sinh^2(radius rho) / t, an upper bound of the normaliser's variance.
  double sinh_bound(const SubGenProblem& p, double radius, double rho, double t) const {
    std::vector<double> mass(p.clusters);
    for (std::size_t j = 0; j < weights.size(); ++j) mass[p.owners[j]] += weights[j] / z;
    double bound = 0.0;
    for (const double share : mass) bound += share * share;
    return bound * std::pow(std::sinh(radius * rho), 2) / t;
  }
};

/// What one estimate says of one query.
struct SubGenEstimate {
  double z = 0.0;
  Vector<double> n;
};

/// Estimates of many seeds, relative to the truth.
class SubGenRuns {
 public:
  /// estimate(seed) gives one SubGenEstimate a query.
  template <class Estimate>
  SubGenRuns(const SubGenProblem& p, std::size_t runs, Estimate&& estimate) {
    for (Eigen::Index i = 0; i < p.m(); ++i) truth_.emplace_back(p, i);
    z_.resize(truth_.size());
    z_errors_.resize(truth_.size());
    n_.resize(truth_.size() * static_cast<std::size_t>(p.values.cols()));
    n_errors_.resize(truth_.size());
    for (std::size_t run = 0; run < runs; ++run) {
      const std::vector<SubGenEstimate> found = estimate(run);
      for (std::size_t i = 0; i < truth_.size(); ++i) {
        const SubGenTruth& is = truth_[i];
        z_[i].push_back(found[i].z / is.z - 1.0);
        z_errors_[i].push_back(z_[i].back() * z_[i].back());
        const Vector<double> off = (found[i].n - is.n) / is.z;
        n_errors_[i].push_back(off.squaredNorm());
        for (Eigen::Index c = 0; c < off.size(); ++c)
          n_[i * static_cast<std::size_t>(off.size()) + static_cast<std::size_t>(c)].push_back(
              off[c]);
      }
    }
  }

  const SubGenTruth& truth(std::size_t i) const { return truth_[i]; }
  std::size_t queries() const { return truth_.size(); }
  /// Z^ / Z - 1 of query i.
  const std::vector<double>& normalisers(std::size_t i) const { return z_[i]; }
  /// (N^ - N) / Z of query i, entry c.
  const std::vector<double>& numerators(std::size_t i, std::size_t c) const {
    return n_[i * (n_.size() / truth_.size()) + c];
  }

  // The smallest p-value over all queries (and entries) of the z-tests that ...
  double p_of_normalisers() const { return smallest(z_); }  ///< E Z^ = Z
  double p_of_numerators() const { return smallest(n_); }   ///< E N^ = N
  /// E (Z^ - Z)^2 / Z^2 = expected[i].
  double p_of_normaliser_errors(const std::vector<double>& expected) const {
    return smallest(z_errors_, expected);
  }
  /// E |N^ - N|^2 / Z^2 = expected[i].
  double p_of_numerator_errors(const std::vector<double>& expected) const {
    return smallest(n_errors_, expected);
  }
  /// The largest relative error of a formula of numerators' errors that p < 1e-6 misses with
  /// probability above 0.1, over all queries: (4.89 + 1.28) standard errors.
  double smallest_defect() const {
    double worst = 0.0;
    for (const auto& errors : n_errors_) {
      const auto [mean, variance] = mean_and_variance(errors);
      worst =
          std::max(worst, 6.18 * std::sqrt(variance / static_cast<double>(errors.size())) / mean);
    }
    return worst;
  }

 private:
  static double smallest(const std::vector<std::vector<double>>& samples,
                         const std::vector<double>& expected = {}) {
    double p = 1.0;
    for (std::size_t i = 0; i < samples.size(); ++i)
      p = std::min(p, z_test_p_value(z_of_mean(samples[i], expected.empty() ? 0.0 : expected[i])));
    return p;
  }

  std::vector<SubGenTruth> truth_;
  std::vector<std::vector<double>> z_, z_errors_, n_, n_errors_;
};

/// A cache of this seed that saw the stream, at once or as caches merged at the tokens `cuts`.
inline SubGenCache<float> sub_gen_cache(const SubGenProblem& p, const SubGenOptions& options,
                                        std::uint64_t seed,
                                        const std::vector<Eigen::Index>& cuts = {}) {
  PhiloxEngine engine(seed, 7);
  const auto part = [&](Eigen::Index from, Eigen::Index to) {
    SubGenCache<float> cache(1, static_cast<std::size_t>(p.keys.cols()),
                             static_cast<std::size_t>(p.values.cols()), options, engine);
    cache.append(p.keys.middleRows(from, to - from), p.values.middleRows(from, to - from));
    return cache;
  };
  auto cache = part(0, cuts.empty() ? p.tokens() : cuts[0]);
  for (std::size_t k = 0; k < cuts.size(); ++k)
    cache.merge(part(cuts[k], k + 1 < cuts.size() ? cuts[k + 1] : p.tokens()));
  return cache;
}

inline SubGenRuns run_caches(const SubGenProblem& p, const SubGenOptions& options, std::size_t runs,
                             std::uint64_t seed, const std::vector<Eigen::Index>& cuts = {}) {
  return {p, runs, [&, seed](std::size_t run) {
            const auto cache = sub_gen_cache(p, options, seed * 1'000'000 + run, cuts);
            const AttentionOutput out = cache.attend(p.queries, unscaled());
            std::vector<SubGenEstimate> found;
            for (Eigen::Index i = 0; i < p.m(); ++i) {
              const double z = std::exp(out.log_sum_exp(i, 0));
              found.push_back({z, z * out.values.row(i).cast<double>().transpose()});
            }
            return found;
          }};
}

/// How often |o^ - o| > error |o^| in outputs of `runs` seeds, for each query.
inline std::vector<std::uint64_t> count_misses(const SubGenProblem& p, const SubGenOptions& options,
                                               std::size_t runs, std::uint64_t seed) {
  std::vector<Vector<double>> truth;
  for (Eigen::Index i = 0; i < p.m(); ++i) truth.push_back(SubGenTruth(p, i).o);
  std::vector<std::uint64_t> misses(truth.size());
  for (std::size_t run = 0; run < runs; ++run) {
    const auto cache = sub_gen_cache(p, options, seed * 1'000'000 + run);
    const AttentionOutput out = cache.attend(p.queries, unscaled());
    for (std::size_t i = 0; i < truth.size(); ++i) {
      const Vector<double> o = out.values.row(static_cast<Eigen::Index>(i)).cast<double>();
      // 1e-6: outputs are float.
      misses[i] += (o - truth[i]).norm() >
                   static_cast<double>(out.rows[i].error) * o.norm() + 1e-6 * truth[i].norm();
    }
  }
  return misses;
}

}  // namespace lazygumbel::testing
