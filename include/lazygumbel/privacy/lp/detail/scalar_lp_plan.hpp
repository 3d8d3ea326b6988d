#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <stdexcept>

#include "lazygumbel/index/detail/row_store.hpp"
#include "lazygumbel/privacy/accounting/budget.hpp"
#include "lazygumbel/privacy/accounting/costs.hpp"
#include "lazygumbel/privacy/lp/lp_result.hpp"
#include "lazygumbel/privacy/lp/scalar_lp_bounds.hpp"
#include "lazygumbel/privacy/lp/scalar_lp_options.hpp"
#include "lazygumbel/privacy/lp/scaled_simplex.hpp"
#include "lazygumbel/privacy/noise/noisy_answer.hpp"

namespace lazygumbel::detail {

/// How a solve divides its budget, and what the theorem says of that: public numbers only.
struct ScalarLpPlan {
  std::size_t rounds = 0;
  double epsilon = 0.0, learning_rate = 0.0;
  LpBound bound{};
  std::optional<GridNoise> row_noise{}, violation_noise{};
  double row_cost = 0.0, violation_cost = 0.0;
  double violation_limit = 0.0;  ///< where the violation is clipped before its noise
};

inline void require_dimension(std::size_t columns, const ScaledSimplex& region) {
  if (columns != region.dimension())
    throw_invalid("constraints.cols()", columns,
                  "must equal the region's dimension " + text_of(region.dimension()));
}

/// Checks the options, and works out W and D. The score A_i x - b_i moves by at most |b_i - b'_i|,
/// or by max_j |A_ij - A'_ij| |x|_1, and by what rounding adds: of the subtraction alone where A is
/// public, of the dot product too where it is not.
template <class Scalar>
ScalarLpSize scalar_lp_size(const RowStore<Scalar>& rows, const ScaledSimplex& region,
                            const ScalarLpOptions& options) {
  require_dimension(rows.dimension(), region);
  if (options.neighbours == LpNeighbours::objective)
    throw_invalid(
        "neighbours", "objective",
        "the region of x, and every iterate, is made of the objective: its privacy is not "
        "protected. Make it public, or move what is private into A or b");
  require_positive("sensitivity", options.sensitivity);
  require_not_negative("width", options.width);
  if (!(options.failure_probability > 0.0 && options.failure_probability < 1.0))
    throw_invalid("failure_probability", options.failure_probability, "must lie in (0, 1)");
  if (!(options.violation_share >= 0.0 && options.violation_share < 1.0))
    throw_invalid("violation_share", options.violation_share, "must lie in [0, 1)");
  if (!(options.selection_share > 0.0 && options.selection_share < 1.0))
    throw_invalid("selection_share", options.selection_share, "must lie in (0, 1)");
  if (options.rounds > 1'000'000)
    throw_invalid("rounds", options.rounds, "must be at most 1,000,000");

  ScalarLpSize size{.constraints = rows.size(),
                    .variables = rows.dimension(),
                    .width = options.width,
                    .failure_probability = options.failure_probability};
  const bool matrix = options.neighbours == LpNeighbours::matrix;
  if (matrix) {
    require_positive("width", options.width);
  } else {
    Eigen::Array<Scalar, Eigen::Dynamic, 1> columns =
        Eigen::Array<Scalar, Eigen::Dynamic, 1>::Zero(static_cast<Eigen::Index>(rows.dimension()));
    for (std::size_t i = 0; i < rows.size(); ++i)
      columns = (columns.max)(rows.row(static_cast<item_id>(i)).array().abs());
    double largest = 0.0;
    for (std::size_t j = 0; j < rows.dimension(); ++j)
      largest = (std::max)(
          largest, static_cast<double>(columns[static_cast<Eigen::Index>(j)]) * region.vertex(j));
    require_not_negative("max |A_ij v_j|", largest);
    if (options.width > 0.0 && largest > options.width * (1.0 + 1e-6))
      throw_invalid("width", options.width, "is below max |A_ij v_j| = " + text_of(largest));
    size.width = (std::max)(options.width, largest);
  }
  // 2^-48 W: ConstraintScores::rounding, on both sides. A dot product of Scalars is off by at most
  // d + 2 roundings of sum |A_ij x_j| <= W (x is rounded too), each half an epsilon; two of them
  // differ by twice that. What underflows is at most 2^-30 of D: require_scores_fit_of.
  size.rounding = (static_cast<double>(rows.dimension()) + 4.0) *
                  static_cast<double>(std::numeric_limits<Scalar>::epsilon()) * size.width;
  const double own = matrix
                         ? (options.sensitivity * region.radius() + size.rounding) * (1.0 + 0x1p-30)
                         : options.sensitivity;
  size.sensitivity = (own + 0x1p-47 * size.width) * slightly_more;
  require_positive("the sensitivity of a score", size.sensitivity);
  return size;
}

/// Noise for `coordinates` numbers of [-largest, largest], of L1 distance `each` * coordinates and
/// L2 distance `each` * sqrt(coordinates). On a grid a thousand times finer than `each`, or coarser
/// where it has to be (GridNoise charges for it) so that neither `largest` nor the noise leaves the
/// grid's cells: whether an answer fits may not depend on what the answer is.
inline GridNoise lp_noise(Accountant accountant, double cost, double each, std::size_t coordinates,
                          double largest) {
  const auto count = static_cast<double>(coordinates);
  const double spread =
      each * (accountant == Accountant::pure ? count / cost : std::sqrt(count / cost));
  const double step = (std::max)({0x1p-10 * each, 0x1p-50 * largest, 0x1p-27 * spread});
  const Grid grid(std::exp2(std::floor(std::log2(step))));
  return accountant == Accountant::pure
             ? GridNoise::laplace(grid, each * count * slightly_more,
                                  laplace_epsilon(accountant, cost), Answers::fractional,
                                  coordinates)
             : GridNoise::gaussian(grid, each * std::sqrt(count) * slightly_more, cost,
                                   Answers::fractional, coordinates);
}

/// max |A_ij| of a private A, from public numbers.
inline double largest_entry(const ScalarLpSize& size, const ScaledSimplex& region) {
  return size.width / *std::min_element(region.vertices().begin(), region.vertices().end());
}

/// At least the norm of every row: of a private A, from public numbers.
template <class Scalar>
double public_norm(const RowStore<Scalar>& rows, const ScaledSimplex& region,
                   const ScalarLpOptions& options, const ScalarLpSize& size) {
  if (options.neighbours != LpNeighbours::matrix) return rows.max_norm();
  return largest_entry(size, region) * std::sqrt(static_cast<double>(size.variables)) *
         (1.0 + 0x1p-20);
}

/// Throws std::invalid_argument, as public numbers alone decide, unless the scores of every x of K
/// fit Scalar, times epsilon / (2 D); and where A is private, unless what underflows in them is
/// below 2^-30 D: half the smallest number of Scalar for each x_j, times A_ij, and for each
/// product, on both sides.
template <class Scalar>
void require_scores_fit_of(const ScalarLpSize& size, const ScaledSimplex& region, double norm,
                           double epsilon, bool private_matrix) {
  const double bound = epsilon / (2.0 * size.sensitivity) * region.radius() * norm;
  if (!(bound <= 0.25 * static_cast<double>((std::numeric_limits<Scalar>::max)())))
    throw_invalid("epsilon / (2 sensitivity) * max |x|_1 * max row norm", bound,
                  "scores would overflow");
  const double underflow = 2.0 * static_cast<double>(size.variables) * (norm + 1.0) *
                           static_cast<double>(std::numeric_limits<Scalar>::denorm_min());
  if (private_matrix && !(underflow <= 0x1p-30 * epsilon))
    throw_invalid("epsilon of a round", epsilon,
                  "is so small, or the matrix so large, that scores would underflow");
}

/// The same for a mode that scans codes, which are floats: throws unless all numbers on their way
/// stay far from the ends of float's range. Rows up to 1e30 can be coded; with at most 50,000
/// variables, sums over coded queries and scores are below 2e5 times what is bounded here.
inline void require_codes_fit(const ScalarLpSize& size, const ScaledSimplex& region, double norm,
                              double epsilon) {
  const double scale = epsilon / (2.0 * size.sensitivity), query = scale * region.radius();
  if (!(norm <= 1e30 && size.width <= 1e36))
    throw_invalid("max row norm", norm, "is too large for codes in float: use FullScan");
  if (!(scale <= 1e36 && query <= 5e32 && query * norm <= 1e30))
    throw_invalid("epsilon / (2 sensitivity)", scale,
                  "is too large for codes in float: use FullScan");
}

/// At least |noise| in each of `count` draws with probability 1 - failure: 2 exp(-B / scale) and
/// 2 exp(-B^2 / (2 sigma^2)) bound the tails of both laws, discrete ones too.
inline double largest_noise(const GridNoise& noise, Accountant accountant, double count,
                            double failure) {
  const double log_count = std::log(2.0 * count / failure), deviation = noise.standard_deviation();
  return noise.grid().step() + (accountant == Accountant::pure
                                    ? deviation / std::sqrt(2.0) * log_count
                                    : deviation * std::sqrt(2.0 * log_count));
}

/// The plan of `rounds` rounds on `amount` of the budget.
///
/// With noisy rows the losses are (A_(i_t) + N_t) v, N_t independent, symmetric, and at most B in
/// each of the d T entries but with probability beta / 4; truncated there they still have mean 0.
/// So Hedge's regret is that of the width W + B R, R = max v_j; sum_t N_t (x* - x_t) is a sum of
/// martingale differences of at most 2 B R each, at most 2 B R sqrt(2 T ln(4 / beta)) but with
/// probability beta / 4 [Azuma 1967]; the grid adds its step times R; and the exponential mechanism
/// has beta / 2 left.
inline ScalarLpPlan scalar_lp_plan_of(const ScalarLpSize& size, const ScalarLpOptions& options,
                                      const ScaledSimplex& region, Accountant accountant,
                                      double amount, std::size_t rounds, double gap) {
  ScalarLpPlan plan{.rounds = rounds};
  const auto t = static_cast<double>(rounds), d = static_cast<double>(size.variables);
  const double share = amount / t * (1.0 - 0x1p-51), beta = size.failure_probability;
  const bool matrix = options.neighbours == LpNeighbours::matrix;
  double width = size.width, extra = 0.0;
  ScalarLpSize promised = size;
  if (matrix) {
    plan.row_cost = share * (1.0 - options.selection_share) * (1.0 - 0x1p-51);
    plan.row_noise = lp_noise(accountant, plan.row_cost, options.sensitivity, size.variables,
                              largest_entry(size, region));
    const double noise =
        largest_noise(*plan.row_noise, accountant, d * t, beta / 4.0) * region.radius();
    width += noise;
    extra = 2.0 * noise * std::sqrt(2.0 * std::log(4.0 / beta) / t) +
            plan.row_noise->grid().step() * region.radius();
    promised.failure_probability = beta / 2.0;
    // Noise beyond 2^30 times its bound does not occur, so losses that Hedge refuses do not either.
    require_not_negative("2^30 times the width of noisy rows", 0x1p30 * width);
  }
  promised.width = width;
  plan.epsilon = exponential_mechanism_epsilon(
      accountant, matrix ? share * options.selection_share * (1.0 - 0x1p-51) : share, gap);
  plan.learning_rate = width > 0.0 ? std::sqrt(2.0 * std::log(d) / t) / width : 0.0;
  plan.bound = {.violation = scalar_lp_violation(promised, rounds, plan.epsilon) + extra,
                .exceptions = 1,
                .failure_probability = beta};
  return plan;
}

inline ScalarLpPlan plan_scalar_lp(const ScalarLpSize& size, const ScalarLpOptions& options,
                                   const ScaledSimplex& region, const Budget& budget, double gap) {
  const Accountant accountant = budget.accountant();
  const double amount = budget.share(1.0 - options.violation_share);
  const auto plan_of = [&](std::size_t rounds) {
    return scalar_lp_plan_of(size, options, region, accountant, amount, rounds, gap);
  };
  std::size_t rounds = options.rounds;
  if (rounds == 0)
    rounds = best_rounds([&](std::size_t tried) {
      if (tried == 1) return plan_of(tried).bound.violation;
      try {
        return plan_of(tried).bound.violation;
      } catch (const std::invalid_argument&) {  // a round's share of the budget buys nothing
        return std::numeric_limits<double>::infinity();
      }
    });
  ScalarLpPlan plan = plan_of(rounds);
  require_not_negative("the violation that can be promised", plan.bound.violation);
  if (options.violation_share > 0.0) {
    plan.violation_cost = budget.share(options.violation_share);
    // The maximum moves by as much as a score. Within the limit a subtraction is off by at most
    // 2^-53 of it, on both sides.
    plan.violation_limit = 2.0 * (size.width + plan.bound.violation);
    plan.violation_noise =
        lp_noise(accountant, plan.violation_cost, size.sensitivity + 0x1p-50 * plan.violation_limit,
                 1, plan.violation_limit);
  }
  return plan;
}

}  // namespace lazygumbel::detail
