#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/detail/cache_line.hpp"
#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/core/simd.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/privacy/workload/detail/bit_kernels.hpp"
#include "lazygumbel/privacy/workload/workload.hpp"
#include "lazygumbel/random/engine.hpp"

namespace lazygumbel {

/// m 0/1 queries without structure, one bit a value. A Workload with range [0, 1], integral. The
/// rows are public.
///
/// `answers` works on 32-bit integers: weights are rounded to multiples of a power of two, `step`,
/// with sum |w| / step < 2^30, and the sums of the rounded weights are exact. Integer weights with
/// sum |w| < 2^30 are multiples already. Others are off by at most |X| step / 2 (answers_error),
/// about |X| sum |w| / 2^30: on a workload whose queries have structure, BoxWorkload, or one that
/// adds doubles is closer.
///
/// Memory: |X| bits a query, rounded up to 16 bytes. `answers` reads it once: 36 MB for 100,000
/// queries over 2,880 cells. All functions are const but set_simd, and safe to call from many
/// threads.
class BitWorkload {
 public:
  static constexpr bool integral = true;

  /// `fill(id, words)` sets the bits of query `id`, cell x the bit x % 64 of words[x / 64]; there
  /// are ceil(cells / 64) words, all 0 before; called for 0 .. count - 1 in turn. Throws
  /// std::invalid_argument unless 1 <= count < 2^32 and 1 <= cells < 2^31, and when a bit behind
  /// the last cell is set. O(m |X| / 64) and the calls.
  template <std::invocable<item_id, std::span<std::uint64_t>> Fill>
  BitWorkload(std::size_t count, std::size_t cells, Fill&& fill)
      : count_(count),
        cells_(cells),
        chunks_((cells + detail::chunk_bits - 1) / detail::chunk_bits) {
    if (count == 0 || count > (std::numeric_limits<item_id>::max)())
      detail::throw_invalid("count", count, "must lie in 1 .. 2^32 - 1");
    if (cells == 0 || cells > 0x7fffffff)
      detail::throw_invalid("cells", cells, "must lie in 1 .. 2^31 - 1");
    const std::size_t tiles = (count + detail::bit_tile - 1) / detail::bit_tile;
    bits_.resize(tiles * tile_words());
    std::vector<std::uint64_t> words((cells + 63) / 64);
    for (std::size_t id = 0; id < count; ++id) {
      std::fill(words.begin(), words.end(), 0);
      fill(static_cast<item_id>(id), std::span<std::uint64_t>(words));
      if (cells % 64 != 0 && words.back() >> (cells % 64) != 0)
        detail::throw_invalid(
            "row " + detail::text_of(id) + " bit",
            64 * words.size() - 1 - static_cast<std::size_t>(std::countl_zero(words.back())),
            "must be below cells = " + detail::text_of(cells));
      std::uint64_t* const row = bits_.data() + detail::row_start(id, chunks_);
      for (std::size_t w = 0; w < words.size(); ++w) row[detail::word_offset(w)] = words[w];
    }
  }

  /// The queries of another workload. Throws std::invalid_argument where a value is neither 0 nor
  /// 1. O(m |X|).
  template <Workload W>
  requires(W::integral) static BitWorkload copy_of(const W& workload) {
    std::vector<double> query(workload.cells());
    return BitWorkload(
        workload.size(), workload.cells(), [&](item_id id, std::span<std::uint64_t> words) {
          workload.query(id, query);
          for (std::size_t x = 0; x < query.size(); ++x) {
            if (!(query[x] == 0.0 || query[x] == 1.0))
              detail::throw_invalid(
                  "query " + detail::text_of(id) + " value at cell " + detail::text_of(x), query[x],
                  "must be 0 or 1");
            if (query[x] == 1.0) words[x / 64] |= std::uint64_t{1} << (x % 64);
          }
        });
  }

  /// `count` rows of independent fair bits, 64 cells a draw. Throws as the constructor does.
  template <BitGenerator Engine>
  static BitWorkload random(std::size_t cells, std::size_t count, Engine& engine) {
    return BitWorkload(count, cells, [&](item_id, std::span<std::uint64_t> words) {
      for (std::uint64_t& word : words) word = uniform_bits(engine);
      if (cells % 64 != 0) words.back() &= (std::uint64_t{1} << (cells % 64)) - 1;
    });
  }

  std::size_t size() const noexcept { return count_; }
  std::size_t cells() const noexcept { return cells_; }
  QueryRange range() const noexcept { return {0.0, 1.0}; }

  /// q_id(cell). O(1). Not checked: id < size(), cell < cells().
  bool contains(item_id id, std::size_t cell) const noexcept {
    return (row(id)[detail::word_offset(cell / 64)] >> (cell % 64) & 1) != 0;
  }

