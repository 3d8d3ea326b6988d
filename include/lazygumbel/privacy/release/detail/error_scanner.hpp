#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/index/quantized/scalar_quantized_index.hpp"
#include "lazygumbel/privacy/release/detail/error_bounds.hpp"
#include "lazygumbel/privacy/release/detail/error_scores.hpp"
#include "lazygumbel/privacy/selection/selection_modes.hpp"

namespace lazygumbel {

/// Makes ErrorBounds, of all errors e_j = <q_j, h> - <q_j, A> for weights A, by one of two scans:
/// - exact: the workload's `scan`, or `answers`;
/// - coded, for dense workloads: with the errors known at some A0 (at first A0 = 0, where they are
///   the private answers), e_j = e_j(A0) - <q_j, A - A0>, and codes of the queries, a quarter or an
///   eighth of their memory traffic, give certified bounds on <q_j, A - A0>.
/// Both are functions of h through e_j alone, one query at a time: for fixed A and A0 the bound of
/// an item has the sensitivity of <q_j, h>, and what it is enlarged by for rounding does not depend
/// on h, nor on n. PRIVATE. Refers to the scores, which must outlive it.
/// Scans are not thread-safe.
template <Workload W>
class ErrorScanner {
  template <class V>
  static constexpr bool has_rows = requires(const V& workload) {
    workload.rows();
  };
  struct NoCodes {};
  template <class V>
  struct CodesOf {
    using type = NoCodes;
  };
  template <class V>
  requires has_rows<V>
  struct CodesOf<V> {
    using Rows = std::remove_cvref_t<decltype(std::declval<const V&>().rows())>;
    using type = ScalarQuantizedIndex<typename Rows::Scalar>;
  };
  using Codes = typename CodesOf<W>::type;
  using Real = detail::Later<double, W>;

 public:
  using Bounds = std::shared_ptr<const ErrorBounds>;

  /// Codes the queries where they are rows, of at most 50,000 cells, and `code_bits` is 4 or 8; 0
  /// is for no codes. Throws std::invalid_argument on other bits.
  ErrorScanner(const ErrorScores<W>& scores, int code_bits) : scores_(&scores) {
    if (code_bits != 0 && code_bits != 4 && code_bits != 8)
      detail::throw_invalid("code_bits", code_bits, "must be 0, 4 or 8");
    if constexpr (has_rows<W>) {
      if (code_bits != 0 && scores.workload().cells() <= detail::max_code_dimension)
        codes_.emplace(Codes::over(scores.workload().rows(), {.bits = code_bits}));
    }
    const std::span<const double> answers = scores.private_answers();
    base_.assign(answers.begin(), answers.end());
    base_weights_.assign(scores.workload().cells(), 0.0);
  }

  const ErrorScores<W>& scores() const noexcept { return *scores_; }
  bool has_codes() const noexcept { return codes_.has_value(); }
  ScanCounts counts() const noexcept { return counts_; }

  /// Half of the interval that the last coded scan left for an error, in counts, on average: a
  /// public number, made of queries and weights.
  double code_error() const noexcept { return code_error_; }

  Bounds exact(std::vector<double> weights, double scale) {
    base_rounding_ = errors_at(weights, base_);
    base_weights_ = weights;
    ++counts_.exact;
    return bounds_of(std::move(weights), scale, base_, base_rounding_);
  }

  /// The same without becoming the base of later scans.
  Bounds exact_aside(std::vector<double> weights, double scale) const {
    std::vector<double> errors;
    const double rounding = errors_at(weights, errors);
    return bounds_of(std::move(weights), scale, errors, rounding);
  }

