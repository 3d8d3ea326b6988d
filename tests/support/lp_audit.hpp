#pragma once

#include <lazygumbel/privacy/accounting/neighbours.hpp>
#include <vector>

#include "lp_pairs.hpp"

namespace lazygumbel::testing {

/// Neighbouring LPs over two variables, of width 1, whose choices tell them apart as well as the
/// sensitivity allows. All constraints but one favour vertex 0, so that vertex 1 is rare; the one
/// changes its mind, with all the weight that a constraint can have: s = m. Under add_remove it
/// comes from nowhere, and the others lose what it gains.
struct ConstraintAuditPair {
  TestLp before, after;
  Neighbours neighbours;
  double density;

  static ConstraintAuditPair replaced() {
    ConstraintAuditPair pair{others(5), {}, Neighbours::replace_one, 6.0};
    pair.after = pair.before;
    pair.before.add({-1.0, 1.0}, 0.0);
    pair.after.add({1.0, -1.0}, 0.0);
    return pair;
  }

  static ConstraintAuditPair added() {
    ConstraintAuditPair pair{others(6), {}, Neighbours::add_remove, 6.0};
    pair.after = pair.before;
    pair.after.add({1.0, -1.0}, 0.0);
    return pair;
  }

  /// The same with a cap that is not active at first.
  ConstraintAuditPair with_density(double s) const {
    ConstraintAuditPair pair = *this;
    pair.density = s;
    return pair;
  }

 private:
  static TestLp others(int count) {
    TestLp lp;
    lp.d = 2;
    for (int i = 0; i < count; ++i) lp.add({-1.0, 1.0}, 0.0);
    return lp;
  }
};

}  // namespace lazygumbel::testing
