#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/index/quantized/detail/code_kernels.hpp"
#include "lazygumbel/index/quantized/detail/coded_query.hpp"
#include "lazygumbel/index/quantized/detail/row_codes.hpp"
#include "lazygumbel/index/tail.hpp"

namespace lazygumbel::detail {

/// Items outside a head drawn from their codes alone: item i of tile t with intensity
/// exp(estimate_i), times exp(largest error in t) where intensities have to be upper bounds. One
/// pass over the codes, O(n d) bytes of which half (4 bits) or all (8 bits) are read, then O(log n)
/// and one tile a draw.
class WeightedCodes {
 public:
  /// What the intensities are for: `bounds` are certified to reach exp(score), `estimates` are as
  /// near to it as the codes tell.
  enum class Purpose { bounds, estimates };

  /// Scans. `largest` of every tile, plus its error, is then a bound for the tile's rows (after
  /// `prepare`: for those outside the head).
  void scan(const RowCodes& codes, const CodeKernels& kernels, CodedQuery& query) {
    codes_ = &codes;
    kernels_ = &kernels;
    std::swap(query_, query);
    tiles_.resize(codes.tiles());
    kernels.weights(codes, 0, codes.tiles(), query_, tiles_.data());
  }

  const CodedQuery& query() const noexcept { return query_; }
  std::span<const TileWeight> tiles() const noexcept { return tiles_; }

  /// Leaves the items of `head` (increasing) out and makes ready to draw.
  void prepare(std::vector<item_id> head, Purpose purpose) {
    head_ = std::move(head);
    margin_ = purpose == Purpose::bounds;
    for (std::size_t at = 0; at < head_.size();) {
      const std::size_t tile = head_[at] / tile_rows;
      tiles_[tile].largest = largest_outside_head(tile, at);
      Cursor cursor;
      weigh(tile, cursor);
      tiles_[tile].sum = static_cast<float>(cursor.sum);
    }
    unit_ = -std::numeric_limits<double>::infinity();
    for (const TileWeight& tile : tiles_)
      if (tile.sum > 0.0F) unit_ = (std::max)(unit_, log_scale(tile));
    // exp in one go, which Eigen vectorises.
    cumulative_.resize(static_cast<Eigen::Index>(tiles_.size()));
    for (std::size_t t = 0; t < tiles_.size(); ++t)
      cumulative_[static_cast<Eigen::Index>(t)] =
          tiles_[t].sum > 0.0F ? log_scale(tiles_[t]) - unit_ : -1000.0;
    cumulative_ = cumulative_.exp();
    double sum = 0.0;
    for (std::size_t t = 0; t < tiles_.size(); ++t) {
      double& entry = cumulative_[static_cast<Eigen::Index>(t)];
      const double mass = tiles_[t].sum > 0.0F ? entry * static_cast<double>(tiles_[t].sum) : 0.0;
      entry = sum + mass;
      // No tile gets less than its mass, however small beside the sum before it.
      if (entry - sum < mass) entry = std::nextafter(entry, 2.0 * entry);
      sum = entry;
    }
    log_rate_ = sum > 0.0 ? unit_ + std::log(sum) : -std::numeric_limits<double>::infinity();
  }

  double log_rate() const noexcept { return log_rate_; }

  template <BitGenerator Engine>
  Proposal propose(Engine& engine) const {
    Cursor cursor;
    return at(target(engine), cursor);
  }

  /// Independent proposals, in increasing order: tiles are fetched together and each taken apart
  /// once. At most 32.
  template <BitGenerator Engine>
  void propose_many(std::span<Proposal> proposals, Engine& engine) const {
    std::array<double, 32> targets;
    for (std::size_t i = 0; i < proposals.size(); ++i) targets[i] = target(engine);
    std::sort(targets.begin(), targets.begin() + static_cast<std::ptrdiff_t>(proposals.size()));
    for (std::size_t i = 0; i < proposals.size(); ++i) codes_->prefetch(tile_of(targets[i]));
    Cursor cursor;
    for (std::size_t i = 0; i < proposals.size(); ++i) proposals[i] = at(targets[i], cursor);
  }

