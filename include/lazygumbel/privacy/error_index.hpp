#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "lazygumbel/index/mips_index.hpp"
#include "lazygumbel/index/scalar_quantized_index.hpp"
#include "lazygumbel/index/tail.hpp"
#include "lazygumbel/privacy/error_bounds.hpp"
#include "lazygumbel/privacy/error_scores.hpp"

namespace lazygumbel {

struct ErrorIndexOptions {
  /// Scan again when a draw is expected to propose more items than this; 0: a share of m that
  /// balances a scan with the scattered answers that it saves. 1 asks for a scan every step.
  double proposal_budget = 0.0;
  /// Of the codes that a dense workload's queries are scanned by: 4, 8, or 0 for none. Other
  /// workloads have exact scans that are faster than codes, and above 50,000 cells there are none.
  int code_bits = 8;
};

/// How often each kind of scan was made.
struct ScanCounts {
  std::size_t exact = 0, coded = 0;
};

/// The index of certified lazy selection: a TailIndex over ErrorScores, which never bounds a score
/// from below what it is. Each step it spends as little as that allows:
/// - no scan: the bounds of an earlier scan, all raised by the drift of the weights since
///   (ErrorBounds), while the draw is expected to propose few items;
/// - a coded scan (dense workloads): with e_j = <q_j, h> - <q_j, A0> exact at some A0 (at first
///   A0 = 0, for which nothing has to be scanned), certified bounds on <q_j, A - A0> from codes of
///   the queries give bounds on every error, a few times faster than the queries themselves;
/// - an exact scan by the workload's `answers`.
/// The law is that of the scores whatever was chosen: only time depends on it. (And time depends on
/// private data: docs/guarantees.md.)
///
/// `prepare(theta)` chooses, and is not thread-safe; searches are const and thread-safe, right for
/// every theta = s (-A, 1), s > 0, fast for the prepared one. Refers to the scores, which must
/// outlive it. Memory: 24 m bytes, and the codes.
template <Workload W>
class ErrorIndex {
 public:
  using scalar_type = double;
  static constexpr std::size_t preferred_k = 32;

  /// The process of proposals: item j with intensity exp(s (bound_j + drift) + slack).
  class Tail {
   public:
    double log_rate() const noexcept { return bounds_->log_sum() + raise_; }
    double log_intensity(item_id id) const noexcept { return bounds_->log_intensity(id) + raise_; }

    template <BitGenerator Engine>
    Proposal propose(Engine& engine) const {
      const item_id id = bounds_->propose(engine);
      return {id, log_intensity(id)};
    }

    bool may_exceed(item_id, double) const noexcept { return true; }

   private:
    friend class ErrorIndex;
    std::shared_ptr<const ErrorBounds> bounds_;
    double raise_ = 0.0;
  };
  using tail_type = Tail;

  /// Codes the queries of a dense workload; no other scan. Throws std::invalid_argument on a
  /// negative or NaN budget and on bits other than 0, 4 and 8.
  explicit ErrorIndex(const ErrorScores<W>& scores, const ErrorIndexOptions& options = {})
      : scores_(&scores), options_(options) {
    if (!(options.proposal_budget >= 0.0))
      detail::throw_invalid("proposal_budget", options.proposal_budget, "must not be negative");
    if (options.code_bits != 0 && options.code_bits != 4 && options.code_bits != 8)
      detail::throw_invalid("code_bits", options.code_bits, "must be 0, 4 or 8");
    if constexpr (dense) {
      if (options.code_bits != 0 && scores.workload().cells() <= detail::max_code_dimension)
        codes_.emplace(Codes::over(scores.workload().rows(), {.bits = options.code_bits}));
    }
    if (options_.proposal_budget == 0.0) options_.proposal_budget = default_budget();
    const std::span<const double> answers = scores.private_answers();
    base_.assign(answers.begin(), answers.end());
    base_weights_.assign(scores.workload().cells(), 0.0);  // for which the errors are the answers
  }
  explicit ErrorIndex(const ErrorScores<W>&&, const ErrorIndexOptions& = {}) = delete;

  std::size_t size() const noexcept { return scores_->size(); }
  std::size_t dimension() const noexcept { return scores_->dimension(); }
  const ErrorIndexOptions& options() const noexcept { return options_; }
  ScanCounts scans() const noexcept { return scans_; }

  double score(const VectorView<double>& theta, item_id id) const {
    return scores_->score(theta, id);
  }

  void score_many(const VectorView<double>& theta, std::span<const item_id> ids,
                  std::span<double> scores) const {
    scores_->score_many(theta, ids, scores);
  }

