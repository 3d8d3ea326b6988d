#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/estimation/bounded_function.hpp"
#include "lazygumbel/estimation/detail/function_range.hpp"
#include "lazygumbel/estimation/detail/head_tail.hpp"
#include "lazygumbel/estimation/detail/ratio_sums.hpp"
#include "lazygumbel/estimation/detail/sample_size.hpp"
#include "lazygumbel/estimation/estimate.hpp"
#include "lazygumbel/estimation/normal_quantile.hpp"

namespace lazygumbel {

/// f: item -> number. (An Eigen matrix is callable with one index too, but means a matrix here.)
template <class F>
concept ScalarFunction =
    !std::derived_from<F, Eigen::EigenBase<F>> && std::regular_invocable<const F&, item_id> &&
    std::convertible_to<std::invoke_result_t<const F&, item_id>, double>;

/// f: item -> Eigen vector, of the same size for every item.
template <class F>
concept VectorFunction =
    !std::derived_from<F, Eigen::EigenBase<F>> && std::regular_invocable<const F&, item_id> &&
    !ScalarFunction<F> && requires(const F& f, item_id id) {
  f(id).template cast<double>().eval().size();
};

/// E_p[f] = sum_i p_i f(i) under the softmax p_i = exp(<theta, x_i>) / Z, by the ratio
///   Fhat = (sum_S e^y f + (1 / l) sum_T e^y f / q) / (sum_S e^y + (1 / l) sum_T e^y / q),
/// the same l tail items T in both sums, drawn with probabilities q: the index's own proposals or
/// uniform, q = 1 / N. Consistent, bias O(1 / l); the standard error is that of the delta method,
/// sd(e^y (f - Fhat) / q) / (sqrt(l) Zhat). f is given as a scalar
/// function, a function that returns an Eigen vector, or an n x m matrix whose row i is f(i).
///
/// What no draw met may have a share of log(1 / delta) / l of the draws, but with probability
/// delta, and values as far from Fhat as f has any. Errors allow for that
/// (EstimateTrace::covers_unseen) with an Accuracy, and wherever f is a BoundedFunction; with a
/// fixed budget and another f they are the central limit theorem's for what was met, and rare large
/// values may be missing in them.
///
/// const and thread-safe when f is; the index must outlive it. Everywhere: throws
/// std::invalid_argument on a bad theta or option, on f(i) that is NaN or infinite where it was
/// looked at, and when every item is masked; index_error on a broken index. Source: Mussmann, Levy,
/// Ermon 2017, section 3.4; docs/algorithms.md, section 4.
template <MipsIndex Index>
class SoftmaxExpectation {
 public:
  using scalar_type = typename Index::scalar_type;

  explicit SoftmaxExpectation(const Index& index, EstimatorOptions options = {})
      : index_(&index), options_(options), k_(detail::resolve_options(options, index)) {}
  explicit SoftmaxExpectation(const Index&&, EstimatorOptions = {}) = delete;

  /// Fixed budget: `tail_samples` >= 2 rows of the tail.
  template <ScalarFunction F, BitGenerator Engine>
  Estimate estimate(const VectorView<scalar_type>& theta, const F& f, std::size_t tail_samples,
                    Engine& engine) const {
    return scalar(fixed(theta, as_column(f), stated(f), tail_samples, engine));
  }

  template <VectorFunction F, BitGenerator Engine>
  VectorEstimate estimate(const VectorView<scalar_type>& theta, const F& f,
                          std::size_t tail_samples, Engine& engine) const {
    return fixed(theta, f, stated(f), tail_samples, engine);
  }

  /// `values` (n x m): E_p of its rows, an m-vector.
  template <class Derived, BitGenerator Engine>
  VectorEstimate estimate(const VectorView<scalar_type>& theta,
                          const Eigen::MatrixBase<Derived>& values, std::size_t tail_samples,
                          Engine& engine) const {
    return fixed(theta, as_rows(values), {}, tail_samples, engine);
  }

  /// A number of samples is whole; an accuracy is Accuracy(epsilon, delta).
  template <class Values, std::floating_point Number, BitGenerator Engine>
  void estimate(const VectorView<scalar_type>&, const Values&, Number, Engine&) const = delete;

  /// |Fhat - F| <= epsilon |Fhat| (relative scale) or <= epsilon (absolute), in the Euclidean norm
  /// for vectors, with probability at least about 1 - delta, whatever the values, if the index's
  /// bound holds; the exhaustive sum where that is cheaper, which also serves a relative target on
  /// F = 0. Asks f for all n values, to know how large they are, unless it is a BoundedFunction.
  template <ScalarFunction F, BitGenerator Engine>
  Estimate estimate(const VectorView<scalar_type>& theta, const F& f, Accuracy target,
                    Engine& engine) const {
    return scalar(adaptive(theta, as_column(f), stated(f), target, engine));
  }