  /// The largest difference between the score and the log intensity of any item of `estimates`.
  double largest_error() const noexcept {
    float largest = 0.0F;
    for (const TileWeight& tile : tiles_) largest = (std::max)(largest, tile.error);
    return static_cast<double>(largest) + slack;
  }

  /// The most by which items with `share` of all intensity may exceed `mean` times it, their
  /// weights exp(score - log intensity) being anything that the codes allow; in units of the rate.
  /// O(tiles).
  double hidden_excess(double share, double mean) const {
    return hidden(share, [&](double error) { return std::exp(error) - mean; });
  }
  /// The most by which they may fall short of it.
  double hidden_deficit(double share, double mean) const {
    return hidden(share, [&](double error) { return mean - std::exp(-error); });
  }

  /// log sum over the tail of exp(score) is at least (sign -1) or at most (+1) this: certain.
  double log_sum_bound(double sign) const {
    if (log_rate_ == -std::numeric_limits<double>::infinity()) return log_rate_;
    Eigen::ArrayXd terms(static_cast<Eigen::Index>(tiles_.size()));
    for (std::size_t t = 0; t < tiles_.size(); ++t)
      terms[static_cast<Eigen::Index>(t)] =
          tiles_[t].sum > 0.0F ? static_cast<double>(tiles_[t].largest) - unit_ +
                                     sign * (static_cast<double>(tiles_[t].error) + slack)
                               : -1000.0;
    terms = terms.exp();
    double sum = 0.0;
    for (std::size_t t = 0; t < tiles_.size(); ++t)
      sum += terms[static_cast<Eigen::Index>(t)] * static_cast<double>(tiles_[t].sum);
    return unit_ + std::log(sum);
  }

 private:
  /// The largest sum over items with `share` of all intensity of off(error) times their own share;
  /// `off` grows with the error of a tile.
  template <class Off>
  double hidden(double share, Off&& off) const {
    const double total = cumulative_.size() > 0 ? cumulative_[cumulative_.size() - 1] : 0.0;
    if (!(total > 0.0)) return 0.0;
    std::vector<std::pair<float, double>> worst;  // error, mass
    for (std::size_t t = 0; t < tiles_.size(); ++t) {
      const auto at = static_cast<Eigen::Index>(t);
      const double mass = cumulative_[at] - (t == 0 ? 0.0 : cumulative_[at - 1]);
      if (mass > 0.0) worst.emplace_back(tiles_[t].error, mass / total);
    }
    std::make_heap(worst.begin(), worst.end());
    double sum = 0.0;
    while (share > 0.0 && !worst.empty()) {
      const auto [error, mass] = worst.front();
      const double each = off(static_cast<double>(error) + slack);
      if (each <= 0.0) break;
      sum += (std::min)(share, mass) * each;
      share -= mass;
      std::pop_heap(worst.begin(), worst.end());
      worst.pop_back();
    }
    return sum;
  }

  using Weights = std::array<float, tile_rows>;
  static constexpr std::size_t part_rows = 8;
  /// The tile that was taken apart last: its rows' weights, and the sums of eight rows each.
  struct Cursor {
    std::size_t tile = (std::numeric_limits<std::size_t>::max)();
    alignas(64) Weights weights;
    std::array<double, tile_rows / part_rows> parts;
    double sum = 0.0;
  };
  static constexpr double slack = 2.0 * fast_exp_error;  // above sums in float, too

  double log_scale(const TileWeight& tile) const noexcept {
    return static_cast<double>(tile.largest) +
           (margin_ ? static_cast<double>(tile.error) + slack : 0.0);
  }

  /// A uniform place in the sum of all weights.
  template <BitGenerator Engine>
  double target(Engine& engine) const {
    return open_uniform(engine) * cumulative_[cumulative_.size() - 1];
  }

