#include <gtest/gtest.h>

#include <algorithm>
#include <lazygumbel/random/gumbel.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <lazygumbel/sampling/reservoirs/detail/failures.hpp>
#include <limits>

#include "plain_reservoirs.hpp"
#include "reservoir_laws.hpp"

// Negative controls of reservoir_law_test.cpp: reservoirs with one mistake, each written once more
// by hand, must fail its chi-square tests (100,000 streams, p < 1e-6); without a mistake they pass.
// Where the wrong law has a closed form, the power against it is asserted to be above 0.999.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t runs = 100'000;
constexpr bool merged = true;

enum class Mistake {
  none,
  skip_off_by_one,    ///< the item after the right one enters
  clock_not_below,    ///< new clocks are not given to be below the largest kept one
  first_place,        ///< it is always the holder of place 0 that goes
  equal_odds,         ///< merging does not know how many items, or what weight, either one saw
  stale_after_merge,  ///< what is waited for is not drawn again
  not_given_one,      ///< slots take an item as if it were not known that one does
  one_slot            ///< no two slots take the same item, but for the first
};

template <Mistake mistake>
class HandUniform {
 public:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  explicit HandUniform(std::size_t capacity) : capacity_(capacity) {}

  std::size_t offer(PhiloxEngine& engine) {
    const std::uint64_t number = seen_++;
    if (number < capacity_) {
      clocks_.push_back(open_uniform(engine));
      if (seen_ == capacity_) skip(engine);
      return static_cast<std::size_t>(number);
    }
    if (number < next_) return none;
    const auto worst = std::max_element(clocks_.begin(), clocks_.end());
    const auto place = mistake == Mistake::first_place
                           ? std::size_t{0}
                           : static_cast<std::size_t>(worst - clocks_.begin());
    const double below = *worst;
    *worst = clocks_[place];
    clocks_[place] = open_uniform(engine) * (mistake == Mistake::clock_not_below ? 1.0 : below);
    skip(engine);
    return place;
  }

  template <class Take>
  void merge(const HandUniform& other, PhiloxEngine& engine, Take&& take) {
    if (mistake == Mistake::equal_odds)
      for (double& clock : clocks_) clock = open_uniform(engine);
    const std::size_t mine = clocks_.size();
    seen_ += other.seen_;
    for (std::size_t from = 0; from < other.clocks_.size(); ++from) {
      const double clock =
          mistake == Mistake::equal_odds ? open_uniform(engine) : other.clocks_[from];
      if (clocks_.size() < capacity_) {
        clocks_.push_back(clock);
        take(clocks_.size() - 1, from);
        continue;
      }
      const auto worst = std::max_element(clocks_.begin(), clocks_.end());
      if (*worst < clock) continue;
      *worst = clock;
      take(static_cast<std::size_t>(worst - clocks_.begin()), from);
    }
    if (seen_ >= capacity_ && (mistake != Mistake::stale_after_merge || mine < capacity_))
      skip(engine);
    else if (mistake == Mistake::stale_after_merge)
      next_ += other.seen_;
  }

 private:
  void skip(PhiloxEngine& engine) {
    const double passed =
        lazygumbel::detail::failures(*std::max_element(clocks_.begin(), clocks_.end()), engine);
    next_ = seen_ + static_cast<std::uint64_t>(std::min(passed, 1e9)) +
            (mistake == Mistake::skip_off_by_one ? 1 : 0);
  }

  std::size_t capacity_;
  std::uint64_t seen_ = 0, next_ = 0;
  std::vector<double> clocks_;
};

const Stream one{{9}}, in_parts{{7}, {2, merged}}, continued{{3}, {3, merged}, {3}};

template <Mistake mistake>
double p_of_sets(std::size_t capacity, const Stream& stream) {
  return count_sets<HandUniform<mistake>>(capacity, stream, runs, 1).p_value(set_law(capacity, 9));
}

TEST(ReservoirControl, UniformByHandPasses) {
  for (const std::size_t capacity : {1, 3})
    for (const Stream& stream : {one, in_parts, continued})
      EXPECT_GE(p_of_sets<Mistake::none>(capacity, stream), law_threshold);
}

TEST(ReservoirControl, UniformWithAMistakeIsRejected) {
  for (const std::size_t capacity : {1, 3}) {
    EXPECT_LT(p_of_sets<Mistake::skip_off_by_one>(capacity, one), law_threshold);
    EXPECT_LT(p_of_sets<Mistake::clock_not_below>(capacity, one), law_threshold);
    EXPECT_LT(p_of_sets<Mistake::equal_odds>(capacity, in_parts), law_threshold);
    EXPECT_LT(p_of_sets<Mistake::stale_after_merge>(capacity, continued), law_threshold);
  }
  EXPECT_LT(p_of_sets<Mistake::first_place>(3, one), law_threshold);
}

