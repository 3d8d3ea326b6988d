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

constexpr std::size_t reservoir_runs = 100'000;
constexpr bool merged_parts = true;

enum class ReservoirMistake {
  none,
  skip_off_by_one,    ///< the item after the right one enters
  clock_not_below,    ///< new clocks are not given to be below the largest kept one
  first_place,        ///< it is always the holder of place 0 that goes
  equal_odds,         ///< merging does not know how many items, or what weight, either one saw
  stale_after_merge,  ///< what is waited for is not drawn again
  not_given_one,      ///< slots take an item as if it were not known that one does
  one_slot            ///< no two slots take the same item, but for the first
};

template <ReservoirMistake mistake>
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
    const auto place = mistake == ReservoirMistake::first_place
                           ? std::size_t{0}
                           : static_cast<std::size_t>(worst - clocks_.begin());
    const double below = *worst;
    *worst = clocks_[place];
    clocks_[place] =
        open_uniform(engine) * (mistake == ReservoirMistake::clock_not_below ? 1.0 : below);
    skip(engine);
    return place;
  }

  template <class Take>
  void merge(const HandUniform& other, PhiloxEngine& engine, Take&& take) {
    if (mistake == ReservoirMistake::equal_odds)
      for (double& clock : clocks_) clock = open_uniform(engine);
    const std::size_t mine = clocks_.size();
    seen_ += other.seen_;
    for (std::size_t from = 0; from < other.clocks_.size(); ++from) {
      const double clock =
          mistake == ReservoirMistake::equal_odds ? open_uniform(engine) : other.clocks_[from];
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
    if (seen_ >= capacity_ && (mistake != ReservoirMistake::stale_after_merge || mine < capacity_))
      skip(engine);
    else if (mistake == ReservoirMistake::stale_after_merge)
      next_ += other.seen_;
  }

 private:
  void skip(PhiloxEngine& engine) {
    const double passed =
        lazygumbel::detail::failures(*std::max_element(clocks_.begin(), clocks_.end()), engine);
    next_ = seen_ + static_cast<std::uint64_t>(std::min(passed, 1e9)) +
            (mistake == ReservoirMistake::skip_off_by_one ? 1 : 0);
  }

  std::size_t capacity_;
  std::uint64_t seen_ = 0, next_ = 0;
  std::vector<double> clocks_;
};

const Stream one_part{{9}}, in_parts{{7}, {2, merged_parts}},
    continued{{3}, {3, merged_parts}, {3}};

template <ReservoirMistake mistake>
double p_of_sets(std::size_t capacity, const Stream& stream) {
  return count_sets<HandUniform<mistake>>(capacity, stream, reservoir_runs, 1)
      .p_value(set_law(capacity, 9));
}

TEST(ReservoirControl, UniformByHandPasses) {
  for (const std::size_t capacity : {1, 3})
    for (const Stream& stream : {one_part, in_parts, continued})
      EXPECT_GE(p_of_sets<ReservoirMistake::none>(capacity, stream), law_threshold);
}

TEST(ReservoirControl, UniformWithAMistakeIsRejected) {
  for (const std::size_t capacity : {1, 3}) {
    EXPECT_LT(p_of_sets<ReservoirMistake::skip_off_by_one>(capacity, one_part), law_threshold);
    EXPECT_LT(p_of_sets<ReservoirMistake::clock_not_below>(capacity, one_part), law_threshold);
    EXPECT_LT(p_of_sets<ReservoirMistake::equal_odds>(capacity, in_parts), law_threshold);
    EXPECT_LT(p_of_sets<ReservoirMistake::stale_after_merge>(capacity, continued), law_threshold);
  }
  EXPECT_LT(p_of_sets<ReservoirMistake::first_place>(3, one_part), law_threshold);
}

TEST(ReservoirControl, PowerAgainstMergingByEqualOdds) {
  std::vector<double> wrong(std::size_t{1} << 9);
  for (std::size_t i = 0; i < 9; ++i) wrong[std::size_t{1} << i] = i < 7 ? 0.5 / 7.0 : 0.25;
  EXPECT_GT(chi_square_power(reservoir_runs, set_law(1, 9), wrong), 0.999);
}

