#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <vector>

#include "lazygumbel/core/parameters.hpp"
#include "lazygumbel/estimation/estimate.hpp"
#include "lazygumbel/estimation/from_draws.hpp"
#include "lazygumbel/sampling/lazy_sampler.hpp"

namespace lazygumbel {

struct AttentionDrawsOptions {
  std::optional<double> scale{};  ///< of the scores; none: 1 / sqrt(d); finite, may be negative
  LazySamplerOptions sampler{};   ///< keys to retrieve, and the gap of an approximate index
};

/// An estimate of o = sum_j p_j v_j from draws, and what they cost.
struct DrawnAttention {
  VectorEstimate output;
  /// Of the draws. Unlike head + tail estimates, these rest on trace.guarantee: where the bound is
  /// too low (trace.violations tells), the draws come from scores clipped at it, and `output` is
  /// biased.
  Trace trace;
};

/// The draws that a median of means takes.
struct MedianOfMeansSize {
  std::size_t blocks;      ///< B = ceil(8 ln(dv / delta))
  std::size_t block_size;  ///< b = max(2, ceil(4 s^2 / epsilon^2))
  std::size_t draws() const noexcept { return blocks * block_size; }
};

/// Positions j ~ p_j = exp(scale <q, k_j>) / Z drawn from rows of attention over all n keys of an
/// index, and estimates of the output o = sum_j p_j v_j from them. Adapts LazySampler (theta =
/// scale q), mean_from_draws and median_of_means to keys, values and scale: one retrieval serves
/// all draws of a query, which then cost about k + t n/k rows, least at k = sqrt(t n).
///
/// For the output alone, SoftmaxExpectation over the same index errs far less at the same rows
/// (docs/attention_estimators.md): draw where a position is wanted, as in a random walk.
///
/// The law is exact when the index's bound (plus gap) holds: certified for FlatIndex and
/// ScalarQuantizedIndex. Draws over an approximate list without a gap are biased: a key that the
/// search missed counts as if its score were the k-th one found. Trace says which it is.
///
/// Full attention only: all keys of the index are seen. A causal mask wants an index of each prefix
/// (RowSteps walks over such): of the best of all keys a filter may leave none, and the bound on
/// the others, though true, may be far above the prefix.
///
/// Refers to the index, which must outlive it. const and thread-safe, each thread with its own
/// engine. Everywhere: throws std::invalid_argument on queries or values of a wrong shape or that
/// are not finite, index_error on a broken index. Source: Mussmann, Levy, Ermon, UAI 2017,
/// Algorithm 1 (draws); Haris, "kNN Attention Demystified: A Theoretical Exploration for Scalable
/// Transformers", ICLR 2025 (attention as expectations over them).
template <MipsIndex Index>
class AttentionDraws {
 public:
  using scalar_type = typename Index::scalar_type;

  /// Throws std::invalid_argument when the index is empty, k exceeds n or the scale is not finite.
  explicit AttentionDraws(const Index& keys, AttentionDrawsOptions options = {})
      : sampler_(keys, options.sampler),
        scale_(options.scale.value_or(1.0 / std::sqrt(static_cast<double>(keys.dimension())))) {
    if (!std::isfinite(scale_)) detail::throw_invalid("scale", scale_, "must be finite");
  }
  explicit AttentionDraws(const Index&&, AttentionDrawsOptions = {}) = delete;

  const Index& index() const noexcept { return sampler_.index(); }
  const LazySampler<Index>& sampler() const noexcept { return sampler_; }
  double scale() const noexcept { return scale_; }

  /// `count` independent positions for one query, after one retrieval.
  template <BitGenerator Engine>
  Draws sample(const VectorView<scalar_type>& query, std::size_t count, Engine& engine) const {
    detail::require_query<scalar_type>("query", query, index().dimension());
    const Vector<scalar_type> theta = static_cast<scalar_type>(scale_) * query;
    return sampler_.sample(theta, count, engine);
  }

  /// One position for each row of `queries` (m x d) on up to `threads` threads (0: all); row j
  /// draws from stream j of a seed taken from `engine`, so the answer does not depend on their
  /// number. Copies the queries.
  template <BitGenerator Engine>
  std::vector<Draw> sample_batch(const MatrixView<scalar_type>& queries, Engine& engine,
                                 std::size_t threads = 1) const {
    require_columns(queries.cols());
    detail::require_finite<scalar_type>("queries", queries);
    const RowMatrix<scalar_type> thetas = static_cast<scalar_type>(scale_) * queries;
    return sampler_.sample_batch(thetas, engine, threads);
  }

  /// The mean of v_j over `count` >= 2 draws: unbiased, E|o^ - o|^2 = sum_j p_j |v_j - o|^2 /
  /// count. `values` is n x dv; the rows drawn are read. O(count dv) after the draws.
  template <class Derived, BitGenerator Engine>
  DrawnAttention mean(const VectorView<scalar_type>& query,
                      const Eigen::MatrixBase<Derived>& values, std::size_t count, Engine& engine,
                      Confidence confidence = Confidence(0.95)) const {
    require_values(values);
    if (count < 2) detail::throw_invalid("count", count, "must be at least 2");
    DrawnAttention answer = by_coordinate(
        values, sample(query, count, engine), confidence, [&](const auto& f, const auto& ids) {
          return mean_from_draws(f, std::span<const item_id>(ids), confidence);
        });
    // A Gaussian vector of total variance s^2 stays within s (1 + sqrt(2 log(1 / delta))).
    const double factor = values.cols() == 1
                              ? normal_quantile(0.5 + confidence.level() / 2.0)
                              : 1.0 + std::sqrt(-2.0 * std::log(1.0 - confidence.level()));
    answer.output.error_norm = factor * answer.output.standard_error.norm();
    return answer;
  }

