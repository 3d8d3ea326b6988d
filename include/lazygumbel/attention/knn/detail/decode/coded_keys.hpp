#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/attention/exact/detail/storage_lanes.hpp"
#include "lazygumbel/core/detail/cache_line.hpp"
#include "lazygumbel/index/quantized/detail/code_scan.hpp"
#include "lazygumbel/random/uniform.hpp"

/// \file
/// All keys seen through their codes: for one query an estimate of every score, kept, so that keys
/// are found and drawn by it without another look at the codes.

namespace lazygumbel::detail {

/// Rows 64 first .. 64 last - 1 of whole tiles: their estimates, capped; of each tile the largest
/// and the sum of exp(estimate - largest). Returns the largest error of an estimate.
template <class Dots, int Bits>
LAZYGUMBEL_INLINE float scan_estimates(const RowCodes& codes, std::size_t first, std::size_t last,
                                       const CodedQuery& query, float cap, float* estimates,
                                       float* largest, float* sums) {
  constexpr std::size_t W = Dots::width, parts = tile_rows / W;
  using Floats = typename Lanes<W>::Floats;
  const std::int32_t* const words = query.words.data();
  const float inverse = cap > 0.0F ? 1.0F / cap : 0.0F;
  alignas(64) std::int32_t dots[1][tile_rows];
  float error = 0.0F;
  for (std::size_t t = first; t < last; ++t) {
    Dots::template run<Bits, 1>(codes.tile(t), codes.groups(), &words, dots);
    const float slack = slack_of(codes, t, query);
    Floats rows[parts], high;
    LAZYGUMBEL_UNROLL
    for (std::size_t i = 0; i < parts; ++i) {
      rows[i] = RowEstimates<W>(dots[0], codes, t, W * i, query, slack).estimate;
      if (cap > 0.0F) lanes_cap<W>(rows[i], cap, inverse);
      std::memcpy(estimates + t * tile_rows + W * i, &rows[i], sizeof rows[i]);
      if (i == 0)
        high = rows[i];
      else
        take_larger(high, rows[i]);
    }
    largest[t] = largest_lane(high);
    Floats sum = {};
    LAZYGUMBEL_UNROLL
    for (std::size_t i = 0; i < parts; ++i) {
      rows[i] -= largest[t];
      fast_exp<W>(rows[i]);
      sum += rows[i];
    }
    sums[t] = lane_sum(sum);
    const float here = codes.residual(t) * query.c + slack;
    error = here > error ? here : error;
  }
  return error;
}

/// The weights exp(estimate - largest) of one tile's rows, 0 of those whose estimate is -inf.
template <std::size_t W>
LAZYGUMBEL_INLINE void weigh_estimates(const float* estimates, float* weights, float* largest,
                                       float* sum) {
  using Floats = typename Lanes<W>::Floats;
  Floats high;
  load(high, estimates);
  for (std::size_t i = W; i < tile_rows; i += W) {
    Floats x;
    load(x, estimates + i);
    take_larger(high, x);
  }
  *largest = largest_lane(high);
  Floats all = {};
  if (*largest == -std::numeric_limits<float>::infinity())
    std::memset(weights, 0, sizeof(float) * tile_rows);
  else
    for (std::size_t i = 0; i < tile_rows; i += W) {
      Floats x;
      load(x, estimates + i);
      x -= *largest;
      lanes_exp<W>(x);
      all += x;
      std::memcpy(weights + i, &x, sizeof x);
    }
  *sum = lane_sum(all);
}

/// masses[t] = sums[t] exp(largest[t] - unit), in whole lanes.
template <std::size_t W>
LAZYGUMBEL_INLINE void weigh_tiles(const float* largest, const float* sums, std::size_t count,
                                   float unit, float* masses) {
  using Floats = typename Lanes<W>::Floats;
  for (std::size_t t = 0; t < count; t += W) {
    Floats x, sum;
    load(x, largest + t);
    load(sum, sums + t);
    x -= unit;
    lanes_exp<W>(x);
    x *= sum;
    std::memcpy(masses + t, &x, sizeof x);
  }
}

/// The loops of one instruction set and number of bits, as pointers to functions.
struct EstimateKernels {
  float (*scan)(const RowCodes&, std::size_t first, std::size_t last, const CodedQuery&, float cap,
                float* estimates, float* largest, float* sums);
  void (*rows)(const float* estimates, float* weights, float* largest, float* sum);
  void (*tiles)(const float* largest, const float* sums, std::size_t count, float unit,
                float* masses);
};

// The functions that carry an instruction set, once for each. Nothing but calls, which are inlined.
#define LAZYGUMBEL_ESTIMATE_KERNELS(Name, Dots, attributes)                                        \
  template <int Bits>                                                                              \
  struct Name {                                                                                    \
    attributes static float scan(const RowCodes& codes, std::size_t first, std::size_t last,       \
                                 const CodedQuery& query, float cap, float* estimates,             \
                                 float* largest, float* sums) {                                    \
      return scan_estimates<Dots, Bits>(codes, first, last, query, cap, estimates, largest, sums); \
    }                                                                                              \
    attributes static void rows(const float* estimates, float* weights, float* largest,            \
                                float* sum) {                                                      \
      weigh_estimates<Dots::width>(estimates, weights, largest, sum);                              \
    }                                                                                              \
    attributes static void tiles(const float* largest, const float* sums, std::size_t count,       \
                                 float unit, float* masses) {                                      \
      weigh_tiles<Dots::width>(largest, sums, count, unit, masses);                                \
    }                                                                                              \
    static constexpr EstimateKernels table = {scan, rows, tiles};                                  \
  }

LAZYGUMBEL_ESTIMATE_KERNELS(PortableEstimates, PortableDots, );
#ifdef LAZYGUMBEL_X86_KERNELS
LAZYGUMBEL_ESTIMATE_KERNELS(Avx2Estimates, Avx2Dots, LAZYGUMBEL_AVX2);
LAZYGUMBEL_ESTIMATE_KERNELS(Avx512Estimates, Avx512Dots, LAZYGUMBEL_AVX512);
#elif defined(LAZYGUMBEL_NEON_KERNELS)
LAZYGUMBEL_ESTIMATE_KERNELS(NeonEstimates, NeonDots, );
#endif
#undef LAZYGUMBEL_ESTIMATE_KERNELS

/// The kernels of `simd`, which must be supported.
inline const EstimateKernels& estimate_kernels(Simd simd, int bits) noexcept {
  switch (simd) {
#ifdef LAZYGUMBEL_X86_KERNELS
    case Simd::avx512_vnni:
      return bits == 4 ? Avx512Estimates<4>::table : Avx512Estimates<8>::table;
    case Simd::avx2:
      return bits == 4 ? Avx2Estimates<4>::table : Avx2Estimates<8>::table;
#elif defined(LAZYGUMBEL_NEON_KERNELS)
    case Simd::neon:
      return bits == 4 ? NeonEstimates<4>::table : NeonEstimates<8>::table;
#endif
    default:
      return bits == 4 ? PortableEstimates<4>::table : PortableEstimates<8>::table;
  }
}

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
  std::size_t tiles_ = 0;
  double total_ = 0.0;
  std::vector<float, CacheLineAllocator<float>> estimates_, largest_, sums_, masses_;
  std::vector<std::pair<float, item_id>> found_;
  std::vector<double> targets_;
};

}  // namespace lazygumbel::detail
