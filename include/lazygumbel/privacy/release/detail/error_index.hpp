#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "lazygumbel/index/mips_index.hpp"
#include "lazygumbel/index/tail.hpp"
#include "lazygumbel/privacy/release/detail/error_scanner.hpp"
#include "lazygumbel/privacy/selection/selection_modes.hpp"

namespace lazygumbel {

/// The index of certified lazy selection: a TailIndex over ErrorScores. Each step it spends as
/// little as it may:
/// - no scan: the bounds of an earlier scan, all raised by the largest drift that an answer can
///   have had since (ErrorBounds), while the draw is expected to propose few items;
/// - a coded scan, for dense workloads;
/// - an exact scan (both by ErrorScanner).
/// The law is that of the scores whatever was chosen: only time depends on it. (And time depends on
/// private data: docs/privacy.md.)
///
/// `prepare(theta)` chooses, and is not thread-safe; searches are const and thread-safe, right for
/// every theta = s (-A, 1), s > 0, fast for the prepared one. Refers to the scores, which must
/// outlive it. Memory: 24 m bytes, and the codes.
template <Workload W>
class ErrorIndex {
 public:
  using scalar_type = double;
  using tail_type = ErrorTail;
  static constexpr std::size_t preferred_k = 32;

  /// Codes the queries of a dense workload; no other scan. Throws std::invalid_argument on a
  /// negative or NaN budget and on bits other than 0, 4 and 8.
  explicit ErrorIndex(const ErrorScores<W>& scores, const CertifiedScanOptions& options = {})
      : scanner_(scores,
                 options.code_bits == CertifiedScanOptions::chosen_bits ? 8 : options.code_bits),
        options_(options) {
    if (!(options.proposal_budget >= 0.0))
      detail::throw_invalid("proposal_budget", options.proposal_budget, "must not be negative");
    if (options_.proposal_budget == 0.0) options_.proposal_budget = default_budget();
  }
  explicit ErrorIndex(const ErrorScores<W>&&, const CertifiedScanOptions& = {}) = delete;

  std::size_t size() const noexcept { return scores().size(); }
  std::size_t dimension() const noexcept { return scores().dimension(); }
  const CertifiedScanOptions& options() const noexcept { return options_; }
  ScanCounts scans() const noexcept { return scanner_.counts(); }

  double score(const VectorView<double>& theta, item_id id) const {
    return scores().score(theta, id);
  }

  void score_many(const VectorView<double>& theta, std::span<const item_id> ids,
                  std::span<double> out) const {
    scores().score_many(theta, ids, out);
  }

  /// Makes a later search for theta fast. Throws std::invalid_argument on a theta that is not
  /// s (-A, 1) with s > 0 and finite A.
  void prepare(const VectorView<double>& theta) {
    scores().require_theta(theta);
    if (affordable(theta)) return;
    const double scale = scores().scale_of(theta);
    if (scanner_.has_codes()) {
      bounds_ = scanner_.coded(scores().weights_of(theta), scale);
      // About: it only chooses scans.
      log_partition_ = bounds_->log_sum() - scale * scanner_.code_error();
      if (affordable(theta)) return;
    }
    bounds_ = scanner_.exact(scores().weights_of(theta), scale);
    log_partition_ = bounds_->log_sum();
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
    ErrorTail tail;
    search_with_tail(theta, k, found, tail, 1);
  }

  void search_with_tail(const VectorView<double>& theta, std::size_t k, Retrieval& found,
                        ErrorTail& tail, std::size_t) const {
    scores().require_theta(theta);
    if (k == 0) detail::throw_invalid("k", k, "must be at least 1");
    const typename ErrorScanner<W>::Bounds bounds =
        usable(theta) ? bounds_
                      : scanner_.exact_aside(scores().weights_of(theta), scores().scale_of(theta));
    tail = ErrorTail(bounds, raise(theta, *bounds));
    tail.head(k, found);
    rescore(*this, theta, found);
  }

 private:
  const ErrorScores<W>& scores() const noexcept { return scanner_.scores(); }

  double default_budget() const noexcept {
    double cost = 8.0;  // of a scattered answer, in units of a query's share of an exact scan
    if constexpr (requires { W::answer_cost; }) cost = W::answer_cost;
    return (std::max)(
        16.0, static_cast<double>(size()) / (2.0 * cost) / (scanner_.has_codes() ? 4.0 : 1.0));
  }

  bool usable(const VectorView<double>& theta) const {
    return bounds_ && bounds_->scale() == scores().scale_of(theta);
  }

  bool affordable(const VectorView<double>& theta) const {
    return usable(theta) && bounds_->log_sum() + raise(theta, *bounds_) - log_partition_ <=
                                std::log(options_.proposal_budget);
  }

  /// In nats: what has to be added to s bound_j to bound score(theta, j) as computed.
  double raise(const VectorView<double>& theta, const ErrorBounds& bounds) const {
    const std::span<const double> weights(theta.data(), dimension() - 1);
    double l1 = 0.0;
    for (const double w : weights) l1 += std::abs(w);
    return bounds.scale() * bounds.drift(weights) + scores().workload().answers_error(l1) +
           0x1p-50 * scores().largest_value() * (l1 + bounds.scale() * scores().total());
  }

  ErrorScanner<W> scanner_;
  CertifiedScanOptions options_;
  typename ErrorScanner<W>::Bounds bounds_;
  double log_partition_ = 0.0;  // of the last scan's scores
};

}  // namespace lazygumbel