  /// Precondition: has_codes().
  Bounds coded(std::vector<double> weights, double scale) {
    if constexpr (has_rows<W>) {
      using Scalar = typename Codes::scalar_type;
      const auto cells = static_cast<Eigen::Index>(weights.size());
      const Vector<Real> moved = Eigen::Map<const Vector<Real>>(weights.data(), cells) -
                                 Eigen::Map<const Vector<Real>>(base_weights_.data(), cells);
      const std::size_t m = scores_->size();
      lower_.resize(m);
      upper_.resize(m);
      // A table has a few large cells: d = A - A0 as what its largest entry's 1/127 can tell, and
      // the rest.
      RowMatrix<Scalar> parts(2, cells);
      const double unit = (std::max)(moved.cwiseAbs().maxCoeff() / 127.0, 1e-30);
      parts.row(0) = ((moved / unit).array().round() * unit).matrix().template cast<Scalar>();
      parts.row(1) =
          (moved - parts.row(0).transpose().template cast<Real>()).template cast<Scalar>();
      codes_->score_bounds_of_sum(parts, lower_, upper_);
      // The bounds are for inner products as computed and with d as cast. The exact ones are at
      // most (|X| + 8) roundings of |q| |d| away, and entries below the least normal number may
      // have vanished.
      const double longest = scores_->largest_value() * std::sqrt(static_cast<double>(cells));
      const double rounding = base_rounding_ +
                              longest * moved.norm() * 2.0 * (static_cast<double>(cells) + 8.0) *
                                  0.51 *
                                  static_cast<double>(std::numeric_limits<Scalar>::epsilon()) +
                              longest * static_cast<double>(cells) *
                                  static_cast<double>((std::numeric_limits<Scalar>::min)());
      // No answer moves further than its largest value times |d|_1, though codes may not know it.
      const double reach = scores_->largest_value() * moved.template lpNorm<1>() * (1.0 + 1e-10);
      std::vector<double> bounds(m);
      double widths = 0.0;
      for (std::size_t j = 0; j < m; ++j) {
        const double low = (std::max)(static_cast<double>(lower_[j]), -reach);
        const double high = (std::min)(static_cast<double>(upper_[j]), reach);
        bounds[j] = (std::max)(std::abs(base_[j] - low), std::abs(base_[j] - high)) + rounding;
        widths += high - low;
      }
      code_error_ = 0.5 * widths / static_cast<double>(m) + rounding;
      ++counts_.coded;
      return std::make_shared<const ErrorBounds>(std::move(weights), scale,
                                                 scores_->workload().range(), std::move(bounds));
    } else {
      return exact(std::move(weights), scale);
    }
  }

 private:
  /// The errors as computed; each is within the returned number of the truth. The number is public:
  /// it holds for every table, so that n does not show in the choice of scans, not even by a bit.
  double errors_at(std::span<const double> weights, std::vector<double>& errors) const {
    errors.resize(scores_->size());
    scan_answers(scores_->workload(), weights, errors);
    const std::span<const double> answers = scores_->private_answers();
    for (std::size_t j = 0; j < errors.size(); ++j) errors[j] = answers[j] - errors[j];
    double l1 = 0.0;
    for (const double w : weights) l1 += std::abs(w);
    return scan_error(scores_->workload(), l1) +
           0x1p-52 * scores_->largest_value() * (l1 + ErrorScores<W>::record_limit);
  }

  Bounds bounds_of(std::vector<double> weights, double scale, const std::vector<double>& errors,
                   double rounding) const {
    std::vector<double> bounds(errors.size());
    for (std::size_t j = 0; j < errors.size(); ++j) bounds[j] = std::abs(errors[j]) + rounding;
    return std::make_shared<const ErrorBounds>(std::move(weights), scale,
                                               scores_->workload().range(), std::move(bounds));
  }

  const ErrorScores<W>* scores_;
  std::optional<Codes> codes_;
  std::vector<double> base_, base_weights_;  // signed errors, and the weights A0 they belong to
  double base_rounding_ = 0.0, code_error_ = 0.0;
  std::vector<float> lower_, upper_;
  ScanCounts counts_;
};

/// The process of proposals over ErrorBounds: item j with intensity exp(log_intensity_j + raise).
class ErrorTail {
 public:
  ErrorTail() = default;
  ErrorTail(std::shared_ptr<const ErrorBounds> bounds, double raise)
      : bounds_(std::move(bounds)), raise_(raise) {}

  double log_rate() const noexcept { return bounds_->log_sum() + raise_; }
  double log_intensity(item_id id) const noexcept { return bounds_->log_intensity(id) + raise_; }

  template <BitGenerator Engine>
  Proposal propose(Engine& engine) const {
    const item_id id = bounds_->propose(engine);
    return {id, log_intensity(id)};
  }

  bool may_exceed(item_id, double) const noexcept { return true; }

  /// Puts the k items of largest bounds (64 at most) into `found`, not yet scored, with the
  /// certified bound on the rest.
  void head(std::size_t k, Retrieval& found) const {
    const std::span<const item_id> head = bounds_->head();
    const std::size_t count = (std::min)({k, head.size(), ErrorBounds::head_capacity});
    found.ids.assign(head.begin(), head.begin() + static_cast<std::ptrdiff_t>(count));
    found.residual_bound =
        count < head.size() ? log_intensity(head[count]) : -std::numeric_limits<double>::infinity();
    found.guarantee = Guarantee::certified();
  }

 private:
  std::shared_ptr<const ErrorBounds> bounds_;
  double raise_ = 0.0;
};

static_assert(DominatingTail<ErrorTail>);

}  // namespace lazygumbel
