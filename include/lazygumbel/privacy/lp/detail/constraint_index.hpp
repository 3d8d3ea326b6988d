#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/core/log_sum_exp.hpp"
#include "lazygumbel/index/detail/top_k.hpp"
#include "lazygumbel/index/mips_index.hpp"
#include "lazygumbel/index/quantized/detail/weighted_codes.hpp"
#include "lazygumbel/index/tail.hpp"
#include "lazygumbel/privacy/lp/detail/constraint_scores.hpp"
#include "lazygumbel/privacy/selection/selection_modes.hpp"
#include "lazygumbel/privacy/workload/detail/dot_kernels.hpp"
#include "lazygumbel/random/categorical.hpp"

namespace lazygumbel {

/// The process of proposals of ConstraintIndex: a scan's, with every bound raised by what scores
/// may have gained since, and the items of the scan's head that a retrieval had no room for.
class ConstraintTail {
 public:
  ConstraintTail() = default;
  ConstraintTail(std::shared_ptr<const detail::WeightedCodes> scan, double raise)
      : scan_(std::move(scan)), raise_(raise) {}

  /// Items that the scan left to the head, with their scores.
  void add(std::span<const item_id> ids, std::span<const double> scores) {
    ids_.assign(ids.begin(), ids.end());
    scores_.assign(scores.begin(), scores.end());
    listed_.assign(scores_);
  }

  double log_rate() const noexcept {
    const double scanned = scan_->log_rate() + raise_;
    return ids_.empty() ? scanned : log_add_exp(scanned, listed_.log_total());
  }

  template <BitGenerator Engine>
  Proposal propose(Engine& engine) const {
    if (!ids_.empty() && std::log(open_uniform(engine)) < listed_.log_total() - log_rate()) {
      const std::size_t i = listed_(engine);
      return {ids_[i], scores_[i]};
    }
    const Proposal proposal = scan_->propose(engine);
    return {proposal.id, proposal.log_intensity + raise_};
  }

  bool may_exceed(item_id, double) const noexcept { return true; }

 private:
  std::shared_ptr<const detail::WeightedCodes> scan_;
  double raise_ = 0.0;
  std::vector<item_id> ids_;
  std::vector<double> scores_;
  Categorical listed_;
};

static_assert(DominatingTail<ConstraintTail>);

/// The index of certified lazy selection among constraints: a TailIndex over ConstraintScores. Rows
/// are coded once; with an anchor x_a and the numbers o_i = A_i x_a - b_i,
///   s (A_i x - b_i) = s A_i (x - x_a) + s o_i,
/// a scan of the codes bounds the first term (an eighth of the rows' memory traffic with 4 bits),
/// the second is exact, and scores at a later x' are at most
///   s mean_A (x' - x) + s max_i |A_i - mean_A| |x' - x|
/// above those bounds. Each step spends as little as it may: the last scan's bounds while a draw is
/// expected to propose few items, a scan otherwise, and where that is not close enough, with a new
/// anchor (one exact pass). The law is that of the scores whatever was chosen; only time depends on
/// it. (And time depends on private data: docs/privacy.md.)
///
/// `prepare(theta)` chooses, and is not thread-safe; searches are const and thread-safe, for the
/// prepared theta only. Refers to the scores, which must outlive it. Memory: m (d / 2 + 16) bytes
/// with 4 bits, besides the rows. Construction: two passes over the rows and the coding.
template <class Scalar>
class ConstraintIndex {
  using Real = detail::Later<double, Scalar>;

 public:
  using scalar_type = double;
  using tail_type = ConstraintTail;
  static constexpr std::size_t preferred_k = 16;

