#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/privacy/release/mwem.hpp>
#include <lazygumbel/random/not_private_engine.hpp>
#include <vector>

#include "statistics.hpp"
#include "workloads.hpp"

// MWEM is of use: on a small problem its table answers better than the uniform one, by far, and
// the modes of selection, which have one law, do equally well. 20 seeds a mode.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t accuracy_cells = 64, accuracy_queries = 400, release_seeds = 20;

struct Problem {
  RowMatrix<float> rows = [] {
    PhiloxEngine engine(1);
    RowMatrix<float> matrix(accuracy_queries, accuracy_cells);
    for (Eigen::Index i = 0; i < matrix.size(); ++i)
      matrix.data()[i] = static_cast<float>(uniform_index(2, engine));
    return matrix;
  }();
  DenseWorkload<float> workload{rows};
  Histogram table = line_table(random_counts(accuracy_cells, 5e3, 2));

  /// Mean |<q, h> - <q, w>| over the queries, in records.
  double error(std::span<const double> weights) const {
    double sum = 0.0;
    for (const double e : brute_force_scores(workload, table, weights, 1.0)) sum += e;
    return sum / accuracy_queries;
  }

  template <class Mode>
  std::vector<double> errors(const Mode& mode, Neighbours neighbours, bool zcdp) const {
    std::vector<double> errors;
    for (std::uint64_t seed = 0; seed < release_seeds; ++seed) {
      NotPrivateEngine engine(100 + seed);
      const auto budget = zcdp ? Budget::approximate(1.0, 1e-6) : Budget::pure(1.0);
      errors.push_back(error(
          Mwem(workload, {.neighbours = neighbours, .rounds = 12})
              .run(table, zcdp ? Budget::zcdp(budget.total()) : Budget::pure(1.0), engine, mode)
              .table.weights()));
    }
    return errors;
  }
};

TEST(MwemAccuracy, BeatsTheUniformTable) {
  const Problem problem;
  const std::vector<double> uniform(accuracy_cells,
                                    static_cast<double>(problem.table.total()) / accuracy_cells);
  for (const Neighbours neighbours : {Neighbours::replace_one, Neighbours::add_remove})
    for (const bool zcdp : {false, true}) {
      for (const double error : problem.errors(FullScan{}, neighbours, zcdp))
        EXPECT_LT(error, 0.6 * problem.error(uniform));
      for (const double error : problem.errors(LazyCertified{}, neighbours, zcdp))
        EXPECT_LT(error, 0.6 * problem.error(uniform));
    }
}

// Mean errors within five standard errors of the difference: a false alarm in 1e-5 or so.
TEST(MwemAccuracy, ModesAgree) {
  const Problem problem;
  const FlatIndex<float> flat(problem.rows);
  const auto summary = [](const std::vector<double>& errors) { return mean_and_variance(errors); };
  const auto [mean, variance] = summary(problem.errors(FullScan{}, Neighbours::replace_one, false));
  for (const auto& [other, spread] :
       {summary(problem.errors(LazyCertified{}, Neighbours::replace_one, false)),
        summary(problem.errors(LazyCertified{{.code_bits = 0}, 1}, Neighbours::replace_one, false)),
        summary(problem.errors(LazyProposed<FlatIndex<float>>{flat, 0, Gap(0.01)},
                               Neighbours::replace_one, false))})
    EXPECT_LT(std::abs(other - mean), 5.0 * std::sqrt((variance + spread) / release_seeds));
}

}  // namespace
}  // namespace lazygumbel::testing
