#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/index/mips_index.hpp>
#include <lazygumbel/privacy/lp/detail/constraint_scores.hpp>
#include <lazygumbel/privacy/lp/detail/sampled_constraint_index.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <limits>
#include <span>
#include <utility>
#include <vector>

/// \file
/// Clipped scores by the definition in sampled_constraint_index.hpp, in plain loops, right and with
/// mistakes; programs and sequences of points to try them on.

namespace lazygumbel::testing {

/// m rows of d entries, uniform in [-1, 1].
template <class Scalar = double>
RowMatrix<Scalar> uniform_rows(std::size_t m, std::size_t d, std::uint64_t seed) {
  PhiloxEngine engine(seed);
  RowMatrix<Scalar> rows(static_cast<Eigen::Index>(m), static_cast<Eigen::Index>(d));
  for (Eigen::Index i = 0; i < rows.rows(); ++i)
    for (Eigen::Index j = 0; j < rows.cols(); ++j)
      rows(i, j) = static_cast<Scalar>(2.0 * open_uniform(engine) - 1.0);
  return rows;
}

inline std::vector<double> uniform_bounds(std::size_t m, double low, double high,
                                          std::uint64_t seed) {
  PhiloxEngine engine(seed, 1);
  std::vector<double> bounds(m);
  for (double& b : bounds) b = low + (high - low) * open_uniform(engine);
  return bounds;
}

/// Points of the standard simplex, the first its centre, each made of the last by factors
/// exp(+-size).
inline std::vector<std::vector<double>> simplex_walk(std::size_t d, std::size_t steps, double size,
                                                     std::uint64_t seed) {
  PhiloxEngine engine(seed, 2);
  std::vector<std::vector<double>> walk(1, std::vector<double>(d, 1.0 / static_cast<double>(d)));
  while (walk.size() < steps) {
    std::vector<double> x = walk.back();
    double sum = 0.0;
    for (double& w : x) sum += w *= std::exp(size * (2.0 * open_uniform(engine) - 1.0));
    for (double& w : x) w /= sum;
    walk.push_back(std::move(x));
  }
  return walk;
}

/// scale (x, -1).
inline Vector<double> lp_theta(std::span<const double> x, double scale) {
  Vector<double> theta(static_cast<Eigen::Index>(x.size()) + 1);
  for (std::size_t j = 0; j < x.size(); ++j) theta[static_cast<Eigen::Index>(j)] = scale * x[j];
  theta[theta.size() - 1] = -scale;
  return theta;
}

enum class SampledClipping {
  right,
  level_alone,          ///< min(y, U)
  listed_only,          ///< max(U, y(t0)) for those that the scan listed, U for the others
  schedule_from_scores  ///< scans when many scores are above their clip, which depends on b
};

/// The clipped scores of all constraints, and an index over them: SampledConstraintIndex without
/// its economies, which scores everything at each step. `List`: how many a scan lists.
template <class Scalar, SampledClipping Clipping>
class PlainSampledIndex {
 public:
  using scalar_type = double;

  PlainSampledIndex(const ConstraintScores<Scalar>& scores, const SampledConstraintOptions& options)
      : scores_(&scores),
        options_(options),
        listed_count_(SampledConstraintIndex<Scalar>::kept(scores.size(), options)) {
    PhiloxEngine engine(options.seed);
    for (std::size_t j = 0; j < options.sample; ++j)
      sample_.push_back(uniform_index(static_cast<std::uint32_t>(scores.size()), engine));
  }

  std::size_t size() const { return scores_->size(); }
  std::size_t dimension() const { return scores_->dimension(); }
  ScanCounts scans() const { return {.exact = scans_}; }
  double level() const { return level_; }
  /// The scores that are clipped, exact and as they are.
  const std::vector<double>& exact() const { return now_; }
  const std::vector<double>& clipped() const { return clipped_; }

  void prepare(const VectorView<double>& theta) {
    ++step_;
    scale_ = scores_->scale_of(theta);
    now_ = exact_scores(theta);
    level_ = -std::numeric_limits<double>::infinity();
    for (const item_id j : sample_) level_ = std::max(level_, now_[j]);
    level_ += options_.margin;
    bool due = step_ == 1;
    if constexpr (Clipping == SampledClipping::schedule_from_scores) {
      std::size_t above = 0;
      for (std::size_t i = 0; i < then_.size(); ++i) above += now_[i] > clip_of(i);
      due = due || above > size() / 5;
    } else {
      due = due || (step_ & (step_ - 1)) == 0;
    }
    if (due || scale_ != scanned_scale_) scan();
    clipped_.resize(now_.size());
    for (std::size_t i = 0; i < now_.size(); ++i) clipped_[i] = std::min(now_[i], clip_of(i));
  }