template <ReservoirMistake mistake>
class HandWeighted {
 public:
  explicit HandWeighted(std::size_t slots) : slots_(slots) {}

  template <class Take>
  void offer(double weight, PhiloxEngine& engine, Take&& take) {
    const double before = total_;
    total_ += weight;
    if (weight == 0.0) return;
    if (before > 0.0 && !(next_ < (mistake == ReservoirMistake::skip_off_by_one ? before : total_)))
      return;
    wait(engine);
    const double p = weight / total_;
    take_each(mistake == ReservoirMistake::not_given_one
                  ? lazygumbel::detail::failures(p, engine)
                  : lazygumbel::detail::failures_below(static_cast<double>(slots_), p, engine),
              p, engine, take);
  }

  template <class Take>
  void merge(const HandWeighted& other, PhiloxEngine& engine, Take&& take) {
    const double p =
        mistake == ReservoirMistake::equal_odds ? 0.5 : other.total_ / (total_ + other.total_);
    total_ += other.total_;
    if (mistake != ReservoirMistake::stale_after_merge) wait(engine);
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
      if (mistake == ReservoirMistake::one_slot && p < 1.0) return;
    }
  }

  std::size_t slots_;
  double total_ = 0.0, next_ = 0.0;
};

const std::vector<double> reservoir_weights = {1.0, 3.0, 0.5, 2.0, 1.5};

template <ReservoirMistake mistake>
double p_of_slots(const Stream& stream) {
  return count_slots<HandWeighted<mistake>>(3, reservoir_weights, stream, reservoir_runs, 2)
      .p_value(slot_law(3, reservoir_weights));
}

TEST(ReservoirControl, WeightedByHandPasses) {
  for (const Stream& stream :
       {Stream{{5}}, Stream{{2}, {3, merged_parts}}, Stream{{1}, {2, merged_parts}, {2}}})
    EXPECT_GE(p_of_slots<ReservoirMistake::none>(stream), law_threshold);
}

TEST(ReservoirControl, WeightedWithAMistakeIsRejected) {
  EXPECT_LT(p_of_slots<ReservoirMistake::skip_off_by_one>({{5}}), law_threshold);
  EXPECT_LT(p_of_slots<ReservoirMistake::not_given_one>({{5}}), law_threshold);
  EXPECT_LT(p_of_slots<ReservoirMistake::one_slot>({{5}}), law_threshold);
  EXPECT_LT(p_of_slots<ReservoirMistake::equal_odds>({{1}, {4, merged_parts}}), law_threshold);
  EXPECT_LT(p_of_slots<ReservoirMistake::stale_after_merge>({{1}, {2, merged_parts}, {2}}),
            law_threshold);
}

TEST(ReservoirControl, NormsForTheirSquaresAreRejected) {
  // Weights are |v|^2; slots that were drawn by |v|.
  std::vector<double> norms;
  for (const double w : reservoir_weights) norms.push_back(std::sqrt(w));
  const std::vector<double> law = slot_law(3, reservoir_weights);
  expect_rejected(
      count_slots<HandWeighted<ReservoirMistake::none>>(3, norms, {{5}}, reservoir_runs, 3), law,
      "|v|");
  EXPECT_GT(chi_square_power(reservoir_runs, law, slot_law(3, norms)), 0.999);
}

TEST(ReservoirControl, PowerAgainstMergingSlotsByEqualOdds) {
  std::vector<double> wrong{0.5};  // weight 1 against 7
  for (std::size_t i = 1; i < 5; ++i) wrong.push_back(0.5 * reservoir_weights[i] / 7.0);
  EXPECT_GT(chi_square_power(reservoir_runs, slot_law(3, reservoir_weights), slot_law(3, wrong)),
            0.999);
}

}  // namespace
}  // namespace lazygumbel::testing
