#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "lazygumbel/attention/subgen/detail/key_clusters.hpp"
#include "lazygumbel/attention/subgen/detail/value_slots.hpp"
#include "lazygumbel/attention/subgen/sub_gen_options.hpp"
#include "lazygumbel/core/types.hpp"

/// \file
/// What a sketch of one kv head says of one query, and how far off that is.

namespace lazygumbel::detail {

/// What is known exactly of all tokens of a sketch; sums of values only with slots, which need
/// them.
struct TokenSums {
  std::size_t tokens = 0;
  double largest = 0.0;           ///< max |v|
  double squares = 0.0;           ///< sum |v|^2
  std::vector<double> value_sum;  ///< sum v
};

/// What members that no sample holds may be to a query, by the widths of the clusters. The part f
/// of a cluster is missed by t of its keys with probability (1 - f)^t at most, which is e^-L for
/// f = 1 - e^(-L / t); its weights lie in e^(s +- r_c rho), s the representative's score. Counts of
/// rare members are as good as Poisson's, and of a sum of such, each with a weight of its own, the
/// upper confidence limit is about that of what was seen and one more of the largest: so the
/// largest over the clusters, not the sum.
/// Source: Fay, Feuer, "Confidence Intervals for Directly Standardized Rates", Statistics in
/// Medicine 16, 1997.
struct HiddenMembers {
  double weight = 0.0;   ///< of all that one cluster may hide
  double shift = 0.0;    ///< the same, less as many times the mean weight of what was seen
  double squares = 0.0;  ///< of these weights

  /// n members, t of them seen, with the mean weight `mean` and all weights in [least, most].
  void add(double n, double t, double surprise, double mean, double least, double most) noexcept {
    const double part = (std::min)((n - t) / n, -std::expm1(-surprise / t)),
                 less = part / (1.0 - part);  // of what then is left: weights may be smaller, too
    weight = (std::max)(weight, n * (std::max)(part * most, less * mean));
    shift = (std::max)(shift, n * (std::max)(part * (most - mean), less * (mean - least)));
    squares = (std::max)(squares, n * part * most * most);
  }
};

/// What hidden weight, relative to a Z^ of which it concerns `share`, moves an output by in units
/// of the distance from the output to what is hidden; at most 1 / share.
inline double hidden_part(double hidden, double share) noexcept {
  return std::isinf(hidden) ? 1.0 / share : hidden / (1.0 + share * hidden);
}

/// Z^ = sum_c (n_c / t_c) sum_a w_ca over the samples of the clusters, relative to the largest
/// weight. Of the variance, plug-in: n_c^2 (1 / t_c - 1 / n_c) s_c^2, s_c^2 that of the weights of
/// the sample; certified: members lie within r_c of the representative, so that weights of a
/// cluster vary by e^(2 r_c rho) at most and s_c^2 <= (Z_c / n_c)^2 sinh^2(r_c rho) n_c / (n_c -
/// 1), rho = |scaled query| (Bhatia, Davis, "A Better Bound on the Variance", Amer. Math. Monthly
/// 107, 2000).
struct NormaliserEstimate {
  double largest = -std::numeric_limits<double>::infinity();  ///< score
  double sum = 0.0;                                           ///< Z^ e^-largest
  double variance = 0.0;                                      ///< of Z^ / Z, plug-in
  double certified = 0.0;                                     ///< bound on the same
  double squares = 0.0;  ///< |p|^2 = sum_j p_j^2, estimated likewise
  double seen = 0.0;     ///< the samples' own part of Z^
  HiddenMembers hidden;  ///< relative to Z^ and, of squares, Z^^2
};

/// Memory of one estimate, to be reused.
struct SketchWork {
  std::vector<float> weights, dealt;
  std::vector<std::uint32_t> batches;
  std::vector<double> of_cluster, squares_of_cluster;
  /// Factors of w - centre for the weights w of a cluster.
  struct Factors {
    double centre, of_sum, of_error;
  };
  std::vector<Factors> factors;
  RowMatrix<float> sums;       ///< a row for each batch of draws: weighted values
  std::vector<double> masses;  ///< and their weights
  std::vector<double> shares;  ///< of Z^, of the batches; without a part in it, none
  std::vector<float> sum;      ///< of all weighted values
  std::vector<double> output;
  /// One more sample of each cluster might have added weights of this sum of squares, to values of
  /// these sums and squares.
  struct Unseen {
    double weights = 0.0, squares = 0.0;
    std::vector<double> values;
  };
  Unseen unseen;