  /// out[j] = <q_j, weights> for all j, weights rounded to multiples of step(sum |w|), exactly.
  /// Throws std::invalid_argument on other lengths and unless sum |w| is finite. O(m |X|): three
  /// instructions for 64 products with AVX-512.
  void answers(std::span<const double> weights, std::span<double> out) const {
    detail::require_answer_spans(weights, cells_, out, count_);
    double l1 = 0.0;
    for (const double w : weights) l1 += std::abs(w);
    if (!std::isfinite(l1)) detail::throw_invalid("sum |weights|", l1, "must be finite");
    const double unit = step(l1);
    const auto tables = subset_sums(weights, unit);
    std::int32_t sums[detail::bit_tile];
    for (std::size_t first = 0; first < count_; first += detail::bit_tile) {
      kernels_->tile_sums(bits_.data() + first / detail::bit_tile * tile_words(), chunks_,
                          tables.get(), sums);
      const std::size_t rows = (std::min)(detail::bit_tile, count_ - first);
      for (std::size_t i = 0; i < rows; ++i) out[first + i] = unit * sums[i];
    }
  }

  /// <q_id, weights>, added in double: exact for integers with sum |w| < 2^53. Throws
  /// std::invalid_argument on another length. O(|X|). Not checked: id < size().
  double answer(std::span<const double> weights, item_id id) const {
    if (weights.size() != cells_)
      detail::throw_invalid("weights.size()", weights.size(),
                            "must equal cells() = " + detail::text_of(cells_));
    return kernels_->row_sum(row(id), weights.data(), cells_);
  }

  /// out[x] = q_id(x). Throws std::invalid_argument unless out.size() == cells(). O(|X|). Not
  /// checked: id < size().
  void query(item_id id, std::span<double> out) const {
    if (out.size() != cells_)
      detail::throw_invalid("out.size()", out.size(),
                            "must equal cells() = " + detail::text_of(cells_));
    for (std::size_t x = 0; x < cells_; ++x) out[x] = contains(id, x) ? 1.0 : 0.0;
  }

  /// |X| step / 2, at most |X| l1 / 2^30: half a step for every cell. (The step is that of an l1
  /// larger by a millionth, since `answers` adds up |w| with rounding.) Bounds the rounding of
  /// `answer` too, which is far smaller.
  double answers_error(double l1) const noexcept {
    return l1 > 0.0 ? 0.5 * static_cast<double>(cells_) * step(l1 * (1.0 + 0x1p-20)) : 0.0;
  }

  /// The smallest power of two with l1 / step < 2^30, but at least 2^-1000. So 1 or less where
  /// l1 < 2^30.
  static double step(double l1) noexcept {
    constexpr int smallest = -1000, bits = 30;
    return std::ldexp(1.0, l1 > 0.0 ? (std::max)(smallest, std::ilogb(l1) + 1 - bits) : smallest);
  }

  /// Which instructions `answers` and `answer` use: best_simd() unless set here. `answers` are the
  /// same numbers with all. Throws std::invalid_argument where this machine does not have them. Not
  /// thread-safe.
  void set_simd(Simd simd) {
    if (!is_supported(simd))
      detail::throw_invalid("simd", name_of(simd), "this machine does not support it");
    kernels_ = &detail::select<detail::BitKernels>(simd);
  }

 private:
  std::size_t tile_words() const noexcept {
    return detail::bit_tile / 4 * chunks_ * detail::line_words;
  }
  const std::uint64_t* row(item_id id) const noexcept {
    return bits_.data() + detail::row_start(id, chunks_);
  }

  /// For each four cells the sums of the 16 subsets of their weights, in units. Every subset of all
  /// the cells sums up to less than 2^30 + |X| / 2 < 2^31.
  detail::CacheLineArray<std::int32_t> subset_sums(std::span<const double> weights,
                                                   double unit) const {
    auto tables = detail::cache_line_array<std::int32_t>(chunks_ * detail::chunk_sums);
    const double scale = 1.0 / unit;
    std::int32_t* table = tables.get();
    for (std::size_t first = 0; first < chunks_ * detail::chunk_bits; first += 4, table += 16) {
      table[0] = 0;
      for (unsigned i = 0; i < 4; ++i) {
        const std::int32_t weight =
            first + i < cells_ ? static_cast<std::int32_t>(std::lrint(weights[first + i] * scale))
                               : 0;
        for (unsigned set = 0; set < 1u << i; ++set) table[(1u << i) + set] = table[set] + weight;
      }
    }
    return tables;
  }

  std::size_t count_, cells_, chunks_;
  std::vector<std::uint64_t, detail::CacheLineAllocator<std::uint64_t>> bits_;
  const detail::BitKernels* kernels_ = &detail::select<detail::BitKernels>(best_simd());
};

static_assert(Workload<BitWorkload>);

}  // namespace lazygumbel