  /// The draws after which median_of_means keeps |o^ - o| <= epsilon in each of dv coordinates at
  /// once with probability 1 - delta. Throws std::invalid_argument unless the target is absolute,
  /// the deviation positive and finite, and the number of draws below 2^32.
  static MedianOfMeansSize median_of_means_size(std::size_t dv, double deviation, Accuracy target) {
    if (dv == 0) detail::throw_invalid("dv", dv, "must be at least 1");
    if (target.scale() != ErrorScale::absolute)
      detail::throw_invalid("target.scale()", "relative", "must be absolute");
    if (!(deviation > 0.0 && std::isfinite(deviation)))
      detail::throw_invalid("deviation", deviation, "must be positive and finite");
    const double ratio = deviation / target.epsilon();
    const double size = (std::max)(2.0, std::ceil(4.0 * ratio * ratio));
    const std::size_t blocks = blocks_of(dv, target.delta());
    if (!(size * static_cast<double>(blocks) < 0x1p32))
      detail::throw_invalid("deviation / epsilon", ratio, "needs 2^32 draws or more");
    return {blocks, static_cast<std::size_t>(size)};
  }

  /// The median, coordinate by coordinate, of the means of v_j over B blocks of b draws:
  /// |o^ - o| <= epsilon in every coordinate at once with probability 1 - delta, whatever the
  /// values' tails, when `deviation` is at least s = max_c sd_p(v_c) (half the range of the values
  /// always is). About 32 s^2 ln(dv / delta) / epsilon^2 draws. output.error_norm = epsilon
  /// sqrt(dv). Source: Haris, ICLR 2025.
  template <class Derived, BitGenerator Engine>
  DrawnAttention median_of_means(const VectorView<scalar_type>& query,
                                 const Eigen::MatrixBase<Derived>& values, double deviation,
                                 Accuracy target, Engine& engine) const {
    require_values(values);
    const auto dv = static_cast<std::size_t>(values.cols());
    const MedianOfMeansSize size = median_of_means_size(dv, deviation, target);
    const Confidence each = confidence_of_each(dv, target.delta());
    DrawnAttention answer =
        by_coordinate(values, sample(query, size.draws(), engine), Confidence(1.0 - target.delta()),
                      [&](const auto& f, const auto& ids) {
                        return lazygumbel::median_of_means(f, std::span<const item_id>(ids), each);
                      });
    answer.output.error_norm = target.epsilon() * std::sqrt(static_cast<double>(dv));
    return answer;
  }

 private:
  void require_columns(Eigen::Index columns) const {
    if (static_cast<std::size_t>(columns) != index().dimension())
      detail::throw_invalid(
          "queries.cols()", columns,
          "must equal the index's dimension " + detail::text_of(index().dimension()));
  }

  template <class Derived>
  void require_values(const Eigen::MatrixBase<Derived>& values) const {
    if (static_cast<std::size_t>(values.rows()) != index().size())
      detail::throw_invalid("values.rows()", values.rows(),
                            "must equal the index's size " + detail::text_of(index().size()));
    if (values.cols() < 1)
      detail::throw_invalid("values.cols()", values.cols(), "must be at least 1");
  }

  /// A union bound over the coordinates.
  static Confidence confidence_of_each(std::size_t dv, double delta) {
    return Confidence(1.0 - delta / static_cast<double>(dv));
  }

  /// The number of blocks that lazygumbel::median_of_means makes for one coordinate.
  static std::size_t blocks_of(std::size_t dv, double delta) {
    const double each = 1.0 - confidence_of_each(dv, delta).level();
    return static_cast<std::size_t>(std::ceil(8.0 * std::log(1.0 / each)));
  }

  template <class Derived, class Estimator>
  static DrawnAttention by_coordinate(const Eigen::MatrixBase<Derived>& values, const Draws& draws,
                                      Confidence confidence, const Estimator& estimator) {
    DrawnAttention answer{{}, draws.trace};
    VectorEstimate& output = answer.output;
    output.value.resize(values.cols());
    output.standard_error.resize(values.cols());
    output.confidence = confidence.level();
    output.trace = {.head_size = draws.trace.head_size,
                    .samples = draws.ids.size(),
                    .guarantee = draws.trace.guarantee};
    for (Eigen::Index c = 0; c < values.cols(); ++c) {
      const auto f = [&](item_id id) {
        const auto value = static_cast<double>(values(static_cast<Eigen::Index>(id), c));
        if (!std::isfinite(value))
          detail::throw_invalid("values(" + detail::text_of(id) + ", " + detail::text_of(c) + ")",
                                value, "must be finite");
        return value;
      };
      const Estimate estimate = estimator(f, draws.ids);
      output.value[c] = estimate.value;
      output.standard_error[c] = estimate.standard_error;
    }
    return answer;
  }

  LazySampler<Index> sampler_;
  double scale_;
};

}  // namespace lazygumbel
