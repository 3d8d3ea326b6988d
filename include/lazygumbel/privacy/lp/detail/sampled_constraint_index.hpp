#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/index/detail/top_k.hpp"
#include "lazygumbel/index/mips_index.hpp"
#include "lazygumbel/privacy/lp/detail/constraint_scores.hpp"
#include "lazygumbel/privacy/selection/selection_modes.hpp"
#include "lazygumbel/random/philox.hpp"
#include "lazygumbel/random/uniform.hpp"

namespace lazygumbel {

struct SampledConstraintOptions {
  std::size_t sample = 0;  ///< constraints that set the level, at most m; 0: ceil(sqrt(m))
  /// The level is so many nats above the largest score in the sample; a draw looks at about
  /// exp(margin) * sample constraints at most.
  double margin = 1.0;
  std::uint64_t seed = 1;  ///< of the sample: public
};

/// Lazy selection among constraints in about sqrt(m) time between rare scans, as private as full
/// scans at no charge and without an index of the rows. At step t, with the last full scan at t0,
/// the score of constraint i, y_i(t) = s (A_i x_t - b_i), is clipped:
///   min( y_i(t), max( U_t, y_i(t0) ) ),   U_t = max over a public sample of y_j(t) + margin.
/// Every y moves by at most s D when b does, and so do maxima and minima of them: the clipped score
/// has the sensitivity of the exact one, whatever the sample is. (That holds for the neighbours of
/// a private right-hand side, all of whose entries may move by D; not where one entry moves
/// freely.) The scans come at public times. The points, s and the options must be public: the
/// points of ScalarPrivateLp are made of what was released.
///
/// What is lost: a constraint that the last scan did not see above U, and that is above it now,
/// counts as one at U until the next scan. So the theorem's promise grows by the mean over the
/// steps of W |w_t - w_t0|_1 (w the weights of the simplex), which is public and bounds what any
/// constraint can have gained since the scan. About one constraint in `sample` is above U - margin,
/// so that a draw proposes about exp(margin) * sample items at most, while the scan's list of
/// 2 sample items reaches down to U. Where scores have fallen so far since the scan that it does
/// not, the next of the list is the bound, and a draw may look at all m until the next scan.
///
/// `prepare(theta)`, once a step, is not thread-safe; scores and searches are, for the prepared
/// theta only. Refers to the scores, which must outlive it. Memory: the sample's rows.
template <class Scalar>
class SampledConstraintIndex {
 public:
  using scalar_type = double;

  /// Throws std::invalid_argument unless sample <= m, margin lies in [0, 100].
  explicit SampledConstraintIndex(const ConstraintScores<Scalar>& scores,
                                  const SampledConstraintOptions& options = {})
      : scores_(&scores), options_(options) {
    if (options.sample > size())
      detail::throw_invalid("sample", options.sample, "exceeds m = " + detail::text_of(size()));
    if (!(options.margin >= 0.0 && options.margin <= 100.0))
      detail::throw_invalid("margin", options.margin, "must lie in [0, 100]");
    if (options_.sample == 0) options_.sample = sqrt_of(size());
    PhiloxEngine engine(options.seed);
    rows_.resize(static_cast<Eigen::Index>(options_.sample),
                 static_cast<Eigen::Index>(scores.rows().dimension()));
    for (std::size_t j = 0; j < options_.sample; ++j) {
      sample_.push_back(uniform_index(static_cast<std::uint32_t>(size()), engine));
      rows_.row(static_cast<Eigen::Index>(j)) = scores.rows().row(sample_.back());
    }
  }
  explicit SampledConstraintIndex(const ConstraintScores<Scalar>&&,
                                  const SampledConstraintOptions& = {}) = delete;

  std::size_t size() const noexcept { return scores_->size(); }
  std::size_t dimension() const noexcept { return scores_->dimension(); }
  const SampledConstraintOptions& options() const noexcept { return options_; }
  /// The constraints that set the level, drawn with replacement: public.
  std::span<const item_id> sample() const noexcept { return sample_; }
  /// How many items a scan of m keeps: the most that a retrieval returns.
  static std::size_t kept(std::size_t m, const SampledConstraintOptions& options) noexcept {
    return (std::min)(m, 2 * (options.sample != 0 ? options.sample : sqrt_of(m)));
  }
  ScanCounts scans() const noexcept { return counts_; }
  /// U of the prepared theta, in nats: PRIVATE.
  double level() const noexcept { return level_; }

