#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "lazygumbel/index/mips_index.hpp"
#include "lazygumbel/index/tail.hpp"
#include "lazygumbel/privacy/release/detail/error_scanner.hpp"
#include "lazygumbel/random/philox.hpp"
#include "lazygumbel/random/uniform.hpp"

namespace lazygumbel {

struct ClippedErrorIndexOptions {
  int code_bits = 8;  ///< as in CertifiedScanOptions
  /// Scan again when the estimated drift passes this many nats: about exp(drift) items are
  /// proposed.
  double largest_drift = 7.0;
  std::size_t sample = 0;  ///< queries that the drift is estimated from; 0: ceil(sqrt(m))
  double margin = 1.5;     ///< times the largest drift in the sample
  std::uint64_t seed = 1;  ///< of the sample: public
};

/// Lazy selection whose scores are clipped at what can be afforded, and whose privacy does not
/// depend on how good that guess is. After a scan at weights A0 with bounds b_j on |e_j(A0)|, the
/// score for later weights A is
///   min( s |e_j(A)|, s b_j + U ),   U = s min(margin max_{i in sample} |<q_i, A - A0>|, drift(A)),
/// where U, and the choice when to scan, are functions of A, A0 and the queries: of public numbers
/// only. The minimum of two functions of sensitivity D has sensitivity D, so the exponential
/// mechanism on clipped scores is as private as on exact ones, for every table, with no promise and
/// nothing to charge; and the bound s b_j + U is certified for them. What is lost is accuracy,
/// where a query's answer moved further than 1.5 times the largest move in the sample: its error
/// counts for less until the next scan.
///
/// Takes a scan now and then, and between scans O(sqrt(m)) answers. `prepare(theta)` must precede
/// the searches and scores for theta = s (-A, 1), s > 0; it is not thread-safe, they are. Refers to
/// the scores, which must outlive it.
template <Workload W>
class ClippedErrorIndex {
 public:
  using scalar_type = double;
  using tail_type = ErrorTail;
  static constexpr std::size_t preferred_k = 32;

  /// Throws std::invalid_argument unless largest_drift > 0, margin >= 1, sample <= m.
  explicit ClippedErrorIndex(const ErrorScores<W>& scores,
                             const ClippedErrorIndexOptions& options = {})
      : scanner_(scores, options.code_bits), options_(options) {
    if (!(options.largest_drift > 0.0))
      detail::throw_invalid("largest_drift", options.largest_drift, "must be positive");
    if (!(options.margin >= 1.0 && options.margin < 1e6))
      detail::throw_invalid("margin", options.margin, "must lie in [1, 1e6)");
    if (options.sample > scores.size())
      detail::throw_invalid("sample", options.sample,
                            "must be at most m = " + detail::text_of(scores.size()));
    if (options_.sample == 0)
      options_.sample =
          static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(scores.size()))));
    PhiloxEngine engine(options.seed);
    for (std::size_t i = 0; i < options_.sample; ++i)
      sample_.push_back(uniform_index(static_cast<std::uint32_t>(scores.size()), engine));
    std::sort(sample_.begin(), sample_.end());
  }
  explicit ClippedErrorIndex(const ErrorScores<W>&&, const ClippedErrorIndexOptions& = {}) = delete;

  std::size_t size() const noexcept { return scores().size(); }
  std::size_t dimension() const noexcept { return scores().dimension(); }
  const ClippedErrorIndexOptions& options() const noexcept { return options_; }
  ScanCounts scans() const noexcept { return scanner_.counts(); }
  /// U of the prepared theta, in nats: public.
  double allowance() const noexcept { return allowance_; }

  /// The clipped score. Precondition, not checked: theta is the prepared one, id < size().
  double score(const VectorView<double>& theta, item_id id) const {
    return (std::min)(scores().score(theta, id), bounds_->log_intensity(id) + allowance_);
  }

  void score_many(const VectorView<double>& theta, std::span<const item_id> ids,
                  std::span<double> out) const {
    scores().score_many(theta, ids, out);
    for (std::size_t i = 0; i < ids.size(); ++i)
      out[i] = (std::min)(out[i], bounds_->log_intensity(ids[i]) + allowance_);
  }

  /// Throws std::invalid_argument on a theta that is not s (-A, 1) with s > 0 and finite A.
  void prepare(const VectorView<double>& theta) {
    scores().require_theta(theta);
    std::vector<double> weights = scores().weights_of(theta);
    const double scale = scores().scale_of(theta);
    std::vector<double> answers;
    for (const item_id id : sample_) answers.push_back(scores().workload().answer(weights, id));
    if (bounds_ && bounds_->scale() == scale) {
      double moved = 0.0;
      for (std::size_t i = 0; i < sample_.size(); ++i)
        moved = (std::max)(moved, std::abs(answers[i] - sample_answers_[i]));
      const std::span<const double> head(theta.data(), dimension() - 1);
      allowance_ = scale * (std::min)(options_.margin * moved, bounds_->drift(head));
      if (allowance_ <= options_.largest_drift) return;
    }
    if (scanner_.has_codes()) bounds_ = scanner_.coded(weights, scale);
    if (!scanner_.has_codes() || scale * scanner_.code_error() > 0.5 * options_.largest_drift)
      bounds_ = scanner_.exact(weights, scale);
    sample_answers_ = std::move(answers);
    allowance_ = 0.0;
  }

  void search(const VectorView<double>& theta, std::size_t k, Retrieval& found) const {
    ErrorTail tail;
    search_with_tail(theta, k, found, tail, 1);
  }

  /// The k items with the largest bounds (64 at most), rescored, and a certified bound on the rest.
  /// Throws std::invalid_argument as `prepare` does, and when nothing was prepared for this s.
  void search_with_tail(const VectorView<double>& theta, std::size_t k, Retrieval& found,
                        ErrorTail& tail, std::size_t) const {
    scores().require_theta(theta);
    if (k == 0) detail::throw_invalid("k", k, "must be at least 1");
    if (!bounds_ || bounds_->scale() != scores().scale_of(theta))
      detail::throw_invalid("theta's last entry", scores().scale_of(theta),
                            "prepare(theta) has to come first");
    tail = ErrorTail(bounds_, allowance_);
    tail.head(k, found);
    rescore(*this, theta, found);
  }

 private:
  const ErrorScores<W>& scores() const noexcept { return scanner_.scores(); }

  ErrorScanner<W> scanner_;
  ClippedErrorIndexOptions options_;
  std::vector<item_id> sample_;
  std::vector<double> sample_answers_;  // at the last scan's weights
  typename ErrorScanner<W>::Bounds bounds_;
  double allowance_ = 0.0;
};

}  // namespace lazygumbel