TEST(ReservoirControl, PowerAgainstMergingByEqualOdds) {
  std::vector<double> wrong(std::size_t{1} << 9);
  for (std::size_t i = 0; i < 9; ++i) wrong[std::size_t{1} << i] = i < 7 ? 0.5 / 7.0 : 0.25;
  EXPECT_GT(chi_square_power(runs, set_law(1, 9), wrong), 0.999);
}

template <Mistake mistake>
class HandWeighted {
 public:
  explicit HandWeighted(std::size_t slots) : slots_(slots) {}

  template <class Take>
  void offer(double weight, PhiloxEngine& engine, Take&& take) {
    const double before = total_;
    total_ += weight;
    if (weight == 0.0) return;
    if (before > 0.0 && !(next_ < (mistake == Mistake::skip_off_by_one ? before : total_))) return;
    wait(engine);
    const double p = weight / total_;
    take_each(mistake == Mistake::not_given_one
                  ? lazygumbel::detail::failures(p, engine)
                  : lazygumbel::detail::failures_below(static_cast<double>(slots_), p, engine),
              p, engine, take);
  }

  template <class Take>
  void merge(const HandWeighted& other, PhiloxEngine& engine, Take&& take) {
    const double p = mistake == Mistake::equal_odds ? 0.5 : other.total_ / (total_ + other.total_);
    total_ += other.total_;
    if (mistake != Mistake::stale_after_merge) wait(engine);
    take_each(lazygumbel::detail::failures(p, engine), p, engine, take);
  }

 private:
  void wait(PhiloxEngine& engine) {
    next_ = total_ * std::exp(standard_exponential(engine) / static_cast<double>(slots_));
  }

  template <class Take>
  void take_each(double slot, double p, PhiloxEngine& engine, Take& take) const {
    for (; slot < static_cast<double>(slots_);
         slot += 1.0 + lazygumbel::detail::failures(p, engine)) {
      take(static_cast<std::size_t>(slot));
      if (mistake == Mistake::one_slot && p < 1.0) return;
    }
  }

  std::size_t slots_;
  double total_ = 0.0, next_ = 0.0;
};

const std::vector<double> weights = {1.0, 3.0, 0.5, 2.0, 1.5};

template <Mistake mistake>
double p_of_slots(const Stream& stream) {
  return count_slots<HandWeighted<mistake>>(3, weights, stream, runs, 2)
      .p_value(slot_law(3, weights));
}

TEST(ReservoirControl, WeightedByHandPasses) {
  for (const Stream& stream :
       {Stream{{5}}, Stream{{2}, {3, merged}}, Stream{{1}, {2, merged}, {2}}})
    EXPECT_GE(p_of_slots<Mistake::none>(stream), law_threshold);
}

TEST(ReservoirControl, WeightedWithAMistakeIsRejected) {
  EXPECT_LT(p_of_slots<Mistake::skip_off_by_one>({{5}}), law_threshold);
  EXPECT_LT(p_of_slots<Mistake::not_given_one>({{5}}), law_threshold);
  EXPECT_LT(p_of_slots<Mistake::one_slot>({{5}}), law_threshold);
  EXPECT_LT(p_of_slots<Mistake::equal_odds>({{1}, {4, merged}}), law_threshold);
  EXPECT_LT(p_of_slots<Mistake::stale_after_merge>({{1}, {2, merged}, {2}}), law_threshold);
}

TEST(ReservoirControl, NormsForTheirSquaresAreRejected) {
  // Weights are |v|^2; slots that were drawn by |v|.
  std::vector<double> norms;
  for (const double w : weights) norms.push_back(std::sqrt(w));
  const std::vector<double> law = slot_law(3, weights);
  expect_rejected(count_slots<HandWeighted<Mistake::none>>(3, norms, {{5}}, runs, 3), law, "|v|");
  EXPECT_GT(chi_square_power(runs, law, slot_law(3, norms)), 0.999);
}

TEST(ReservoirControl, PowerAgainstMergingSlotsByEqualOdds) {
  std::vector<double> wrong{0.5};  // weight 1 against 7
  for (std::size_t i = 1; i < 5; ++i) wrong.push_back(0.5 * weights[i] / 7.0);
  EXPECT_GT(chi_square_power(runs, slot_law(3, weights), slot_law(3, wrong)), 0.999);
}

}  // namespace
}  // namespace lazygumbel::testing