  template <VectorFunction F, BitGenerator Engine>
  VectorEstimate estimate(const VectorView<scalar_type>& theta, const F& f, Accuracy target,
                          Engine& engine) const {
    return adaptive(theta, f, stated(f), target, engine);
  }

  template <class Derived, BitGenerator Engine>
  VectorEstimate estimate(const VectorView<scalar_type>& theta,
                          const Eigen::MatrixBase<Derived>& values, Accuracy target,
                          Engine& engine) const {
    return adaptive(theta, as_rows(values), {}, target, engine);
  }

  /// The exhaustive ratio: every item, O(n (d + m)).
  template <ScalarFunction F>
  Estimate exact(const VectorView<scalar_type>& theta, const F& f) const {
    return scalar(exact_vector(theta, as_column(f)));
  }

  template <VectorFunction F>
  VectorEstimate exact(const VectorView<scalar_type>& theta, const F& f) const {
    return exact_vector(theta, f);
  }

  template <class Derived>
  VectorEstimate exact(const VectorView<scalar_type>& theta,
                       const Eigen::MatrixBase<Derived>& values) const {
    return exact_vector(theta, as_rows(values));
  }

 private:
  using Sums = detail::RatioSums<>;
  /// The range of the values, where it is known.
  using Ball = std::optional<detail::FunctionRange>;

  template <class F>
  static Ball stated(const F& f) {
    if constexpr (requires { f.centre(), f.radius(); })
      return detail::FunctionRange::stated_by(f);
    else
      return std::nullopt;
  }

  template <ScalarFunction F>
  static auto as_column(const F& f) {
    return [&f](item_id id) {
      return Eigen::Matrix<detail::Later<double, F>, 1, 1>::Constant(static_cast<double>(f(id)))
          .eval();
    };
  }

  template <class Derived>
  auto as_rows(const Eigen::MatrixBase<Derived>& values) const {
    if (values.rows() != static_cast<Eigen::Index>(index_->size()))
      detail::throw_invalid("values.rows()", values.rows(),
                            "must equal the index's size " + detail::text_of(index_->size()));
    if (values.cols() < 1)
      detail::throw_invalid("values.cols()", values.cols(), "must be at least 1");
    return [&values](item_id id) { return values.row(static_cast<Eigen::Index>(id)).transpose(); };
  }

  template <class F>
  static void add_head(const HeadTail<Index>& parts, const F& f, const Ball& ball, Sums& sums) {
    for (std::size_t i = 0; i < parts.head().ids.size(); ++i)
      sums.add_head(parts.head().ids[i], parts.head().scores[i],
                    value(f, ball, parts.head().ids[i]));
  }

  template <class F, BitGenerator Engine>
  static void extend(const HeadTail<Index>& parts, const F& f, const Ball& ball, std::size_t more,
                     Engine& engine, Sums& sums) {
    parts.sample_tail(more, engine, [&](item_id id, double y, double log_weight) {
      sums.add_tail(id, y + log_weight, value(f, ball, id));
    });
  }

  template <class F>
  static auto value(const F& f, const Ball& ball, item_id id) {
    auto value = f(id).template cast<double>().eval();
    if (ball) ball->require(id, value);
    return value;
  }

  template <class F, BitGenerator Engine>
  VectorEstimate fixed(const VectorView<scalar_type>& theta, const F& f, const Ball& ball,
                       std::size_t tail_samples, Engine& engine) const {
    if (tail_samples < 2) detail::throw_invalid("tail_samples", tail_samples, "must be at least 2");
    const HeadTail<Index> parts(*index_, theta, k_);
    Sums sums;
    add_head(parts, f, ball, sums);
    if (!parts.tail_is_empty()) extend(parts, f, ball, tail_samples, engine, sums);
    return report(parts, sums, ball, 1.0 - options_.confidence);
  }

  template <class F, BitGenerator Engine>
  VectorEstimate adaptive(const VectorView<scalar_type>& theta, const F& f, Ball ball,
                          Accuracy target, Engine& engine) const {
    for (std::size_t k = k_;;) {
      const HeadTail<Index> parts(*index_, theta, k);
      if (!ball && !parts.tail_is_empty())
        ball = detail::FunctionRange::around_all(f, index_->size());
      const SampleSize size(index_->size(), k, HeadTail<Index>::has_proposals);
      if (auto estimate = sequential(parts, size, f, ball, target, engine))
        return *std::move(estimate);
      if (size.larger_head() == 0) return exact_vector(parts, f, target.delta());
      k = size.larger_head();
    }
  }

