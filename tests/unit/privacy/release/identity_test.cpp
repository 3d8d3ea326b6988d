#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <lazygumbel/privacy/release/identity.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "message_of.hpp"

namespace lazygumbel::testing {
namespace {

using Weights = std::vector<double>;

Domain domain_of_cells(std::size_t cells) {
  return Domain({Attribute::integers("a", 0, static_cast<std::int64_t>(cells) - 1)});
}

Histogram counts(std::vector<std::int64_t> values) {
  Domain cells = domain_of_cells(values.size());
  return Histogram(std::move(cells), std::move(values));
}

Weights table_weights(const SyntheticTable& table) {
  return {table.weights().begin(), table.weights().end()};
}

TEST(IdentityNoise, HasTheSensitivitiesOfAHistogram) {
  const auto parameter = [](Neighbours neighbours, Accountant accountant, double cost) {
    return identity_noise(5, neighbours, accountant, cost).parameter().value();
  };
  EXPECT_EQ(parameter(Neighbours::replace_one, Accountant::pure, 0.5), 4.0);
  EXPECT_EQ(parameter(Neighbours::add_remove, Accountant::pure, 0.5), 2.0);
  // sigma^2 = 2 / (2 rho) and 1 / (2 rho), rounded up by less than 2^-31.
  for (const auto& [neighbours, wanted] :
       {std::pair{Neighbours::replace_one, 4.0}, std::pair{Neighbours::add_remove, 2.0}}) {
    const double variance = parameter(neighbours, Accountant::zcdp, 0.25);
    EXPECT_GE(variance, wanted);
    EXPECT_LE(variance, wanted + 0x1p-31);
  }
  EXPECT_EQ(identity_noise(5, Neighbours::replace_one, Accountant::pure, 1).coordinates(), 5U);
}

TEST(Identity, IsNoiseOnEveryCellAndProjection) {
  const Histogram h = counts({100, 0, 7, 0, 0, 30, 1, 0});
  for (const Neighbours neighbours : {Neighbours::replace_one, Neighbours::add_remove})
    for (const Accountant accountant : {Accountant::pure, Accountant::zcdp}) {
      Budget budget = accountant == Accountant::pure ? Budget::pure(0.25) : Budget::zcdp(0.25);
      NotPrivateEngine engine(1), again(1);
      const SyntheticTable table = release_identity(h, neighbours, budget, engine);
      Weights expected(h.counts().begin(), h.counts().end());
      identity_noise(8, neighbours, accountant, 0.25).answers(expected, expected, again);
      const double sum = std::accumulate(expected.begin(), expected.end(), 0.0);
      const double total = neighbours == Neighbours::replace_one ? 138.0 : sum;
      project_to_simplex(expected, total);
      EXPECT_EQ(table_weights(table), expected);
      EXPECT_EQ(engine, again) << "nothing else was drawn";
      EXPECT_NEAR(table.total(), total, 1e-12 * total);
      EXPECT_EQ(table.domain(), h.domain());
    }
}

TEST(Identity, SpendsTheBudgetOnceAndSaysSo) {
  const Histogram h = counts({5, 5});
  NotPrivateEngine engine(2);
  Budget pure = Budget::pure(1.0);
  release_identity(h, Neighbours::replace_one, pure, 0.25, engine);
  EXPECT_EQ(pure.remaining(), 0.75);
  release_identity(h, Neighbours::replace_one, pure, engine);
  EXPECT_EQ(pure.remaining(), 0.0);
  EXPECT_EQ(pure.expenses(), (std::vector<Expense>{{"identity: discrete Laplace", 0.25, 1},
                                                   {"identity: discrete Laplace", 0.75, 1}}));
  Budget approximate = Budget::approximate(1.0, 1e-6);
  release_identity(h, Neighbours::add_remove, approximate, engine);
  ASSERT_EQ(approximate.expenses().size(), 1U);
  EXPECT_EQ(approximate.expenses()[0].mechanism, "identity: discrete Gaussian");
  EXPECT_EQ(approximate.expenses()[0].cost, approximate.total());
}

TEST(Identity, RefusesWhatTheBudgetCannotPayAndDrawsNothing) {
  const Histogram h = counts({5, 5});
  NotPrivateEngine engine(3);
  Budget budget = Budget::pure(1.0);
  const auto run = [&](double cost) {
    release_identity(h, Neighbours::replace_one, budget, cost, engine);
  };
  EXPECT_EQ(message_of<budget_error>([&] { run(1.5); }),
            "lazygumbel: identity: discrete Laplace costs 1.5 epsilon, but only 1 of 1 is left");
  EXPECT_NE(message_of<std::invalid_argument>([&] { run(1e-16); }).find("above 2^52 steps"),
            std::string::npos);
  EXPECT_NE(message_of<std::invalid_argument>([&] { run(-1.0); }).find("epsilon = -1"),
            std::string::npos);
  EXPECT_NE(message_of<std::invalid_argument>([&] { run(std::nan("")); }).find("epsilon = nan"),
            std::string::npos);
  EXPECT_EQ(budget.spent(), 0.0);
  const Budget taken = std::move(budget);
  EXPECT_EQ(message_of<budget_error>(
                [&] { release_identity(h, Neighbours::replace_one, budget, engine); }),
            "lazygumbel: identity: nothing is left of the budget");
  EXPECT_EQ(engine, NotPrivateEngine(3));
}

TEST(Identity, OfATableWithoutRecords) {
  const Histogram none = counts({0, 0, 0, 0});
  NotPrivateEngine engine(4);
  for (int run = 0; run < 200; ++run) {
    Budget first = Budget::pure(0.5), second = Budget::pure(0.5);
    // n = 0 is public.
    EXPECT_EQ(table_weights(release_identity(none, Neighbours::replace_one, first, engine)),
              Weights(4, 0.0));
    // n is not: whatever the noise sums to, but 1 at least.
    EXPECT_GE(release_identity(none, Neighbours::add_remove, second, engine).total(), 1 - 1e-12);
  }
}

TEST(Identity, OfOneCellUnderReplaceOneIsExact) {
  NotPrivateEngine engine(5);
  Budget budget = Budget::pure(0.01);
  EXPECT_EQ(table_weights(release_identity(counts({9}), Neighbours::replace_one, budget, engine)),
            Weights{9});
}

TEST(Identity, ComesCloseWithALargeBudget) {
  const Histogram h = counts({100, 0, 7, 0, 0, 30, 1, 0});
  NotPrivateEngine engine(6);
  Budget budget = Budget::pure(1e9);
  EXPECT_EQ(table_weights(release_identity(h, Neighbours::add_remove, budget, engine)),
            Weights(h.counts().begin(), h.counts().end()));
}

}  // namespace
}  // namespace lazygumbel::testing
