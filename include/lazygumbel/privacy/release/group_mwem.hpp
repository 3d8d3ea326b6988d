#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <utility>
#include <vector>

#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/privacy/noise/noisy_answer.hpp"
#include "lazygumbel/privacy/release/detail/mwem_plan.hpp"
#include "lazygumbel/privacy/release/mwem_result.hpp"
#include "lazygumbel/privacy/workload/grouped_workload.hpp"
#include "lazygumbel/random/secure_engine.hpp"
#include "lazygumbel/sampling/exhaustive.hpp"

namespace lazygumbel {

/// MWEM that chooses and measures whole groups of queries, each group a partition of the cells (the
/// cells of a marginal): one noisy vector costs what one noisy count does. A record lies in one
/// cell of each group, so both the vector of counts and the score of a group,
///   sum_c | <q_c, h> - <q_c, A> |  -  (cells of the group) E|noise|,
/// have L1 sensitivity 1 (add_remove) or 2 (replace_one), L2 1 or sqrt 2; the penalty is public and
/// keeps the mechanism from groups whose noise would drown them [McKenna, Miklau, Sheldon, "Winning
/// the NIST Contest", J. Privacy and Confidentiality 11(3), 2021]. Always a full scan of the
/// groups: there are few, and the work is then the same for every table.
///
/// The fit is by iterative proportional steps, damped: for each measured group in turn A(x) becomes
/// proportional to A(x) exp(r_c(x)), r_c = (y_c - a_c) / (2 max(a_c, s)) clipped to [-1, 1], with
/// a_c = <q_c, A> and s the deviation of the noise; post-processing, as in Mwem, which has the
/// privacy argument and the threat model. const and thread-safe, one engine a run.
template <GroupedWorkload W>
class GroupMwem {
 public:
  /// Throws std::invalid_argument on options out of range and on a workload without groups.
  explicit GroupMwem(const W& workload, const MwemOptions& options = {})
      : workload_(&workload), options_(options) {
    detail::require_options(options);
    if (workload.groups() == 0) detail::throw_invalid("workload.groups()", 0, "must be at least 1");
  }
  explicit GroupMwem(const W&&, const MwemOptions& = {}) = delete;

  const W& workload() const noexcept { return *workload_; }
  const MwemOptions& options() const noexcept { return options_; }

  /// Spends the whole budget. `observe(round)` is called after each round with an MwemRound.
  /// Throws as Mwem::run does.
  template <SecureBitGenerator Engine, class Observe = void (*)(const MwemRound&)>
  MwemResult run(
      const Histogram& table, Budget budget, Engine& engine,
      Observe&& observe = [](const MwemRound&) {}) const {
    if (table.domain().size() != workload_->cells())
      detail::throw_invalid("table.domain().size()", table.domain().size(),
                            "must equal cells() = " + detail::text_of(workload_->cells()));
    const auto rounds = [&](double total, double amount) {
      return group_mwem_rounds(workload_->groups(), total, budget.accountant(), amount,
                               options_.neighbours);
    };
    const detail::MwemPlan plan = detail::plan_mwem(table, options_, rounds, 0.0, budget, engine);
    const std::vector<double> counts(table.counts().begin(), table.counts().end());
    std::vector<std::vector<double>> truth(workload_->groups());
    for (std::size_t g = 0; g < truth.size(); ++g) {
      truth[g].resize(workload_->group_size(g));
      workload_->group_answers(g, counts, truth[g]);
    }
    // E|noise| and the deviation do not depend on the number of coordinates.
    const double deviation = noise_of(1, budget, plan).standard_deviation();
    const double penalty = deviation * (budget.accountant() == Accountant::pure
                                            ? std::sqrt(0.5)                       // Laplace
                                            : std::sqrt(2.0 / std::numbers::pi));  // Gaussian

    const double limit = largest_distance(table, plan, penalty);
    const double scale = plan.epsilon / (2.0 * score_sensitivity(limit));

    Fit fit(*workload_, plan.total, deviation);
    std::vector<double> scores(truth.size()), exponentials, mean(workload_->cells(), 0.0);
    std::vector<MwemRound> history;
    for (std::size_t t = 1; t <= plan.rounds; ++t) {
      for (std::size_t g = 0; g < truth.size(); ++g)
        scores[g] = scale * ((std::min)(limit, fit.distance(g, truth[g])) -
                             penalty * static_cast<double>(truth[g].size()));
      MwemRound round{.round = t, .rounds = plan.rounds};
      budget.spend("exponential mechanism",
                   exponential_mechanism_cost(budget.accountant(), plan.epsilon));
      const Draw draw = inverse_cdf_draw(std::span<const double>(scores), exponentials, engine);
      budget.spend("noisy answers of a group", plan.measurement);
      std::vector<double> noisy(truth[draw.id].size());
      noise_of(noisy.size(), budget, plan).answers(truth[draw.id], noisy, engine);
      round.query = draw.id;
      round.answer = std::numeric_limits<double>::quiet_NaN();
      round.trace = draw.trace;
      round.scans.exact = t;
      fit.add(draw.id, std::move(noisy));
      fit.fit(options_.replay_passes);
      for (std::size_t x = 0; x < mean.size(); ++x)
        mean[x] += fit.weights()[x] / static_cast<double>(plan.rounds);
      observe(std::as_const(round));
      history.push_back(round);
    }
    if (!options_.average) mean.assign(fit.weights().begin(), fit.weights().end());
    MwemResult result{.table = SyntheticTable(table.domain(), std::move(mean)),
                      .rounds = plan.rounds,
                      .total = plan.total,
                      .selection = "full scan of groups",
                      .guarantee = Guarantee::certified(),
                      .history = std::move(history),
                      .noise_deviation = deviation,
                      .budget = std::move(budget)};
    fit.residuals(result);
    return result;
  }

