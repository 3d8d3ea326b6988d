#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/core/simd.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/privacy/table/domain.hpp"
#include "lazygumbel/privacy/workload/detail/box_kernels.hpp"
#include "lazygumbel/privacy/workload/detail/box_plan.hpp"
#include "lazygumbel/privacy/workload/workload.hpp"
#include "lazygumbel/random/engine.hpp"
#include "lazygumbel/random/uniform.hpp"

namespace lazygumbel {

/// m boxes: for each a set of values of every attribute, V_1 x .. x V_d, as a 0/1 query:
///
///   q(x) = 1 where each attribute's value x_a lies in V_a, else 0.
///
/// An empty V_a is allowed: that query is 0 everywhere. A Workload with range [0, 1], integral.
/// The boxes are public: choose or draw them without looking at the data.
///
/// `answers` never looks at m |X| products: boxes that agree on some attributes share the sums over
/// them, and only a matrix of the two attributes with the most distinct sets is left to each box.
/// On 2,880 cells (attributes of 16, 15, 6, 2 values) a box costs about 8 loads of 8 numbers.
/// Memory: for each box about twice the bytes of its sets and 4 more; O(|X|) while `answers` runs.
/// All functions are const but set_simd, and safe to call from many threads.
class BoxWorkload {
 public:
  static constexpr bool integral = true;
  /// What a scattered `answer` costs, in units of its share of `answers`.
  static constexpr double answer_cost = 40.0;

  /// The 64-bit words of the value sets of one box: ceil(size / 64) for each attribute.
  static std::size_t words_per_box(const Domain& domain) {
    std::size_t words = 0;
    for (const auto& attribute : domain.attributes()) words += (attribute.size() + 63) / 64;
    return words;
  }

  /// `sets` holds words_per_box words for each box: attribute by attribute, value v in bit v % 64
  /// of the attribute's word v / 64. Copied. Throws std::invalid_argument without boxes, on 2^32
  /// boxes or more, a part of a box, or a bit that is no value. O(m log m + m d) and, once, O(|X|).
  template <std::same_as<double> Real = double>
  BoxWorkload(Domain domain, std::span<const std::uint64_t> sets)
      : BoxWorkload(domain, read_sets(domain, sets)) {}

  /// `count` boxes whose every set is uniform among the attribute's non-empty sets: each value with
  /// probability 1/2, redrawn where empty (attributes in order, 64 values a draw, the low bits
  /// first). Throws std::invalid_argument unless 1 <= count < 2^32.
  template <BitGenerator Engine>
  static BoxWorkload random(const Domain& domain, std::size_t count, Engine& engine) {
    return drawn(domain, count, [&](std::size_t size, std::uint64_t* words) {
      for (std::uint64_t any = 0; any == 0;)
        for (std::size_t first = 0; first < size; first += 64) {
          std::uint64_t& word = words[first / 64];
          word = uniform_bits(engine);
          if (size - first < 64) word &= (std::uint64_t{1} << (size - first)) - 1;
          any |= word;
        }
    });
  }

  /// `count` boxes whose every set is an interval, from the smaller to the larger of two uniform
  /// values. Throws std::invalid_argument unless 1 <= count < 2^32.
  template <BitGenerator Engine>
  static BoxWorkload random_intervals(const Domain& domain, std::size_t count, Engine& engine) {
    return drawn(domain, count, [&](std::size_t size, std::uint64_t* words) {
      std::uint32_t low = uniform_index(static_cast<std::uint32_t>(size), engine);
      std::uint32_t high = uniform_index(static_cast<std::uint32_t>(size), engine);
      if (low > high) std::swap(low, high);
      for (std::uint32_t value = low; value <= high; ++value)
        words[value / 64] |= std::uint64_t{1} << (value % 64);
    });
  }

  std::size_t size() const noexcept { return sets_.count(); }
  std::size_t cells() const noexcept { return domain_.size(); }
  QueryRange range() const noexcept { return {0.0, 1.0}; }
  const Domain& domain() const noexcept { return domain_; }

  /// Whether box `id` holds this value of the attribute. Not checked: id < size(), attribute and
  /// value in the domain. O(1).
  bool contains(item_id id, std::size_t attribute, std::size_t value) const noexcept {
    return sets_.contains(id, attribute, value);
  }

  /// out[j] = <q_j, weights> for all j. Throws std::invalid_argument on other lengths. With
  /// attributes of few values or few distinct sets, O(m) times the cells of two attributes / 30.
  template <std::same_as<double> Real = double>  // here and below: core/detail/later.hpp
  void answers(std::span<const double> weights, std::span<double> out) const {
    detail::require_answer_spans(weights, cells(), out, size());
    plan_.sums(weights.data(), *kernels_, out.data());
  }

  /// <q_id, weights>; reads only the box, in runs of the last attributes together (up to 64 cells).
  /// Throws std::invalid_argument on another length of `weights`. Not checked: id < size().
  double answer(std::span<const double> weights, item_id id) const {
    if (weights.size() != cells())
      detail::throw_invalid("weights.size()", weights.size(),
                            "must equal cells() = " + detail::text_of(cells()));
    return sum_from(0, weights.data(), id);
  }

  /// out[x] = q_id(x). Throws std::invalid_argument unless out.size() == cells(). O(|X|). Not
  /// checked: id < size().
  void query(item_id id, std::span<double> out) const {
    if (out.size() != cells())
      detail::throw_invalid("out.size()", out.size(),
                            "must equal cells() = " + detail::text_of(cells()));
    std::size_t known = 1;  // attribute by attribute: each cell becomes one for each value
    out[0] = 1.0;
    for (std::size_t a = 0; a < sets_.sizes.size(); known *= sets_.sizes[a++])
      for (std::size_t i = known; i-- > 0;)
        for (std::size_t value = sets_.sizes[a]; value-- > 0;)
          out[i * sets_.sizes[a] + value] = contains(id, a, value) ? out[i] : 0.0;
  }

