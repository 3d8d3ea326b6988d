#include <gtest/gtest.h>

#include <lazygumbel/privacy/lp/detail/constraint_index.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>
#include <string>
#include <vector>

#include "scalar_lp_selection.hpp"

// Wrong choices that the test of scalar_lp_selection_law_test.cpp must refuse (p < 1e-6) at its
// 150,000 draws, each of a law whose power is computed and above 0.999; the right one passes.

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::LpSelector;
constexpr std::size_t scalar_selection_draws = 150'000;

struct Controlled : LpSelectionCase<float> {
  Controlled() : LpSelectionCase(60, 7, 6.0, 67) {}

  Counter chosen(const ConstraintScores<float>& by, double stated_sensitivity,
                 std::uint64_t seed) const {
    LpSelector<FullScan, float> selector(by, stated_sensitivity, {});
    return count_selections(selector, *this, seed, scalar_selection_draws);
  }

  void expect_noticed(const Counter& counter, const std::vector<double>& wrong,
                      const std::string& what) const {
    EXPECT_GT(chi_square_power(static_cast<double>(scalar_selection_draws), law(), wrong), 0.999)
        << what;
    expect_rejected(counter, law(), what);
    expect_law(counter, wrong, what + ", by its own law");
  }
};

TEST(ScalarLpSelectionControl, TheRightOnePasses) {
  const Controlled c;
  expect_law(c.chosen(c.scores, c.sensitivity, 1), c.law(), "right");
}

TEST(ScalarLpSelectionControl, WrongScale) {
  const Controlled c;
  for (const double factor : {2.0, 0.5, 1.05}) {  // of epsilon / (2 D): a forgotten 2, and 5%
    std::vector<double> wrong = c.exponents();
    for (double& y : wrong) y *= factor;
    c.expect_noticed(c.chosen(c.scores, c.sensitivity / factor, 2), softmax(wrong),
                     "scale times " + std::to_string(factor));
  }
}

TEST(ScalarLpSelectionControl, ForgottenBounds) {
  const Controlled c;
  const std::vector<double> zero(60, 0.0);
  const ConstraintScores<float> scores(c.rows, zero, 2.0);
  c.expect_noticed(c.chosen(scores, c.sensitivity, 3), softmax(c.exponents(0.0)), "no b");
}

TEST(ScalarLpSelectionControl, BoundsOfTheWrongSign) {
  const Controlled c;
  std::vector<double> negative = c.program.bounds;
  for (double& b : negative) b = -b;
  const ConstraintScores<float> scores(c.rows, negative, 2.0);
  c.expect_noticed(c.chosen(scores, c.sensitivity, 4), softmax(c.exponents(-1.0)), "plus b");
}

/// A ConstraintIndex that forgets to raise the bounds of its scan by what x has moved since.
class ForgetfulConstraints {
 public:
  using scalar_type = double;

  ForgetfulConstraints(const ConstraintScores<float>& scores, const Vector<double>& scanned,
                       bool forgets, Guarantee claim)
      : index_(scores, {.proposal_budget = 1e300}),
        scanned_(scanned),
        forgets_(forgets),
        claim_(claim) {
    index_.prepare(scanned);
  }

  std::size_t size() const { return index_.size(); }
  std::size_t dimension() const { return index_.dimension(); }
  double score(const VectorView<double>& theta, item_id id) const {
    return index_.score(theta, id);
  }
  void score_many(const VectorView<double>& theta, std::span<const item_id> ids,
                  std::span<double> out) const {
    index_.score_many(theta, ids, out);
  }
  void search(const VectorView<double>& theta, std::size_t k, Retrieval& found) const {
    index_.search(forgets_ ? VectorView<double>(scanned_) : theta, k, found);
    rescore(*this, theta, found);
    found.guarantee = claim_;
  }

 private:
  ConstraintIndex<float> index_;
  Vector<double> scanned_;
  bool forgets_;
  Guarantee claim_;
};

// Bounds of a scan at one x serve draws at another, with nothing added for the way between.
TEST(ScalarLpSelectionControl, DriftNotAdded) {
  Controlled c;
  const auto theta_of = [&] {
    Vector<double> theta(static_cast<Eigen::Index>(c.x.size()) + 1);
    for (std::size_t j = 0; j < c.x.size(); ++j)
      theta[static_cast<Eigen::Index>(j)] = c.scale() * c.x[j];
    theta[theta.size() - 1] = -c.scale();
    return theta;
  };
  const Vector<double> scanned = theta_of();
  std::vector<double> far(c.x.size(), 0.0);
  far[3] = 1.0;
  for (std::size_t j = 0; j < far.size(); ++j) c.x[j] += 0.7 * (far[j] - c.x[j]);
  const Vector<double> theta = theta_of();
  for (const bool forgets : {false, true}) {
    const ForgetfulConstraints index(c.scores, scanned, forgets, Guarantee::assumed());
    const LazySampler sampler(index, {.k = 1});
    NotPrivateEngine engine(5);
    const Counter counter =
        count_draws(60, scalar_selection_draws, [&] { return sampler.sample(theta, engine).id; });
    if (forgets)
      expect_rejected(counter, c.law(), "forgotten drift");
    else
      expect_law(counter, c.law(), "drift added");
  }
  // Where such bounds claim to be certified, the sampler finds an item above them.
  const ForgetfulConstraints liar(c.scores, scanned, true, Guarantee::certified());
  const LazySampler sampler(liar, {.k = 1});
  NotPrivateEngine engine(6);
  EXPECT_THROW(for (int draw = 0; draw < 10'000; ++draw) sampler.sample(theta, engine),
               index_error);
}

}  // namespace
}  // namespace lazygumbel::testing