  /// Throws std::invalid_argument on more than 50,000 variables, bits other than 4 and 8, a
  /// negative or NaN budget, and rows or bounds that codes in float cannot hold: norms above 1e30,
  /// a limit above 1e36.
  explicit ConstraintIndex(const ConstraintScores<Scalar>& scores,
                           const CertifiedScanOptions& options = {})
      : scores_(&scores),
        codes_(options.code_bits == CertifiedScanOptions::chosen_bits ? 4 : options.code_bits,
               scores.rows().dimension()),
        kernels_(&detail::select<detail::CodeKernels>(best_simd())),
        budget_(options.proposal_budget) {
    if (!(budget_ >= 0.0))
      detail::throw_invalid("proposal_budget", budget_, "must not be negative");
    if (!(scores.rows().max_norm() <= 1e30))
      detail::throw_invalid("max row norm", scores.rows().max_norm(), "must be at most 1e30");
    if (!(scores.limit() <= 1e36))
      detail::throw_invalid("limit", scores.limit(), "must be at most 1e36");
    if (budget_ == 0.0) budget_ = (std::max)(16.0, static_cast<double>(size()) / rows_per_proposal);
    const auto rows = scores.rows().matrix();
    codes_.template append<Scalar>(rows, 1);
    mean_ = Vector<Real>::Zero(rows.cols());
    for (Eigen::Index i = 0; i < rows.rows(); ++i)
      mean_ += rows.row(i).transpose().template cast<Real>();
    mean_ /= static_cast<double>(rows.rows());
    const Vector<Scalar> mean = mean_.template cast<Scalar>();
    mean_ = mean.template cast<Real>();
    double largest = 0.0;
    for (Eigen::Index i = 0; i < rows.rows(); ++i)
      largest =
          (std::max)(largest, static_cast<double>((rows.row(i).transpose() - mean).squaredNorm()));
    // Squares of Scalars, and their sum, are off by d + 2 roundings; tiny ones may vanish.
    spread_ = std::sqrt(largest) * (1.0 + roundings()) +
              static_cast<double>(dimension()) *
                  std::sqrt(static_cast<double>((std::numeric_limits<Scalar>::min)()));
    if (!std::isfinite(spread_)) spread_ = 2.0 * scores.rows().max_norm();
  }
  explicit ConstraintIndex(const ConstraintScores<Scalar>&&,
                           const CertifiedScanOptions& = {}) = delete;

  std::size_t size() const noexcept { return scores_->size(); }
  std::size_t dimension() const noexcept { return scores_->dimension(); }
  /// Scans of codes, and passes over the rows for a new anchor.
  ScanCounts scans() const noexcept { return counts_; }
  /// Of the codes and what is kept beside them; the rows are not counted.
  std::size_t size_in_bytes() const noexcept { return codes_.size_in_bytes(); }

  double score(const VectorView<Real>& theta, item_id id) const {
    return scores_->score(theta, id);
  }
  void score_many(const VectorView<Real>& theta, std::span<const item_id> ids,
                  std::span<double> out) const {
    scores_->score_many(theta, ids, out);
  }

  /// Makes searches for theta possible. Throws std::invalid_argument as
  /// ConstraintScores::require_theta does.
  void prepare(const VectorView<Real>& theta) {
    scores_->require_theta(theta);
    const Vector<Real> x = theta.head(theta.size() - 1) / scores_->scale_of(theta);
    const double scale = scores_->scale_of(theta);
    if (anchor_.size() == 0) set_anchor(x);
    if (scan_ && scale == scale_ && affordable(theta, x)) return;
    scan(x, scale);
    if (affordable(theta, x)) return;
    set_anchor(x);
    scan(x, scale);
  }

  /// Tells how many proposals the draw after `prepare` took: many more than were expected make the
  /// next step scan.
  void note_proposals(std::size_t proposals) noexcept {
    if (static_cast<double>(proposals) > 4.0 * budget_) scan_.reset();
  }

  /// k items of large bounds, rescored, and a certified bound on the rest. Throws
  /// std::invalid_argument as `prepare` does, and when theta was not prepared.
  void search(const VectorView<Real>& theta, std::size_t k, Retrieval& found) const {
    ConstraintTail tail;
    search_with_tail(theta, k, found, tail, 1);
  }

  void search_with_tail(const VectorView<Real>& theta, std::size_t k, Retrieval& found,
                        ConstraintTail& tail, std::size_t) const {
    scores_->require_theta(theta);
    if (k == 0) detail::throw_invalid("k", k, "must be at least 1");
    if (!scan_ || scores_->scale_of(theta) != scale_)
      detail::throw_invalid("theta's last entry", theta[theta.size() - 1],
                            "prepare(theta) has to come first");
    const double raise = raise_to(theta.head(theta.size() - 1) / scale_);
    tail = ConstraintTail(scan_, raise);
    found.clear();
    found.ids = head_;
    rescore(*this, theta, found);
    found.residual_bound = rest_ + raise;
    found.guarantee = Guarantee::certified();
    if (found.ids.size() <= k) return;
    const std::span<const double> scores(found.scores);
    tail.add(std::span<const item_id>(found.ids).subspan(k), scores.subspan(k));
    found.residual_bound = (std::max)(found.residual_bound, found.scores[k]);
    found.ids.resize(k);
    found.scores.resize(k);
  }

 private:
  static constexpr double rows_per_proposal = 2048.0;  // measured: bench/results

  /// Relative, of an inner product of Scalars of which one was rounded.
  double roundings() const noexcept {
    return 2.0 * (static_cast<double>(scores_->rows().dimension()) + 8.0) *
           static_cast<double>(std::numeric_limits<Scalar>::epsilon());
  }