  /// Rounding of at most |X| additions; nothing for integers with sum |w| < 2^53.
  double answers_error(double l1) const noexcept { return detail::summation_error(cells(), l1); }

  /// Which instructions `answers` and `answer` use: best_simd() unless set here. The results are
  /// the same up to rounding. Throws std::invalid_argument where this machine does not have them.
  /// Not thread-safe.
  void set_simd(Simd simd) {
    if (!is_supported(simd))
      detail::throw_invalid("simd", name_of(simd), "this machine does not support it");
    kernels_ = &detail::select<detail::BoxKernels>(simd);
  }

 private:
  static constexpr std::size_t run_cells = 64;

  template <std::same_as<double> Real = double>
  BoxWorkload(const Domain& domain, detail::BoxSets sets)
      : domain_(domain), sets_(std::move(sets)), plan_(sets_) {
    // The last attributes, as many as have run_cells together, but at least one.
    std::size_t cells = sets_.sizes.back();
    outer_ = sets_.sizes.size() - 1;
    while (outer_ > 0 && cells * sets_.sizes[outer_ - 1] <= run_cells)
      cells *= sets_.sizes[--outer_];
    run_bytes_ = detail::set_bytes(cells);
    std::vector<std::size_t> attributes;
    for (std::size_t a = outer_; a < sets_.sizes.size(); ++a) attributes.push_back(a);
    runs_.resize(size() * run_bytes_);
    for (std::size_t box = 0; box < size(); ++box)
      detail::product_set(sets_, box, attributes, runs_.data() + box * run_bytes_);
  }

  static std::vector<std::size_t> sizes_of(const Domain& domain) {
    std::vector<std::size_t> sizes;
    for (const auto& attribute : domain.attributes()) sizes.push_back(attribute.size());
    return sizes;
  }

  static void require_count(const char* parameter, std::size_t count) {
    if (count == 0) detail::throw_invalid(parameter, count, "must be at least 1");
    if (count > (std::numeric_limits<item_id>::max)())
      detail::throw_invalid(parameter, count, "must be below 2^32");
  }

  template <std::same_as<double> Real = double>
  static detail::BoxSets read_sets(const Domain& domain, std::span<const std::uint64_t> words) {
    detail::BoxSets sets(sizes_of(domain));
    const std::size_t per_box = words_per_box(domain), boxes = words.size() / per_box;
    if (words.size() % per_box != 0)
      detail::throw_invalid("sets.size()", words.size(),
                            "must be a multiple of words_per_box = " + detail::text_of(per_box));
    require_count("boxes", boxes);
    sets.bytes.reserve(boxes * sets.record_bytes);
    const std::uint64_t* word = words.data();
    for (std::size_t box = 0; box < boxes; ++box)
      for (std::size_t a = 0; a < sets.sizes.size(); ++a)
        for (std::size_t first = 0; first < sets.sizes[a]; first += 64, ++word) {
          const std::size_t values = sets.sizes[a] - first;
          if (values < 64 && *word >> values != 0)
            detail::throw_invalid("box " + detail::text_of(box) + " value of attribute \"" +
                                      domain.attributes()[a].name() + "\"",
                                  first + 63 - static_cast<std::size_t>(std::countl_zero(*word)),
                                  "must be below " + detail::text_of(sets.sizes[a]));
          for (std::size_t value = 0; value < values && value < 64; value += 8)
            sets.bytes.push_back(static_cast<std::uint8_t>(*word >> value));
        }
    return sets;
  }

  template <class Draw>
  static BoxWorkload drawn(const Domain& domain, std::size_t count, Draw&& draw) {
    require_count("count", count);
    std::vector<std::uint64_t> words(count * words_per_box(domain), 0);
    std::uint64_t* at = words.data();
    for (std::size_t box = 0; box < count; ++box)
      for (const auto& attribute : domain.attributes()) {
        draw(attribute.size(), at);
        at += (attribute.size() + 63) / 64;
      }
    return BoxWorkload(domain, words);
  }

  /// The sum over the box of the part of the weights that starts here, attributes a and up.
  double sum_from(std::size_t a, const double* weights, item_id id) const {
    const std::uint8_t* const run = runs_.data() + id * run_bytes_;
    if (outer_ == 0) {
      constexpr std::uint8_t one_row = 1;
      return kernels_->sum_box(weights, 0, &one_row, 1, run, run_bytes_);
    }
    const std::uint8_t* const set = sets_.set(id, a);
    const std::size_t stride = domain_.strides()[a], bytes = detail::set_bytes(sets_.sizes[a]);
    if (a + 1 == outer_) return kernels_->sum_box(weights, stride, set, bytes, run, run_bytes_);
    double total = 0.0;
    for (std::size_t byte = 0; byte < bytes; ++byte)
      for (unsigned bits = set[byte]; bits != 0; bits &= bits - 1)
        total += sum_from(
            a + 1, weights + (8 * byte + static_cast<std::size_t>(std::countr_zero(bits))) * stride,
            id);
    return total;
  }

  Domain domain_;
  detail::BoxSets sets_;
  detail::BoxPlan plan_;
  std::size_t outer_ = 0, run_bytes_ = 0;
  std::vector<std::uint8_t> runs_;  // the sets of the attributes outer_ and up, together
  const detail::BoxKernels* kernels_ = &detail::select<detail::BoxKernels>(best_simd());
};

static_assert(Workload<BoxWorkload>);

}  // namespace lazygumbel