  /// Makes a later search for theta fast. Throws std::invalid_argument on a theta that is not
  /// s (-A, 1) with s > 0 and finite A.
  void prepare(const VectorView<double>& theta) {
    require_theta(theta);
    if (affordable(theta)) return;
    if (codes_) {
      scan_codes(theta);
      if (affordable(theta)) return;
    }
    scan_exactly(theta);
  }

  /// Tells how many proposals the draw after `prepare` took: many more than were expected make the
  /// next step scan.
  void note_proposals(std::size_t proposals) noexcept {
    if (static_cast<double>(proposals) > 4.0 * options_.proposal_budget) bounds_.reset();
  }

  /// The k items with the largest bounds (64 at most), rescored, and a certified bound on the rest.
  /// Throws std::invalid_argument as `prepare` does. O(|X| + k) answers when prepared; otherwise an
  /// exact scan.
  void search(const VectorView<double>& theta, std::size_t k, Retrieval& found) const {
    Tail tail;
    search_with_tail(theta, k, found, tail, 1);
  }

  void search_with_tail(const VectorView<double>& theta, std::size_t k, Retrieval& found,
                        Tail& tail, std::size_t) const {
    require_theta(theta);
    if (k == 0) detail::throw_invalid("k", k, "must be at least 1");
    tail.bounds_ = usable(theta) ? bounds_ : fresh_bounds(theta);
    tail.raise_ = raise(theta, *tail.bounds_);
    const std::span<const item_id> head = tail.bounds_->head();
    const std::size_t count = (std::min)({k, head.size(), ErrorBounds::head_capacity});
    found.ids.assign(head.begin(), head.begin() + static_cast<std::ptrdiff_t>(count));
    rescore(*this, theta, found);
    found.residual_bound =
        count < head.size() ? tail.bounds_->scale() * tail.bounds_->bound(head[count]) + tail.raise_
                            : -std::numeric_limits<double>::infinity();
    found.guarantee = Guarantee::certified();
  }

 private:
  static constexpr bool dense = requires(const W& workload) { workload.rows(); };
  struct NoCodes {};
  template <class V>
  struct CodesOf {
    using type = NoCodes;
  };
  template <class V>
  requires requires(const V& workload) { workload.rows(); }
  struct CodesOf<V> {
    using type = ScalarQuantizedIndex<
        typename std::remove_cvref_t<decltype(std::declval<const V&>().rows())>::Scalar>;
  };
  using Codes = typename CodesOf<W>::type;

  double default_budget() const noexcept {
    const auto m = static_cast<double>(size());
    // One scattered answer, in units of a query's share of an exact scan.
    double cost = 8.0;
    if constexpr (requires { W::answer_cost; }) cost = W::answer_cost;
    return (std::max)(16.0, m / (4.0 * cost) / (codes_ ? 4.0 : 1.0));
  }

  void require_theta(const VectorView<double>& theta) const {
    detail::require_query<double>("theta", theta, dimension());
    const double scale = theta[theta.size() - 1];
    if (!(scale > 0.0)) detail::throw_invalid("theta's last entry", scale, "must be positive");
  }

  static std::span<const double> head_of(const VectorView<double>& theta) {
    return {theta.data(), static_cast<std::size_t>(theta.size()) - 1};
  }

  bool usable(const VectorView<double>& theta) const {
    return bounds_ && bounds_->scale() == theta[theta.size() - 1];
  }

  bool affordable(const VectorView<double>& theta) const {
    return usable(theta) && bounds_->log_sum() + raise(theta, *bounds_) - log_partition_ <=
                                std::log(options_.proposal_budget);
  }

  /// In nats: what has to be added to s bound_j to bound score(theta, j) as computed.
  double raise(const VectorView<double>& theta, const ErrorBounds& bounds) const {
    const std::span<const double> weights = head_of(theta);
    const double l1 = sum_of_magnitudes(weights);
    return bounds.scale() * bounds.drift(weights) + scores_->workload().answers_error(l1) +
           0x1p-50 * largest_value() * (l1 + bounds.scale() * scores_->total());
  }

  std::shared_ptr<const ErrorBounds> fresh_bounds(const VectorView<double>& theta) const {
    std::vector<double> errors, weights = weights_of(theta);
    const double rounding = exact_errors(weights, errors);
    return bounds_of_errors(std::move(weights), theta[theta.size() - 1], errors, rounding);
  }