 private:
  /// The table so far and what it is fitted to.
  class Fit {
    using Real = detail::Later<double, W>;

   public:
    Fit(const W& workload, double total, double deviation)
        : workload_(&workload),
          total_(total),
          deviation_(deviation),
          weights_(workload.cells(), total / static_cast<double>(workload.cells())),
          factors_(workload.cells()) {}

    const std::vector<double>& weights() const noexcept { return weights_; }

    double distance(std::size_t group, const std::vector<double>& answers) {
      const std::vector<double>& now = answers_of(group);
      double sum = 0.0;
      for (std::size_t c = 0; c < now.size(); ++c) sum += std::abs(answers[c] - now[c]);
      return sum;
    }

    void add(std::size_t group, std::vector<double> noisy) {
      measurements_.emplace_back(group, std::move(noisy));
    }

    void fit(std::size_t passes) {
      update(measurements_.back());
      for (std::size_t pass = 0; pass < passes; ++pass)
        for (const auto& measurement : measurements_) update(measurement);
    }

    void residuals(MwemResult& result) {
      std::size_t count = 0;
      for (const auto& [group, noisy] : measurements_) {
        answers_.resize(noisy.size());
        workload_->group_answers(group, result.table.weights(), answers_);
        for (std::size_t c = 0; c < noisy.size(); ++c, ++count) {
          const double residual = std::abs(noisy[c] - answers_[c]);
          result.largest_residual = (std::max)(result.largest_residual, residual);
          result.mean_residual += residual;
        }
      }
      if (count > 0) result.mean_residual /= static_cast<double>(count);
    }

   private:
    const std::vector<double>& answers_of(std::size_t group) {
      answers_.resize(workload_->group_size(group));
      workload_->group_answers(group, weights_, answers_);
      return answers_;
    }

    void update(const std::pair<std::size_t, std::vector<double>>& measurement) {
      const auto& [group, noisy] = measurement;
      answers_of(group);
      double sum = 0.0;
      for (std::size_t c = 0; c < noisy.size(); ++c) {
        const double rate = (noisy[c] - answers_[c]) / (2.0 * (std::max)(answers_[c], deviation_));
        const double factor = std::exp((std::min)(1.0, (std::max)(-1.0, rate)));
        sum += factor * answers_[c];
        answers_[c] = factor;
      }
      std::fill(factors_.begin(), factors_.end(), 0.0);
      workload_->add_to_cells(group, answers_, factors_);
      const auto cells = static_cast<Eigen::Index>(weights_.size());
      Eigen::Map<Eigen::ArrayX<Real>> weights(weights_.data(), cells);
      weights *= Eigen::Map<const Eigen::ArrayX<Real>>(factors_.data(), cells) * (total_ / sum);
      weights = (weights.max)(1e-280 * total_);
    }

    const W* workload_;
    double total_, deviation_;
    std::vector<double> weights_, factors_, answers_;
    std::vector<std::pair<std::size_t, std::vector<double>>> measurements_;
  };

  double sensitivity() const noexcept {
    return options_.neighbours == Neighbours::replace_one ? 2.0 : 1.0;
  }

  /// Public, and above every distance of a table of fewer than 2^30 records. n is private under
  /// add_remove, so no table is refused for it: distances above this number are clipped, which
  /// moves no two of them apart, and sums that stay below it have rounded no larger ones.
  double largest_distance(const Histogram& table, const detail::MwemPlan& plan,
                          double penalty) const {
    const double records = options_.neighbours == Neighbours::replace_one
                               ? static_cast<double>(table.total())
                               : 0x1p30;
    return records + plan.total + penalty * static_cast<double>(largest_group());
  }

  /// That of a score as computed: a sum of terms of which every one, and every partial sum, is
  /// rounded, on both tables.
  double score_sensitivity(double largest) const {
    return detail::next_up(sensitivity() +
                           2.0 * detail::summation_error(largest_group() + 8, largest));
  }

  std::size_t largest_group() const {
    std::size_t terms = 0;
    for (std::size_t g = 0; g < workload_->groups(); ++g)
      terms = (std::max)(terms, workload_->group_size(g));
    return terms;
  }

  /// Counts are integers, and so is the noise.
  GridNoise noise_of(std::size_t coordinates, const Budget& budget,
                     const detail::MwemPlan& plan) const {
    return budget.accountant() == Accountant::pure
               ? GridNoise::laplace(Grid(), sensitivity(),
                                    laplace_epsilon(Accountant::pure, plan.measurement),
                                    Answers::on_grid, coordinates)
               : GridNoise::gaussian(Grid(), std::sqrt(sensitivity()), plan.measurement,
                                     Answers::on_grid, coordinates);
  }

  const W* workload_;
  MwemOptions options_;
};

}  // namespace lazygumbel