  void set_anchor(const Vector<Real>& x) {
    anchor_ = x;
    const auto& rows = scores_->rows();
    std::vector<double> offsets(size());
    largest_offset_ = 0.0;
    const auto dot = detail::select<detail::DotKernels<Scalar>>(best_simd()).dot;
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      const auto row = rows.row(static_cast<item_id>(i));
      offsets[i] = dot(row.data(), x.data(), rows.dimension()) - scores_->bounds()[i];
      largest_offset_ = (std::max)(largest_offset_, std::abs(offsets[i]));
    }
    codes_.set_offsets(offsets);
    ++counts_.exact;
  }

  void scan(const Vector<Real>& x, double scale) {
    detail::CodedQuery query;
    const Vector<Scalar> moved = ((x - anchor_) * scale).template cast<Scalar>();
    query.template assign<Scalar>(moved, codes_.bits(), codes_.residual_unit(),
                                  static_cast<double>(codes_.largest_scale()),
                                  scores_->rows().max_norm());
    if (!(scale < 1e37 && scale * largest_offset_ < 1e37))
      detail::throw_invalid("theta's last entry", -scale, "scores would overflow");
    query.offset = static_cast<float>(scale);
    std::shared_ptr<detail::WeightedCodes> scan = std::move(spare_);
    if (!scan || scan.use_count() > 1) scan = std::make_shared<detail::WeightedCodes>();
    scan->scan(codes_, *kernels_, query);
    std::vector<item_id> head = likely_best(*scan);
    scan->prepare(head, detail::WeightedCodes::Purpose::bounds);
    head_ = std::move(head);
    rest_ = -std::numeric_limits<double>::infinity();
    for (const detail::TileWeight& tile : scan->tiles())
      rest_ =
          (std::max)(rest_, static_cast<double>(tile.largest) + static_cast<double>(tile.error));
    rest_partition_ = scan->log_sum_bound(0.0);
    spare_ = std::exchange(scan_, std::move(scan));
    scanned_ = x;
    scale_ = scale;
    ++counts_.coded;
  }

  /// Of each of the tiles with the largest bounds, the row with the largest: increasing ids.
  std::vector<item_id> likely_best(const detail::WeightedCodes& scan) const {
    const std::span<const detail::TileWeight> tiles = scan.tiles();
    TopK<float> best((std::min)(preferred_k, tiles.size()));
    for (std::size_t t = 0; t < tiles.size(); ++t) {
      const float bound = tiles[t].largest + tiles[t].error;
      if (bound >= best.threshold()) best.push(bound, static_cast<item_id>(t));
    }
    std::vector<item_id> ids;
    alignas(64) std::array<float, detail::tile_rows> estimates, errors;
    for (const auto& [bound, tile] : best.finish()) {
      kernels_->tile(codes_, tile, scan.query(), estimates.data(), errors.data(), 0.0F, nullptr);
      std::size_t top = 0;
      for (std::size_t row = 1; row < codes_.rows_in(tile); ++row)
        if (estimates[row] + errors[row] > estimates[top] + errors[top]) top = row;
      ids.push_back(static_cast<item_id>(tile * detail::tile_rows + top));
    }
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  /// What all scores have gained on average since the scan.
  double common_gain(const Vector<Real>& x) const { return scale_ * mean_.dot(x - scanned_); }

  /// What has to be added to the scan's bounds to bound scores at x as computed.
  double raise_to(const Vector<Real>& x) const {
    const double norm = scores_->rows().max_norm();
    const double reach = x.norm() + anchor_.norm() + scanned_.norm();
    return common_gain(x) + scale_ * spread_ * (x - scanned_).norm() * (1.0 + 0x1p-40) +
           scale_ * norm * reach * (roundings() + 0x1p-40) + scale_ * largest_offset_ * 0x1p-20 +
           0x1p-148 * (scale_ + largest_offset_) +  // of numbers below the normal floats
           static_cast<double>(dimension()) *
               static_cast<double>((std::numeric_limits<Scalar>::min)());
  }

  /// Whether few proposals are expected: exp(bounds) against the head as it is now (it may have
  /// fallen since the scan, having been selected) and the rest as estimated then.
  bool affordable(const VectorView<Real>& theta, const Vector<Real>& x) const {
    std::vector<double> head(head_.size());
    scores_->score_many(theta, head_, head);
    LogSumExp partition;
    partition.add(std::span<const double>(head));
    partition.add(rest_partition_ + common_gain(x));
    return scan_->log_rate() + raise_to(x) - partition.value() <= std::log(budget_);
  }

  const ConstraintScores<Scalar>* scores_;
  detail::RowCodes codes_;
  const detail::CodeKernels* kernels_;
  double budget_, spread_ = 0.0, largest_offset_ = 0.0, rest_partition_ = 0.0;
  Vector<Real> mean_, anchor_, scanned_;
  std::shared_ptr<detail::WeightedCodes> scan_, spare_;  // the last scan, and memory of one before
  std::vector<item_id> head_;
  double scale_ = 0.0, rest_ = 0.0;
  ScanCounts counts_;
};

}  // namespace lazygumbel
