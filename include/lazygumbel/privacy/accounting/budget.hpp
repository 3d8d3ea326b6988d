#pragma once

#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/privacy/accounting/accountant.hpp"
#include "lazygumbel/privacy/accounting/detail/rounding.hpp"
#include "lazygumbel/privacy/accounting/zcdp.hpp"

namespace lazygumbel {

/// A mechanism asks for more privacy budget than is left, or a caller for what a budget cannot say.
class budget_error : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// One line of the bill: `count` consecutive runs of a mechanism, each at `cost`.
struct Expense {
  std::string mechanism;
  double cost = 0.0;  ///< of one run, in epsilon or rho
  std::uint64_t count = 0;

  friend bool operator==(const Expense&, const Expense&) = default;
};

/// How much a release may reveal, spent once: every mechanism takes its cost out before it draws.
/// Move-only, since a copy would spend the same privacy twice. Amounts are epsilon (accountant
/// pure) or rho (zcdp). A total of 1e9 is legal and works; what it protects is another matter.
///
/// The sum of the costs never exceeds the total, in real numbers and not only in rounded ones: it
/// is kept as an unevaluated sum of two doubles (106 bits) that is rounded up, so a million small
/// costs drift by less than one part in 10^25, and only to the safe side. Not thread-safe.
class Budget {
 public:
  /// Pure differential privacy. Throws std::invalid_argument unless epsilon lies in (0, 1e300]; so
  /// do the others for their parameters.
  static Budget pure(double epsilon) {
    detail::require_positive("epsilon", epsilon);
    return {Accountant::pure, epsilon, epsilon, 0.0};
  }

  /// zCDP with no (epsilon, delta) stated.
  static Budget zcdp(double rho) {
    detail::require_positive("rho", rho);
    return {Accountant::zcdp, rho, -1.0, -1.0};
  }

  /// (epsilon, delta)-privacy by way of the largest rho that implies it, zcdp_rho(epsilon, delta).
  /// delta lies in (0, 1); it is usually chosen far below 1 / n.
  static Budget approximate(double epsilon, double delta) {
    detail::require_positive("epsilon", epsilon);
    const double rho = zcdp_rho(epsilon, delta);
    if (!(rho > 0.0)) detail::throw_invalid("delta", delta, "leaves no rho to spend");
    return {Accountant::zcdp, rho, epsilon, delta};
  }

  Budget(Budget&& other) noexcept { *this = std::move(other); }
  Budget& operator=(Budget&& other) noexcept {
    if (this == &other) return *this;
    accountant_ = other.accountant_;
    total_ = std::exchange(other.total_, 0.0);
    epsilon_ = other.epsilon_;
    delta_ = other.delta_;
    high_ = std::exchange(other.high_, 0.0);
    low_ = std::exchange(other.low_, 0.0);
    expenses_ = std::move(other.expenses_);
    other.expenses_.clear();
    return *this;
  }

  Accountant accountant() const noexcept { return accountant_; }

  /// In epsilon or rho, as the accountant says. All three are 0 in a budget that was moved from.
  double total() const noexcept { return total_; }
  /// Rounded up.
  double spent() const noexcept { return low_ > 0.0 ? detail::next_up(high_) : high_; }
  /// Rounded down: this much can be spent.
  double remaining() const noexcept {
    return detail::accepted_below((total_ - high_) - low_,
                                  [&](double cost) { return fits(sum_with(cost)); });
  }

  /// True when the budget states an (epsilon, delta): all but Budget::zcdp.
  bool states_delta() const noexcept { return delta_ >= 0.0; }

  /// What the whole budget guarantees, as it was stated. Throws budget_error where no delta was:
  /// ask epsilon(delta) there.
  double epsilon() const {
    require_delta();
    return epsilon_;
  }
  double delta() const {
    require_delta();
    return delta_;
  }

  /// The epsilon that the whole budget guarantees at another delta of (0, 1], rounded up.
  double epsilon(double delta) const {
    return accountant_ == Accountant::zcdp ? zcdp_epsilon(total_, delta) : total_;
  }

