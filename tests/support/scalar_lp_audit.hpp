#pragma once

#include <cstddef>
#include <cstdint>
#include <lazygumbel/privacy/lp/scalar_private_lp.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <vector>

#include "privacy_audit.hpp"

namespace lazygumbel::testing {

/// Two neighbouring programs over the standard simplex that tell their constraints apart as well as
/// the distance allows: constraint 0, which is rarely chosen, gets worse by all of it, the others
/// get better, so choosing it becomes more likely by nearly exp(epsilon). Outcomes: the constraints
/// chosen, and in which of four ranges of the answer's first coordinate, and of the noisy
/// violation, the rest fell.
struct ScalarAuditPair {
  RowMatrix<double> rows, other_rows;
  std::vector<double> bounds, other_bounds;
  LpNeighbours neighbours;
  std::vector<double> answers{}, violations{};  ///< what divides the ranges

  static constexpr double distance = 0.1;

  static RowMatrix<double> three_rows() {
    RowMatrix<double> rows(3, 2);
    rows << 0.5, -0.5, -0.5, 0.5, 0.25, 0.25;
    return rows;
  }

  /// Right-hand sides move; A is public.
  static ScalarAuditPair of_bounds() {
    return {three_rows(), three_rows(), {0.4, 0.0, 0.25}, {0.3, 0.1, 0.35}, LpNeighbours::bounds};
  }

  /// Four constraints of three variables.
  static ScalarAuditPair of_more_bounds() {
    RowMatrix<double> rows(4, 3);
    rows << 0.2, -0.1, 0.3, 1.0, -1.0, 0.5, -0.5, 1.0, 0.25, 0.0, 0.0, 0.0;
    return {rows, rows, {0.55, 0.1, 0.1, -0.1}, {0.45, 0.2, 0.2, 0.0}, LpNeighbours::bounds};
  }

  /// Entries move: those of row 0 up, those of the others down.
  static ScalarAuditPair of_matrix() {
    RowMatrix<double> other = three_rows();
    other.row(0).array() += distance;
    other.bottomRows(2).array() -= distance;
    return {three_rows(), other, {0.4, 0.0, 0.25}, {0.4, 0.0, 0.25}, LpNeighbours::matrix};
  }

  /// One entry of the row that is used in the first round moves up, the other down, so that the
  /// next point is as different as it can be; the scores do not move.
  static ScalarAuditPair of_row() {
    RowMatrix<double> other = three_rows();
    other.col(0).array() += distance;
    other.col(1).array() -= distance;
    return {three_rows(), other, {0.0, 0.0, 0.25}, {0.0, 0.0, 0.25}, LpNeighbours::matrix};
  }

  std::uint64_t outcome(const LpResult& result) const {
    std::uint64_t outcome = 0;
    for (const LpRound& round : result.history) outcome = 4 * outcome + round.choice;
    outcome = 8 * outcome + range_of(result.x[0], answers);
    return 8 * outcome + range_of(result.noisy_violation.value_or(0.0), violations);
  }

 private:
  static std::uint64_t range_of(double value, const std::vector<double>& ends) {
    std::uint64_t range = 0;
    for (const double end : ends) range += value > end ? 1 : 0;
    return range;
  }
};

struct LpAuditOptions {
  std::size_t rounds = 1;
  bool zcdp = false;
  double amount = 1.0;
  double violation_share = 0.0;
  double sensitivity = ScalarAuditPair::distance;  ///< as it is stated; a lie when it is less
  double selection_share = 0.5;
  std::size_t runs = 200'000;  ///< a side
  std::uint64_t seed = 1;
};

/// Whole solves of both programs.
template <class Mode>
PrivacyAudit lp_audit(const ScalarAuditPair& pair, const LpAuditOptions& options,
                      const Mode& mode) {
  const auto program_of = [&](const RowMatrix<double>& rows) {
    const auto d = static_cast<std::size_t>(rows.cols());
    return ScalarPrivateLp<double>(rows, ScaledSimplex::of_total(d),
                                   {.neighbours = pair.neighbours,
                                    .sensitivity = options.sensitivity,
                                    .width = 1.0,
                                    .rounds = options.rounds,
                                    .violation_share = options.violation_share,
                                    .selection_share = options.selection_share});
  };
  NotPrivateEngine engine(options.seed);
  const auto release_of = [&](const RowMatrix<double>& rows, const std::vector<double>& bounds) {
    return [&, program = program_of(rows)] {
      Budget budget = options.zcdp ? Budget::zcdp(options.amount) : Budget::pure(options.amount);
      return pair.outcome(program.solve(bounds, std::move(budget), engine, mode));
    };
  };
  return PrivacyAudit(options.runs, release_of(pair.rows, pair.bounds),
                      release_of(pair.other_rows, pair.other_bounds));
}

}  // namespace lazygumbel::testing