  /// Sums and output of dv numbers, all 0.
  template <std::same_as<float> Real = float>  // core/detail/later.hpp
  void start(std::size_t batch_count, std::size_t dv) {
    const std::size_t room = compared_width(dv);
    sums.setZero(static_cast<Eigen::Index>(batch_count), static_cast<Eigen::Index>(room));
    sum.assign(room, 0.0F);
    output.assign(dv, 0.0);
    unseen.weights = unseen.squares = 0.0;
    unseen.values.assign(dv, 0.0);
  }
};

/// scores -> e^(scores - largest); the largest of them. Throws where one is not finite.
template <std::same_as<float> Real>
double weigh(std::span<Real> scores) {
  Eigen::Map<Eigen::ArrayX<Real>> all(scores.data(), static_cast<Eigen::Index>(scores.size()));
  const float high = all.maxCoeff();
  if (!std::isfinite(high) || !std::isfinite(all.sum() * 0.0F))
    throw_invalid("scale * <query, key>", "inf or nan", "scores overflow float");
  all = (all - high).exp();
  return static_cast<double>(high);
}

/// Leaves e^(score - largest) of the clusters' samples in `work.weights`, what each cluster's sum
/// to in `of_cluster`, and the sums of their squares in `squares_of_cluster`. `surprise`: L, of
/// HiddenMembers.
template <StorageScalar T>
NormaliserEstimate estimate_normaliser(const KeyClusters<T>& clusters,
                                       const SketchKernels<T>& kernels, const float* query,
                                       double query_norm, float softcap, double surprise,
                                       const SketchKernels<float>& floats, SketchWork& work) {
  NormaliserEstimate estimate;
  const std::size_t rows = clusters.keys().rows();
  work.weights.resize(rows + 16);
  kernels.scores({clusters.keys().data(), rows, clusters.dimension()}, query, softcap,
                 work.weights.data());
  work.weights.resize(rows);
  estimate.largest = weigh(std::span<float>(work.weights));
  work.of_cluster.assign(clusters.clusters().size(), 0.0);
  work.squares_of_cluster.assign(clusters.clusters().size(), 0.0);
  for (std::size_t j = 0; j < rows; ++j) {
    const auto w = static_cast<double>(work.weights[j]);
    work.of_cluster[clusters.owners()[j]] += w;
    work.squares_of_cluster[clusters.owners()[j]] += w * w;
  }
  for (std::size_t c = 0; c < clusters.clusters().size(); ++c) {
    const auto& cluster = clusters.clusters()[c];
    const auto n = static_cast<double>(cluster.samples.seen()),
               t = static_cast<double>(cluster.samples.size());
    const double w = work.of_cluster[c], w2 = work.squares_of_cluster[c], mass = n / t * w;
    estimate.sum += mass;
    estimate.seen += w;
    estimate.squares += n / t * w2;
    if (!(n > t)) continue;
    float score[17];  // and room for whole lanes
    floats.scores({clusters.representative(c), 1, clusters.dimension()}, query, 0.0F, score);
    const auto weight_at = [&](double distance) {
      double s = static_cast<double>(score[0]) + distance;
      const auto cap = static_cast<double>(softcap);
      if (cap > 0.0) s = cap * std::tanh(s / cap);
      return std::exp(s - estimate.largest);
    };
    const double reach = cluster.radius * query_norm;
    estimate.hidden.add(n, t, surprise, w / t, weight_at(-reach), weight_at(reach));
    const double missing = 1.0 / t - 1.0 / n;
    estimate.variance += n * n * missing * (std::max)(0.0, (w2 - w * w / t) / (t - 1.0));
    if (!(mass > 0.0)) continue;
    const double spread = std::sinh(cluster.radius * query_norm);
    estimate.certified += mass * mass * missing * n / (n - 1.0) * spread * spread;
  }
  const double square = estimate.sum * estimate.sum;
  estimate.variance /= square;
  estimate.certified /= square;
  estimate.squares /= square;
  estimate.seen /= estimate.sum;
  estimate.hidden.weight /= estimate.sum;
  estimate.hidden.shift /= estimate.sum;
  estimate.hidden.squares /= square;
  return estimate;
}

/// What a sketch says of one query: Z^ and, in `output`, N^ / Z^.
struct SketchRow {
  NormaliserEstimate normaliser;
  double log_sum = -std::numeric_limits<double>::infinity();
  std::size_t rows_read = 0;
  bool exact = true;  ///< everything that the sketch has seen is in it
  // For the error: batches of draws, each with its sum of weighted values and of weights.
  std::size_t batches = 0;
  double scale = 0.0;     ///< of the sums, to what they add to the output
  double variance = 0.0;  ///< of the output: this times the variance of a batch's sum
};

/// Draws that are dealt to batches, as many to each.
constexpr std::size_t error_batches(std::size_t draws) noexcept {
  return (std::min)(draws, std::size_t{32});
}

/// N^ from values that lie beside the samples of the clusters, after `estimate_normaliser`. With
/// the mean value v_c of a cluster known, its part of N is Z_c v_c + (n_c - 1) S_wv, S_wv the
/// covariance of weights and values over its members, for which that over the sample is without
/// bias: errors are then as large as weights differ, not as values do. Members that are rarer than
/// one in t may differ from all of a sample whose weights are equal: what one more of each cluster
/// might have added, a weight off by min(1, sinh(r_c rho)) of the mean, is left in `work.unseen`.
///
/// The a-th samples of all clusters make an estimate of their own, for each a: the variance is seen
/// from t of those, dealt to batches, with the weight sqrt(1 - t / n_c) of sampling without
/// replacement.
template <StorageScalar T>
void estimate_stratified(const KeyClusters<T>& clusters, const SketchKernels<T>& kernels,
                         double query_norm, std::size_t tokens, SketchRow& row, SketchWork& work) {
  const std::size_t rows = clusters.keys().rows(), dv = clusters.values().width();
  const std::size_t t = clusters.samples_per_cluster();
  const std::size_t batches = error_batches(t), dealt = t / batches * batches;
  const auto all = static_cast<double>(tokens);
  const bool centred = clusters.value_sums().width() > 0;
  const double z = row.normaliser.sum / all;
  work.start(batches, dv);
  work.factors.resize(clusters.clusters().size());
  row.exact = true;
  for (std::size_t c = 0; c < clusters.clusters().size(); ++c) {
    const auto n = static_cast<double>(clusters.clusters()[c].samples.seen()),
               kept = static_cast<double>(clusters.clusters()[c].samples.size());
    const double mean = work.of_cluster[c] / kept;  // weight
    work.factors[c] = {
        .centre = centred ? mean : 0.0,
        .of_sum = centred ? (kept > 1.0 ? (n - 1.0) / (kept - 1.0) / all : 0.0) : n / kept / all,
        .of_error = n > kept ? n * std::sqrt(1.0 - kept / n) / all : 0.0};
    row.exact = row.exact && !(n > kept);
    if (!centred) continue;
    const double* const sums = clusters.value_sums().row(c);
    const double off = mean * n *
                       (std::min)(1.0, std::sinh(clusters.clusters()[c].radius * query_norm)) /
                       (kept + 1.0);
    const double unseen = (1.0 - kept / n) * off * off;
    work.unseen.weights += unseen;
    work.unseen.squares += unseen * sums[dv] / n;
    for (std::size_t i = 0; i < dv; ++i) {
      work.output[i] += mean * sums[i] / all;
      work.unseen.values[i] += unseen * sums[i] / n;
    }
  }
  work.dealt.resize(rows);
  work.batches.resize(rows);
  work.masses.assign(batches, 0.0);
  work.shares.assign(batches, 0.0);
  for (std::size_t j = 0; j < rows; ++j) {
    const std::uint32_t place = clusters.places()[j];
    const SketchWork::Factors& of = work.factors[clusters.owners()[j]];
    const double w = static_cast<double>(work.weights[j]) - of.centre;
    work.batches[j] = static_cast<std::uint32_t>(place % batches);
    work.dealt[j] = place < dealt ? static_cast<float>(w * of.of_error) : 0.0F;
    work.masses[place % batches] += static_cast<double>(work.dealt[j]);
    if (place < dealt)
      work.shares[place % batches] += static_cast<double>(work.weights[j]) * of.of_error;
    work.weights[j] = static_cast<float>(w * of.of_sum);
  }
  const KeptRows<T> values{clusters.values().data(), rows, dv};
  kernels.sum(values, work.weights.data(), work.sum.data());
  if (!row.exact)
    kernels.deal(values, {work.dealt.data(), work.batches.data(),
                          static_cast<std::size_t>(work.sums.cols()), work.sums.data()});
  for (std::size_t i = 0; i < dv; ++i)
    work.output[i] = (work.output[i] + static_cast<double>(work.sum[i])) / z;
  row.batches = row.exact ? 0 : batches;
  row.scale = 1.0 / z;
  row.variance = 1.0 / (static_cast<double>(dealt / batches) * static_cast<double>(t));
  for (double& share : work.shares) share /= z * static_cast<double>(t);
}

/// N^ from the slots, after `estimate_normaliser`. A slot's own key may outweigh Z^: it is a token,
/// so Z^ is then at least its weight.
template <StorageScalar T>
void estimate_from_slots(const ValueSlots<T>& slots, SubGenEstimator estimator,
                         const TokenSums& sums, std::size_t d, const SketchKernels<T>& kernels,
                         const float* query, float softcap, SketchRow& row, SketchWork& work) {
  const std::size_t filled = slots.filled(), dv = slots.values().width();
  const std::size_t uniform = slots.uniform_slots(), others = filled - uniform;
  const auto all = static_cast<double>(sums.tokens);
  row.exact = false;
  if (filled == 0) return work.start(0, dv);  // no value but 0
  std::size_t batches = error_batches(filled);
  for (const std::size_t some : {uniform, others})
    if (some > 0) batches = (std::min)(batches, some);
  work.weights.resize(filled + 16);
  kernels.scores({slots.keys().data(), filled, d}, query, softcap, work.weights.data());
  work.weights.resize(filled);
  const double largest = weigh(std::span<float>(work.weights));
  row.log_sum = (std::max)(row.log_sum, largest);
  work.dealt.resize(filled);
  work.batches.resize(filled);
  work.masses.assign(batches, 0.0);
  double mass = 0.0;
  for (std::size_t b = 0; b < filled; ++b) {
    const std::size_t at = b < uniform ? b : b - uniform, of = b < uniform ? uniform : others;
    const double a = static_cast<double>(work.weights[b]) * slots.tokens_of(b) / all;
    mass += a;
    work.weights[b] = static_cast<float>(a);
    work.batches[b] = static_cast<std::uint32_t>(at % batches);
    work.dealt[b] = at < of / batches * batches ? work.weights[b] : 0.0F;
    work.masses[at % batches] += static_cast<double>(work.dealt[b]);
  }
  const KeptRows<T> values{slots.values().data(), filled, dv};
  work.start(batches, dv);
  kernels.sum(values, work.weights.data(), work.sum.data());
  kernels.deal(values, {work.dealt.data(), work.batches.data(),
                        static_cast<std::size_t>(work.sums.cols()), work.sums.data()});
  const double factor = all * std::exp(largest - row.log_sum);
  for (std::size_t i = 0; i < dv; ++i) {
    const auto sum = static_cast<double>(work.sum[i]);
    const double mean = sums.value_sum[i] / all;
    if (estimator == SubGenEstimator::plain) work.output[i] = sum * factor;
    if (estimator == SubGenEstimator::self_normalised) work.output[i] = sum / mass;
    if (estimator == SubGenEstimator::mean_shifted)
      work.output[i] = mean + (sum - mean * mass) * factor;
  }
  row.batches = batches;
  row.scale = estimator == SubGenEstimator::self_normalised ? 1.0 / mass : factor;
  row.variance =
      static_cast<double>(filled) / static_cast<double>(uniform / batches + others / batches);
  work.shares.assign(batches, 0.0);
  if (estimator == SubGenEstimator::self_normalised)
    for (std::size_t b = 0; b < batches; ++b) work.shares[b] = work.masses[b] / mass;
}

}  // namespace lazygumbel::detail
