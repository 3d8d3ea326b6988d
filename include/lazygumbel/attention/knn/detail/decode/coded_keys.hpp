#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <functional>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/attention/knn/detail/decode/estimate_kernels.hpp"
#include "lazygumbel/core/detail/cache_line.hpp"
#include "lazygumbel/index/quantized/detail/code_kernels.hpp"
#include "lazygumbel/index/quantized/detail/coded_query.hpp"
#include "lazygumbel/index/quantized/detail/row_codes.hpp"
#include "lazygumbel/random/uniform.hpp"

/// \file
/// All keys seen through their codes: for one query an estimate of every score, kept, so that keys
/// are found and drawn by it without another look at the codes.

namespace lazygumbel::detail {

/// One query's estimates of the scores of keys 0 .. 64 tiles - 1, and draws by exp(estimate) of
/// those that were not taken out. Work memory, to be reused.
class CodedScores {
 public:
  static constexpr bool takes_again = true;  // take_largest

  /// Codes the query, and makes room. Throws std::invalid_argument when scores would overflow.
  template <std::same_as<float> Real = float>  // core/detail/later.hpp
  void start(const RowCodes& codes, const EstimateKernels& kernels, const VectorView<float>& query,
             float cap, double largest_key_norm) {
    kernels_ = &kernels;
    dimension_ = static_cast<double>(codes.dimension());
    along_ = codes.bits() == 4 ? 0x1p-3 : 0x1p-7;
    cap_ = cap;
    tiles_ = codes.tiles();
    query_.assign<Real>(query, codes.bits(), codes.residual_unit(),
                        static_cast<double>(codes.largest_scale()), largest_key_norm);
    estimates_.resize(tiles_ * tile_rows);
    const std::size_t room = (tiles_ + 15) / 16 * 16;
    largest_.assign(room, -infinity);
    sums_.assign(room, 0.0F);
    masses_.resize(room);
    error_ = 0.0F;
  }

  /// Scans a run of tiles; all have to be scanned once.
  void scan(const RowCodes& codes, std::size_t first, std::size_t last) {
    const float error = kernels_->scan(codes, first, last, query_, cap_, estimates_.data(),
                                       largest_.data(), sums_.data());
    error_ = (std::max)(error_, error);
  }

  /// |log of a draw's weight| is at most this, in exact arithmetic and with floats.
  double largest_error() const noexcept {
    return static_cast<double>(error_) + 2.0 * fast_exp_error;
  }

  /// At most what keys of the share `mass` of the total weigh, over the total, when these are too
  /// rare to be met: mass = rarity / draws. Of keys that were rotated at random before they were
  /// coded (KeyRotation), log weights x have Gaussian tails with V = error^2 / (d - 1) for
  /// variance, but for what codes take from a key along itself, about the residual's share of its
  /// length. Keys that weigh as much as R e^s draws, R = rarity, are missed with probability
  ///   E exp(-R e^(s - x)) <= e^-R
  /// for s = sqrt(V R / 2) where V <= 1 (R up to 8), s = sqrt(2 V R) beyond (computed for Gaussian
  /// x): many keys by Jensen's inequality, whatever their x have to do with each other. Never more
  /// than what is proved, mass e^largest_error().
  double unseen_weight(double mass, double rarity, float) const noexcept {
    const double error = largest_error();
    if (!(dimension_ > 1.0)) return mass * std::exp(error);
    const double variance = error * error / (dimension_ - 1.0),
                 spread =
                     std::sqrt(variance * rarity * (variance <= 1.0 && rarity <= 8.0 ? 0.5 : 2.0));
    return mass * std::exp((std::min)(error, spread + along_ * error));
  }

  /// Takes keys first .. last - 1 out.
  void take_out(std::size_t first, std::size_t last) {
    for (std::size_t row = first; row < last; ++row) estimates_[row] = -infinity;
    for (std::size_t t = first / tile_rows; t * tile_rows < last; ++t) weigh_again(t);
  }