  std::vector<double> weights_of(const VectorView<double>& theta) const {
    const std::span<const double> head = head_of(theta);
    std::vector<double> weights(head.begin(), head.end());
    for (double& w : weights) w /= -theta[theta.size() - 1];
    return weights;
  }

  double largest_value() const noexcept {
    const QueryRange range = scores_->workload().range();
    return (std::max)(std::abs(range.lower), std::abs(range.upper));
  }

  /// The errors for theta's weights, as computed; each is within the returned number of the truth.
  double exact_errors(std::span<const double> weights, std::vector<double>& errors) const {
    errors.resize(size());
    scores_->workload().answers(weights, errors);
    const std::span<const double> answers = scores_->private_answers();
    for (std::size_t j = 0; j < size(); ++j) errors[j] = answers[j] - errors[j];
    const double l1 = sum_of_magnitudes(weights);
    return scores_->workload().answers_error(l1) +
           0x1p-52 * largest_value() * (l1 + scores_->total());
  }

  std::shared_ptr<const ErrorBounds> bounds_of_errors(std::vector<double> weights, double scale,
                                                      const std::vector<double>& errors,
                                                      double rounding) const {
    std::vector<double> bounds(size());
    for (std::size_t j = 0; j < size(); ++j) bounds[j] = std::abs(errors[j]) + rounding;
    return std::make_shared<const ErrorBounds>(std::move(weights), scale,
                                               scores_->workload().range(), std::move(bounds));
  }

  void scan_exactly(const VectorView<double>& theta) {
    base_weights_ = weights_of(theta);
    base_rounding_ = exact_errors(base_weights_, base_);
    bounds_ = bounds_of_errors(base_weights_, theta[theta.size() - 1], base_, base_rounding_);
    log_partition_ = bounds_->log_sum();
    ++scans_.exact;
  }

  /// e_j = base_j - <q_j, d>, d = A - (the base's weights), and codes bound <q_j, d>.
  void scan_codes(const VectorView<double>& theta) {
    if constexpr (dense) {
      using Scalar = typename Codes::scalar_type;
      std::vector<double> weights = weights_of(theta);
      const auto cells = static_cast<Eigen::Index>(weights.size());
      const Eigen::VectorXd moved = Eigen::Map<const Eigen::VectorXd>(weights.data(), cells) -
                                    Eigen::Map<const Eigen::VectorXd>(base_weights_.data(), cells);
      const Vector<Scalar> query = moved.template cast<Scalar>();
      lower_.resize(size());
      upper_.resize(size());
      codes_->score_bounds(query, lower_, upper_);
      // The bounds are on inner products as computed with d as cast: to the exact ones it is at
      // most |q| |d| (|X| + 2) roundings, and an entry below the least normal number may vanish.
      const double longest = largest_value() * std::sqrt(static_cast<double>(cells));
      const double u = 0.5 * static_cast<double>(std::numeric_limits<Scalar>::epsilon());
      const double rounding =
          base_rounding_ + longest * moved.norm() * (static_cast<double>(cells) + 4.0) * u * 1.01 +
          longest * std::sqrt(static_cast<double>(cells)) *
              static_cast<double>((std::numeric_limits<Scalar>::min)());
      std::vector<double> bounds(size());
      double widest = 0.0;
      for (std::size_t j = 0; j < size(); ++j) {
        const auto low = static_cast<double>(lower_[j]), high = static_cast<double>(upper_[j]);
        bounds[j] = (std::max)(std::abs(base_[j] - low), std::abs(base_[j] - high)) + rounding;
        widest = (std::max)(widest, high - low);
      }
      const double scale = theta[theta.size() - 1];
      bounds_ = std::make_shared<const ErrorBounds>(std::move(weights), scale,
                                                    scores_->workload().range(), std::move(bounds));
      log_partition_ = bounds_->log_sum() - scale * 0.5 * widest;  // about: it only chooses scans
      ++scans_.coded;
    }
  }

  static double sum_of_magnitudes(std::span<const double> weights) {
    double sum = 0.0;
    for (const double w : weights) sum += std::abs(w);
    return sum;
  }

  const ErrorScores<W>* scores_;
  ErrorIndexOptions options_;
  std::optional<Codes> codes_;
  std::vector<double> base_, base_weights_;  // signed errors, and the weights they belong to
  double base_rounding_ = 0.0;
  std::vector<float> lower_, upper_;  // of a coded scan
  std::shared_ptr<const ErrorBounds> bounds_;
  double log_partition_ = 0.0;  // of the last scan's scores
  ScanCounts scans_;
};

}  // namespace lazygumbel
