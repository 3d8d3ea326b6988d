#pragma once

#include <cstddef>
#include <cstdint>
#include <lazygumbel/privacy/lp/scalar_private_lp.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <vector>

#include "privacy_audit.hpp"
#include "sampled_clipping.hpp"

namespace lazygumbel::testing {

/// A program of two variables and a few constraints, and neighbouring right-hand sides that choices
/// tell apart well; D = 1. With a public sample of the one constraint 0.
struct SampledAuditPair {
  RowMatrix<double> rows;
  std::vector<double> before, after;

  /// Constraints 1 and 2 are somewhat less violated than the others, and are more so afterwards.
  /// Scores move by a nat or two as x does.
  static SampledAuditPair moving() {
    SampledAuditPair pair{RowMatrix<double>(4, 2), {0.5, 3.5, 4.0, -5.0}, {1.5, 2.5, 3.0, -4.0}};
    pair.rows << 4, 4, 8, -2, -2, 8, 2, -6;
    return pair;
  }

  /// Constraints 1, 2 and 3 have the same row, far more violated than the sampled one: the two with
  /// the smaller b are all that a scan lists.
  static SampledAuditPair listed() {
    SampledAuditPair pair{
        RowMatrix<double>(5, 2), {0.0, 0.0, 0.0, 0.5, 0.0}, {0.0, 0.0, 0.0, -0.5, 0.0}};
    pair.rows << -8, -8, 8, 8, 8, 8, 8, 8, -8, -8;
    return pair;
  }

  SampledConstraintOptions options() const {
    SampledConstraintOptions options{.sample = 1, .margin = 0.0, .seed = 1};
    for (;; ++options.seed) {
      PhiloxEngine engine(options.seed);
      if (uniform_index(static_cast<std::uint32_t>(before.size()), engine) == 0) return options;
    }
  }

  /// The choices of three rounds on both sides, `runs` times; the scans are at rounds 1 and 2.
  /// `sensitivity`: what the mechanism is told.
  template <class Mode>
  PrivacyAudit audit(const Mode& mode, Budget (*budget)(double), double amount, std::size_t runs,
                     std::uint64_t seed, double sensitivity = 1.0) const {
    ScalarLpOptions lp_options;
    lp_options.sensitivity = sensitivity;
    lp_options.rounds = 3;
    const ScalarPrivateLp<double> program(RowMatrix<double>(rows), ScaledSimplex::of_total(2),
                                          lp_options);
    NotPrivateEngine engine(seed);
    const auto release_of = [&](const std::vector<double>& bounds) {
      return [&] {
        const LpResult result = program.solve(bounds, budget(amount), engine, mode);
        std::uint64_t outcome = 0;
        for (const LpRound& round : result.history)
          outcome = before.size() * outcome + round.choice;
        return outcome;
      };
    };
    return PrivacyAudit(runs, release_of(before), release_of(after));
  }
};

}  // namespace lazygumbel::testing
