#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "lazygumbel/attention/exact/detail/product_kernels.hpp"
#include "lazygumbel/attention/exact/heads_view.hpp"
#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/index/ivf/ivf_index.hpp"

namespace lazygumbel::detail {

/// What k-means lists say of one query's scores: the largest of the lists that were scanned, and
/// draws from all the others. A source of scores (HeadDecoder).
template <std::same_as<float> Real>
class ListedScores {
 public:
  static constexpr bool takes_again = false;

  /// `certain`: the keys that are taken out; 0: half as many as draws.
  void start(const IvfIndex<Real>& index, const Real* query, std::size_t first,
             std::size_t certain) {
    index_ = &index;
    query_ = query;
    first_ = first;
    certain_ = certain;
  }

  /// The `most` largest that the search finds, or as many as `start` says.
  void take_largest(std::size_t draws, std::size_t most, std::vector<item_id>& ids) {
    const std::size_t k = (std::min)(most > 0       ? most
                                     : certain_ > 0 ? certain_
                                                    : (draws + 1) / 2,
                                     index_->size());
    index_->search_with_proposals(
        Eigen::Map<const Vector<Real>>(query_, static_cast<Eigen::Index>(index_->dimension())), k,
        found_, proposals_);
    ids.clear();
    for (const item_id id : found_.ids) ids.push_back(static_cast<item_id>(first_ + id));
  }

  /// Scores of the keys taken out.
  std::span<const double> scores() const noexcept { return found_.scores; }

  double unit() const noexcept { return proposals_.log_rate(); }
  double total() const noexcept {
    return proposals_.log_rate() > -std::numeric_limits<double>::infinity() ? 1.0 : 0.0;
  }
  double largest_error() const noexcept { return std::numeric_limits<double>::infinity(); }
  double unseen_weight(double mass, double, float cap) const {
    return proposals_.hidden_excess(mass, 0.0, static_cast<double>(cap));
  }

  template <BitGenerator Engine>
  void draw(std::size_t count, bool, Engine& engine, item_id* ids, double* intensities) const {
    for (std::size_t i = 0; i < count; ++i) {
      const Proposal proposal = proposals_.propose(engine);
      ids[i] = static_cast<item_id>(first_ + proposal.id);
      intensities[i] = std::exp(proposal.log_intensity - proposals_.log_rate());
    }
  }

 private:
  const IvfIndex<Real>* index_ = nullptr;
  const Real* query_ = nullptr;
  std::size_t first_ = 0, certain_ = 0;
  Retrieval found_;
  ListProposals proposals_;
};

/// k-means lists over the keys `first` .. end() - 1 of one kv head, rebuilt whenever these have
/// doubled, and the queries seen last, on which the probes are tuned: queries and keys are of
/// different laws.
template <StorageScalar T>
class ListedKeys {
 public:
  ListedKeys(std::size_t first, std::size_t d) : first_(first), d_(d) {}

  std::size_t end() const noexcept { return index_ ? first_ + index_->size() : 0; }
  std::size_t size_in_bytes() const noexcept { return index_ ? index_->size_in_bytes() : 0; }
  std::size_t probes() const noexcept { return index_ ? index_->probes() : 0; }

  /// Takes in the keys before `end`, some hundreds at a time.
  void update(const HeadsView<T>& keys, std::size_t kv, std::size_t end, Simd simd) {
    if (end <= first_) return;
    if (!index_ || end - first_ >= 2 * built_) {
      built_ = end - first_;
      const std::size_t lists =
          (std::max)(std::size_t{1},
                     static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(built_)))));
      with_rows(keys, kv, first_, end, simd, [&](const MatrixView<float>& rows) {
        index_.emplace(rows, IvfParameters{.lists = lists});
      });
      index_->split_wide_lists(1.5);  // the weight of what is not met is bounded by radii
      decodes_ = 0;
      next_tuning_ = 4;
    } else if (end >= this->end() + batch) {
      with_rows(keys, kv, this->end(), end, simd,
                [&](const MatrixView<float>& rows) { index_->add(rows); });
    }
  }

  void look(const float* query, ListedScores<float>& scores) const {
    scores.start(*index_, query, first_, certain_);
  }

  void remember(const float* query) {
    if (queries_.size() < remembered * d_) {
      queries_.insert(queries_.end(), query, query + d_);
    } else {
      std::copy_n(query, d_, queries_.data() + oldest_ * d_);
      oldest_ = (oldest_ + 1) % remembered;
    }
  }

  /// True after 4, 32, 256, .. decodes since the lists were built.
  bool wants_tuning() noexcept {
    if (decodes_++ < next_tuning_ || queries_.empty()) return false;
    next_tuning_ *= 8;
    return true;
  }

  /// Sets the probes, and how many keys are taken with certainty, of the least cost over some of
  /// the remembered queries. rows_of(query, number): rows read one by one; a scanned row costs a
  /// fifth of that.
  template <class RowsOf>
  void tune(RowsOf&& rows_of) {
    const std::size_t lists = index_->lists(), count = queries_.size() / d_;
    const std::size_t stride = (count + 7) / 8, used = (count + stride - 1) / stride;
    const double list_rows = static_cast<double>(index_->size()) / static_cast<double>(lists);
    double least = std::numeric_limits<double>::infinity();
    std::size_t best_probes = 1, best_certain = 0;
    for (const std::size_t certain : {64U, 256U, 1024U, 4096U}) {
      if (certain > index_->size() / 16) break;
      certain_ = certain;
      std::size_t worse = 0;
      for (std::size_t probes = 1; probes < lists && worse < 3; probes *= 2) {
        index_->set_probes(probes);
        double cost = static_cast<double>(used) * static_cast<double>(probes) * list_rows / 5.0;
        for (std::size_t i = 0; i < count && cost < least; i += stride)
          cost += static_cast<double>(rows_of(queries_.data() + i * d_, i));
        ++worse;
        if (cost >= least) continue;
        worse = 0;
        least = cost;
        best_probes = probes;
        best_certain = certain;
      }
    }
    index_->set_probes(best_probes);
    certain_ = best_certain;
  }

 private:
  static constexpr std::size_t batch = 256, remembered = 32;

  template <class Use>
  void with_rows(const HeadsView<T>& keys, std::size_t kv, std::size_t from, std::size_t to,
                 Simd simd, Use&& use) const {
    const auto count = static_cast<Eigen::Index>(to - from), d = static_cast<Eigen::Index>(d_);
    if constexpr (std::same_as<T, float>) {
      use(RowPointer<float>(keys.row(from, kv), count, d,
                            Eigen::OuterStride<>(keys.token_stride())));
    } else {
      RowMatrix<float> rows(count, d);
      select<StorageKernels<T>>(simd).widen(keys.row(from, kv), keys.token_stride(), to - from, d_,
                                            rows.data(), d_);
      use(rows);
    }
  }

  std::size_t first_, d_, built_ = 0, certain_ = 0;
  std::optional<IvfIndex<Later<float, T>>> index_;
  std::vector<float> queries_;
  std::size_t oldest_ = 0, decodes_ = 0, next_tuning_ = 4;
};

}  // namespace lazygumbel::detail