  /// The (epsilon, delta) rule with one head; nothing when it would take too many rows, or when
  /// everything looked at is masked.
  template <class F, BitGenerator Engine>
  std::optional<VectorEstimate> sequential(const HeadTail<Index>& parts, const SampleSize& size,
                                           const F& f, const Ball& ball, Accuracy target,
                                           Engine& engine) const {
    Sums sums;
    add_head(parts, f, ball, sums);
    if (parts.tail_is_empty()) return report(parts, sums, ball, target.delta());
    const double epsilon = target.scale() == ErrorScale::relative ? target.epsilon() : 0.1;
    const std::size_t pilot = SampleSize::pilot(
        parts.range(), epsilon, SampleSize::least_pilot(HeadTail<Index>::knows_sum));
    if (pilot > size.limit()) return std::nullopt;
    extend(parts, f, ball, pilot, engine, sums);
    while (sums.total() > 0.0) {
      const VectorEstimate now = report(parts, sums, ball, target.delta());
      const double allowed = target.scale() == ErrorScale::absolute
                                 ? target.epsilon()
                                 : target.epsilon() * now.value.norm();
      if (now.error_norm <= 0.0) return now;
      // The delta method needs a denominator that is itself known to about a tenth.
      const double linear = unseen(parts, sums, *ball, now.value, target.delta()) / allowed;
      const double root =
          (std::max)(now.error_norm / allowed - linear, sums.relative_error_of_z() / 0.1);
      if (root + linear <= 1.0) return now;
      const auto next = size.next(sums.count(), root, linear);
      if (!next) break;
      extend(parts, f, ball, *next - sums.count(), engine, sums);
    }
    return std::nullopt;
  }

  /// How far the items that no draw met may move Fhat: their weight, the most that the index's
  /// bounds leave room for, times the furthest value.
  static double unseen(const HeadTail<Index>& parts, const Sums& sums,
                       const detail::FunctionRange& ball, const Vector<double>& mean,
                       double delta) {
    const double share = std::log(1.0 / delta) / static_cast<double>(sums.count());
    return parts.hidden_weight(share, sums.unit(), 0.0) * ball.furthest(mean) / sums.total();
  }

  template <class F>
  VectorEstimate exact_vector(const VectorView<scalar_type>& theta, const F& f) const {
    return exact_vector(HeadTail<Index>(*index_, theta, k_), f, 1.0 - options_.confidence);
  }

  template <class F>
  VectorEstimate exact_vector(const HeadTail<Index>& parts, const F& f, double delta) const {
    Sums sums;
    parts.scan([&](item_id id, double y) { sums.add_head(id, y, f(id)); });
    VectorEstimate estimate = report(parts, sums, {}, delta);
    estimate.trace.exhaustive = estimate.trace.covers_unseen = true;
    return estimate;
  }

  /// In one dimension the norm is an absolute value and the interval normal; in more, a Gaussian
  /// vector of total variance s^2 stays within s (1 + sqrt(2 log(1 / delta))) (concentration of a
  /// Lipschitz function of a Gaussian).
  static VectorEstimate report(const HeadTail<Index>& parts, const Sums& sums, const Ball& ball,
                               double delta) {
    VectorEstimate estimate;
    estimate.value = sums.mean();
    estimate.standard_error = sums.standard_error();
    const double factor = estimate.value.size() == 1 ? normal_quantile(1.0 - delta / 2.0)
                                                     : 1.0 + std::sqrt(2.0 * std::log(1.0 / delta));
    estimate.error_norm = factor * estimate.standard_error.norm();
    if (ball && sums.count() > 0)
      estimate.error_norm += unseen(parts, sums, *ball, estimate.value, delta);
    estimate.confidence = 1.0 - delta;
    estimate.trace = parts.trace();
    estimate.trace.samples = sums.count();
    estimate.trace.covers_unseen = ball.has_value() || sums.count() == 0;
    return estimate;
  }

  static Estimate scalar(const VectorEstimate& vector) {
    return {.value = vector.value[0],
            .standard_error = vector.standard_error[0],
            .lower = vector.value[0] - vector.error_norm,
            .upper = vector.value[0] + vector.error_norm,
            .confidence = vector.confidence,
            .trace = vector.trace};
  }

  const Index* index_;
  EstimatorOptions options_;
  std::size_t k_;
};

}  // namespace lazygumbel