  double score(const VectorView<double>&, item_id id) const { return clipped_[id]; }
  void score_many(const VectorView<double>&, std::span<const item_id> ids,
                  std::span<double> out) const {
    for (std::size_t i = 0; i < ids.size(); ++i) out[i] = clipped_[ids[i]];
  }
  void search(const VectorView<double>& theta, std::size_t k, Retrieval& found) const {
    found.clear();
    for (item_id id = 0; id < size(); ++id) found.ids.push_back(id);
    rescore(*this, theta, found);
    if (found.ids.size() <= k) return;
    found.residual_bound = found.scores[k];
    found.guarantee = Guarantee::certified();
    found.ids.resize(k);
    found.scores.resize(k);
  }

 private:
  std::vector<double> exact_scores(const VectorView<double>& theta) const {
    std::vector<double> scores(size());
    for (item_id i = 0; i < size(); ++i) {
      for (Eigen::Index j = 0; j + 1 < theta.size(); ++j)
        scores[i] += static_cast<double>(scores_->rows().row(i)[j]) * theta[j];
      scores[i] -= scale_ * scores_->bounds()[i];
    }
    return scores;
  }

  double clip_of(std::size_t i) const {
    if (Clipping == SampledClipping::level_alone) return level_;
    if (Clipping == SampledClipping::listed_only && !listed_[i]) return level_;
    return std::max(level_, then_[i]);
  }

  void scan() {
    then_ = now_;
    scanned_scale_ = scale_;
    ++scans_;
    std::vector<item_id> order(size());
    for (item_id i = 0; i < size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(),
              [&](item_id a, item_id b) { return now_[a] != now_[b] ? now_[a] > now_[b] : a < b; });
    listed_.assign(size(), false);
    for (std::size_t i = 0; i < listed_count_; ++i) listed_[order[i]] = true;
  }

  const ConstraintScores<Scalar>* scores_;
  SampledConstraintOptions options_;
  std::size_t listed_count_, step_ = 0, scans_ = 0;
  std::vector<item_id> sample_;
  std::vector<bool> listed_;
  std::vector<double> now_, then_, clipped_;
  double level_ = 0.0, scale_ = 0.0, scanned_scale_ = 0.0;
};

/// A program, a sequence of points, and b with a neighbour.
struct NeighbouringBounds {
  std::vector<double> before, after;

  enum class Change { all_up, all_down, mixed, sparse };
  static constexpr Change changes[] = {Change::all_up, Change::all_down, Change::mixed,
                                       Change::sparse};

  /// |before - after|_inf = D exactly in as many entries as the kind of change says.
  static NeighbouringBounds make(std::size_t m, Change change, double sensitivity,
                                 std::uint64_t seed) {
    NeighbouringBounds pair{uniform_bounds(m, -0.3, 0.6, seed), {}};
    PhiloxEngine engine(seed, 3);
    pair.after = pair.before;
    for (double& b : pair.after) {
      const double u = open_uniform(engine);
      if (change == Change::all_up) b += sensitivity;
      if (change == Change::all_down) b -= sensitivity;
      if (change == Change::mixed) b += u < 0.5 ? sensitivity : -sensitivity;
      if (change == Change::sparse && u < 0.1) b += u < 0.05 ? sensitivity : -sensitivity;
    }
    return pair;
  }
};

/// The largest |f_i - f'_i| / (scale D), over all constraints and steps, of two indexes of
/// neighbouring bounds that are shown the same points.
template <class Index>
double largest_change(Index& index, Index& other, const std::vector<std::vector<double>>& walk,
                      double scale, double sensitivity) {
  double most = 0.0;
  for (const auto& x : walk) {
    const Vector<double> theta = lp_theta(x, scale);
    index.prepare(theta);
    other.prepare(theta);
    for (item_id i = 0; i < index.size(); ++i)
      most = std::max(most, std::abs(index.score(theta, i) - other.score(theta, i)));
  }
  return most / (scale * sensitivity);
}

}  // namespace lazygumbel::testing