  /// Sets the level, and scans when the step is due. Throws std::invalid_argument as
  /// ConstraintScores::require_theta does.
  void prepare(const VectorView<double>& theta) {
    scores_->require_theta(theta);
    const double scale = scores_->scale_of(theta);
    const Vector<Scalar> point = scores_->point_of(theta);
    ++step_;
    if (step_ == 1 || step_ >= due_ || scale != scale_) scan(point, scale);
    level_ = -std::numeric_limits<double>::infinity();
    for (std::size_t j = 0; j < sample_.size(); ++j) {
      const auto product = static_cast<double>(rows_.row(static_cast<Eigen::Index>(j)).dot(point));
      level_ = (std::max)(level_, product - scale * scores_->bounds()[sample_[j]]);
    }
    level_ += options_.margin;
  }

  /// The clipped score. Precondition, not checked: theta is the prepared one, id < size().
  double score(const VectorView<double>& theta, item_id id) const {
    const double score = scores_->score(theta, id);
    return score <= level_ ? score : clipped(score, id);
  }

  void score_many(const VectorView<double>& theta, std::span<const item_id> ids,
                  std::span<double> out) const {
    scores_->score_many(theta, ids, out);
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (out[i] > level_) out[i] = clipped(out[i], ids[i]);
  }

  /// The items, k at most, that the last scan saw above the level, and a certified bound on the
  /// rest. Throws std::invalid_argument on k == 0, a bad theta, and when none was prepared for this
  /// s.
  void search(const VectorView<double>& theta, std::size_t k, Retrieval& found) const {
    scores_->require_theta(theta);
    if (k == 0) detail::throw_invalid("k", k, "must be at least 1");
    if (step_ == 0 || scores_->scale_of(theta) != scale_)
      detail::throw_invalid("theta's last entry", theta[theta.size() - 1],
                            "prepare(theta) has to come first");
    found.clear();
    for (const auto& [value, id] : hot_) {
      if (value <= level_ || found.ids.size() == k) break;
      found.ids.push_back(id);
    }
    const std::size_t taken = found.ids.size();
    found.residual_bound = (std::max)(level_, taken < hot_.size() ? hot_[taken].first : rest_);
    found.guarantee = Guarantee::certified();
    rescore(*this, theta, found);
  }

 private:
  static std::size_t sqrt_of(std::size_t m) noexcept {
    return static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(m))));
  }

  double clipped(double score, item_id id) const {
    const double then =
        static_cast<double>(scores_->rows().row(id).dot(scanned_)) - scale_ * scores_->bounds()[id];
    return (std::min)(score, (std::max)(level_, then));
  }

  void scan(const Vector<Scalar>& point, double scale) {
    constexpr std::size_t block = 1024;
    const std::size_t most = kept(size(), options_);
    TopK<double> best((std::min)(most + 1, size()));
    std::vector<double> values(block);
    for (std::size_t first = 0; first < size(); first += block) {
      const std::span<double> part(values.data(), (std::min)(block, size() - first));
      scores_->score_block(point, scale, first, part);
      for (std::size_t i = 0; i < part.size(); ++i)
        if (part[i] >= best.threshold()) best.push(part[i], static_cast<item_id>(first + i));
    }
    hot_ = best.finish();
    rest_ = -std::numeric_limits<double>::infinity();
    if (hot_.size() > most) {
      rest_ = hot_.back().first;
      hot_.pop_back();
    }
    scanned_ = point;
    scale_ = scale;
    due_ = 2 * step_;
    ++counts_.exact;
  }

  const ConstraintScores<Scalar>* scores_;
  SampledConstraintOptions options_;
  std::vector<item_id> sample_;
  RowMatrix<Scalar> rows_;                       // of the sample
  Vector<Scalar> scanned_;                       // s x_t0
  std::vector<std::pair<double, item_id>> hot_;  // of the scan, best first
  double scale_ = 0.0, level_ = 0.0, rest_ = 0.0;
  std::size_t step_ = 0, due_ = 0;
  ScanCounts counts_;
};

}  // namespace lazygumbel