  /// The first tile whose cumulative weight exceeds the target; one without weight repeats the sum
  /// before it and is never found. (A target that rounds up to the total: the last with weight.)
  std::size_t tile_of(double target) const {
    const double* const begin = cumulative_.data();
    const double* const end = begin + cumulative_.size();
    const double* found = std::upper_bound(begin, end, target);
    if (found == end) found = std::lower_bound(begin, end, *(end - 1));
    return static_cast<std::size_t>(found - begin);
  }

  /// The item at a place in the sum of all weights.
  Proposal at(double target, Cursor& cursor) const {
    const std::size_t tile = tile_of(target);
    if (tile != cursor.tile) weigh(tile, cursor);
    const auto t = static_cast<Eigen::Index>(tile);
    const double before = t == 0 ? 0.0 : cumulative_[t - 1], mass = cumulative_[t] - before;
    double rest = (target - before) / mass * cursor.sum;
    std::size_t part = 0;
    while (part + 1 < cursor.parts.size() && rest >= cursor.parts[part])
      rest -= cursor.parts[part++];
    while (cursor.parts[part] == 0.0) --part;  // only rounding leads there
    std::size_t last = part * part_rows;
    for (std::size_t row = last; row < (part + 1) * part_rows; ++row) {
      const auto weight = static_cast<double>(cursor.weights[row]);
      if (weight == 0.0) continue;
      last = row;
      if ((rest -= weight) < 0.0) break;
    }
    // The intensity as it was used, whatever the two sums' roundings.
    const double share = static_cast<double>(cursor.weights[last]) / cursor.sum;
    return {static_cast<item_id>(tile * tile_rows + last), unit_ + std::log(mass * share)};
  }

  /// The largest estimate of the tile's rows that are not in the head, so that a peak in the head
  /// does not drown them; moves `at` past the tile's items. Of a tile all in the head: anything.
  float largest_outside_head(std::size_t tile, std::size_t& at) const {
    alignas(64) std::array<float, tile_rows> estimates, errors;
    kernels_->tile(*codes_, tile, query_, estimates.data(), errors.data(), 0.0F, nullptr);
    float largest = -std::numeric_limits<float>::infinity();
    for (std::size_t row = 0; row < codes_->rows_in(tile); ++row)
      if (at < head_.size() && head_[at] == tile * tile_rows + row)
        ++at;
      else
        largest = (std::max)(largest, estimates[row]);
    return largest > -std::numeric_limits<float>::infinity() ? largest : tiles_[tile].largest;
  }

  /// Takes a tile apart; rows of the head weigh 0.
  void weigh(std::size_t tile, Cursor& cursor) const {
    alignas(64) std::array<float, tile_rows> estimates, errors;
    kernels_->tile(*codes_, tile, query_, estimates.data(), errors.data(), tiles_[tile].largest,
                   cursor.weights.data());
    const auto first = static_cast<item_id>(tile * tile_rows);
    for (auto id = std::lower_bound(head_.begin(), head_.end(), first);
         id != head_.end() && *id < first + tile_rows; ++id)
      cursor.weights[*id - first] = 0.0F;
    cursor.tile = tile;
    cursor.sum = 0.0;
    for (std::size_t part = 0; part < cursor.parts.size(); ++part) {
      double sum = 0.0;
      for (std::size_t r = 0; r < part_rows; ++r)
        sum += static_cast<double>(cursor.weights[part * part_rows + r]);
      cursor.sum += cursor.parts[part] = sum;
    }
  }

  const RowCodes* codes_ = nullptr;
  const CodeKernels* kernels_ = nullptr;
  CodedQuery query_;
  std::vector<TileWeight> tiles_;
  std::vector<item_id> head_;
  bool margin_ = false;
  double unit_ = 0.0, log_rate_ = -std::numeric_limits<double>::infinity();
  Eigen::ArrayXd cumulative_;  // sums of the tiles' weights, in units of exp(unit_)
};

}  // namespace lazygumbel::detail