  /// fraction * total(), rounded down so far that T shares of fraction 1.0 / T always fit, and the
  /// parts of fractions that add up to 1 in decimal notation too; the whole total for fraction = 1.
  /// Throws std::invalid_argument outside (0, 1].
  double share(double fraction) const {
    if (!(fraction > 0.0 && fraction <= 1.0))
      detail::throw_invalid("fraction", fraction, "must lie in (0, 1]");
    // Three roundings of 2^-53 each, the fraction's own among them, against 2^-51.
    return fraction == 1.0 ? total_ : total_ * fraction * (1.0 - 0x1p-51);
  }

  /// Takes `cost` out, in the name of `mechanism`. Throws budget_error, with nothing spent, when
  /// that is more than is left or the budget was moved from, and std::invalid_argument unless cost
  /// lies in (0, 1e300].
  template <std::same_as<double> Real = double>
  void spend(std::string mechanism, double cost) {
    if (!(total_ > 0.0))
      throw budget_error("lazygumbel: " + mechanism + " asks a budget that was moved from for " +
                         detail::text_of(cost));
    detail::require_positive("cost", cost);
    const Sum sum = sum_with(cost);
    if (!fits(sum))
      throw budget_error("lazygumbel: " + mechanism + " costs " + detail::text_of(cost) + " " +
                         unit() + ", but only " + detail::text_of(remaining()) + " of " +
                         detail::text_of(total_) + " is left");
    if (!expenses_.empty() && expenses_.back().cost == cost &&
        expenses_.back().mechanism == mechanism)
      ++expenses_.back().count;
    else
      expenses_.push_back({std::move(mechanism), cost, 1});
    high_ = sum.high;
    low_ = sum.low;
  }

  /// What was bought, in order; equal neighbours are one line.
  const std::vector<Expense>& expenses() const noexcept { return expenses_; }

 private:
  struct Sum {
    double high, low;  // |low| is at most half a unit in the last place of high
  };

  Budget(Accountant accountant, double total, double epsilon, double delta)
      : accountant_(accountant), total_(total), epsilon_(epsilon), delta_(delta) {}

  /// a + b and what its rounding lost: together exact [Knuth, TAOCP 2, section 4.2.2, Theorem B].
  static Sum exact_sum(double a, double b) noexcept {
    const double high = a + b, part = high - a;
    return {high, (a - (high - part)) + (b - part)};
  }

  /// spent + cost, exact where 106 bits suffice and rounded up where not.
  Sum sum_with(double cost) const noexcept {
    const Sum high = exact_sum(high_, cost), low = exact_sum(low_, high.low);
    return exact_sum(high.high, low.low > 0.0 ? detail::next_up(low.high) : low.high);
  }

  bool fits(const Sum& sum) const noexcept {
    return sum.high < total_ || (sum.high == total_ && sum.low <= 0.0);
  }

  const char* unit() const noexcept { return accountant_ == Accountant::pure ? "epsilon" : "rho"; }

  void require_delta() const {
    if (!states_delta())
      throw budget_error("lazygumbel: a budget of rho states no delta: ask for epsilon(delta)");
  }

  Accountant accountant_ = Accountant::pure;
  double total_ = 0.0;
  double epsilon_ = 0.0, delta_ = 0.0;  // negative: not stated
  double high_ = 0.0, low_ = 0.0;       // spent: their sum
  std::vector<Expense> expenses_;
};

namespace detail {

/// Throws budget_error on a budget that was moved from, or of which anything is spent.
inline void require_own_budget(const Budget& budget) {
  if (!(budget.total() > 0.0))
    throw budget_error("lazygumbel: a release needs a budget of its own: this one was moved from");
  if (budget.spent() > 0.0)
    throw budget_error("lazygumbel: a release needs a budget of its own: this one has spent " +
                       text_of(budget.spent()));
}

}  // namespace detail
}  // namespace lazygumbel