  /// Takes out the keys that `draws` draws would meet once or more on average, at most `most` of
  /// them where that is not 0, into `ids` in increasing order; draws 0: the `most` largest.
  template <std::same_as<float> Real = float>
  void take_largest(std::size_t draws, std::size_t most, std::vector<item_id>& ids) {
    ids.clear();
    weigh();
    float least =
        draws == 0
            ? -infinity
            : unit_ + static_cast<float>(std::log(total_) - std::log(static_cast<double>(draws)));
    if (most > 0 && most < tiles_) {  // the largest rows are in the tiles of the largest
      masses_.assign(largest_.begin(), largest_.end());
      const auto kth = masses_.begin() + static_cast<std::ptrdiff_t>(most) - 1;
      std::nth_element(masses_.begin(), kth, masses_.end(), std::greater<>());
      least = (std::max)(least, *kth);
    }
    found_.clear();
    for (std::size_t t = 0; t < tiles_; ++t)
      if (largest_[t] >= least && largest_[t] > -infinity)
        for (std::size_t row = t * tile_rows; row < (t + 1) * tile_rows; ++row)
          if (estimates_[row] >= least && estimates_[row] > -infinity)
            found_.emplace_back(-estimates_[row], static_cast<item_id>(row));
    if (most > 0 && found_.size() > most) {
      std::nth_element(found_.begin(), found_.begin() + static_cast<std::ptrdiff_t>(most),
                       found_.end());
      found_.resize(most);
    }
    for (const auto& [estimate, id] : found_) ids.push_back(id);
    std::sort(ids.begin(), ids.end());
    for (const item_id id : ids) estimates_[id] = -infinity;
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (i == 0 || ids[i] / tile_rows != ids[i - 1] / tile_rows) weigh_again(ids[i] / tile_rows);
    weigh();
  }

  /// Scores of the keys taken out: only estimates are known.
  static std::span<const double> scores() noexcept { return {}; }

  /// Makes ready to draw: unit() and total().
  void weigh() {
    unit_ = *std::max_element(largest_.begin(), largest_.end());
    total_ = 0.0;
    if (unit_ == -infinity) return;
    kernels_->tiles(largest_.data(), sums_.data(), largest_.size(), unit_, masses_.data());
    for (const float mass : masses_) total_ += static_cast<double>(mass);
  }

  /// Intensities are in units of e^unit() and sum to total(), 0 when no key is left.
  double unit() const noexcept { return static_cast<double>(unit_); }
  double total() const noexcept { return total_; }

  /// `count` draws in increasing order: one in each of `count` equal parts of the total, or
  /// independent. Precondition: total() > 0.
  template <BitGenerator Engine>
  void draw(std::size_t count, bool stratified, Engine& engine, item_id* ids, double* intensities) {
    targets_.resize(count);
    const double part = total_ / static_cast<double>(count);
    for (std::size_t i = 0; i < count; ++i)
      targets_[i] = stratified ? (static_cast<double>(i) + open_uniform(engine)) * part
                               : open_uniform(engine) * total_;
    if (!stratified) std::sort(targets_.begin(), targets_.end());
    std::size_t tile = 0, last = 0;  // the last tile that has weight and begins before the target
    double begin = 0.0, next = 0.0;  // of `last`, and behind `tile` - 1
    std::size_t weighed = tiles_;
    alignas(64) float weights[tile_rows];
    float largest, sum = 0.0F;
    std::size_t row = 0;
    double before = 0.0;
    for (std::size_t i = 0; i < count; ++i) {
      while (tile < tiles_ && (next <= targets_[i])) {
        if (masses_[tile] > 0.0F) {
          last = tile;
          begin = next;
        }
        next += static_cast<double>(masses_[tile++]);
      }
      if (last != weighed) {
        kernels_->rows(estimates_.data() + last * tile_rows, weights, &largest, &sum);
        weighed = last;
        row = 0;
        before = 0.0;
      }
      const double mass = static_cast<double>(masses_[last]),
                   scale = mass / static_cast<double>(sum);
      const double target = (targets_[i] - begin) / scale;
      std::size_t at = row;
      for (; at + 1 < tile_rows; ++at) {
        const double after = before + static_cast<double>(weights[at]);
        if (target < after) break;
        before = after;
      }
      row = at;
      while (weights[at] == 0.0F) --at;  // only rounding leads there
      ids[i] = static_cast<item_id>(last * tile_rows + at);
      intensities[i] = scale * static_cast<double>(weights[at]);
    }
  }

 private:
  static constexpr float infinity = std::numeric_limits<float>::infinity();

  void weigh_again(std::size_t tile) {
    alignas(64) float weights[tile_rows];
    kernels_->rows(estimates_.data() + tile * tile_rows, weights, &largest_[tile], &sums_[tile]);
  }

  const EstimateKernels* kernels_ = nullptr;
  CodedQuery query_;
  float cap_ = 0.0F, error_ = 0.0F, unit_ = -infinity;
  double dimension_ = 1.0, along_ = 0.0;
  std::size_t tiles_ = 0;
  double total_ = 0.0;
  std::vector<float, CacheLineAllocator<float>> estimates_, largest_, sums_, masses_;
  std::vector<std::pair<float, item_id>> found_;
  std::vector<double> targets_;
};

}  // namespace lazygumbel::detail
