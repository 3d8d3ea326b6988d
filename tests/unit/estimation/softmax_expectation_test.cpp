#include <gtest/gtest.h>

#include <lazygumbel/estimation/softmax_expectation.hpp>
#include <lazygumbel/random/philox.hpp>

#include "laws.hpp"
#include "non_finite.hpp"
#include "score_index.hpp"

namespace lazygumbel::testing {
namespace {

constexpr std::size_t expectation_items = 3000;

const std::vector<double>& scores() {
  static const std::vector<double> values = [] {
    const auto rows = gaussian_rows<double>(expectation_items, 1, 1);
    return std::vector<double>(rows.data(), rows.data() + expectation_items);
  }();
  return values;
}

const ScoreIndex& index() {
  static const ScoreIndex one(scores());
  return one;
}

const RowMatrix<double>& values() {
  static const RowMatrix<double> rows = gaussian_rows<double>(expectation_items, 3, 2);
  return rows;
}

// 0.05 is not a number of samples.
template <class Values, class Budget>
concept BudgetOfExpectation = requires(const SoftmaxExpectation<ScoreIndex>& expectation,
                                       const Vector<double>& theta, const Values& f, Budget budget,
                                       PhiloxEngine& engine) {
  expectation.estimate(theta, f, budget, engine);
};
static_assert(BudgetOfExpectation<RowMatrix<double>, int> &&
              BudgetOfExpectation<RowMatrix<double>, Accuracy>);
static_assert(!BudgetOfExpectation<RowMatrix<double>, double>);
static_assert(!BudgetOfExpectation<double (*)(item_id), double>);

TEST(SoftmaxExpectation, ScalarVectorAndMatrixAgree) {
  const SoftmaxExpectation expectation(index());
  const auto as_vector = [&](item_id id) { return Vector<double>(values().row(id).transpose()); };
  PhiloxEngine a(3), b(3);
  const VectorEstimate matrix = expectation.estimate(unit_query(), values(), 200, a);
  const VectorEstimate vector = expectation.estimate(unit_query(), as_vector, 200, b);
  EXPECT_EQ(matrix.value, vector.value);
  EXPECT_EQ(matrix.standard_error, vector.standard_error);
  EXPECT_EQ(matrix.error_norm, vector.error_norm);
  EXPECT_EQ(matrix.trace.samples, 200U);
  for (Eigen::Index c = 0; c < 3; ++c) {
    PhiloxEngine engine(3);
    const Estimate scalar = expectation.estimate(
        unit_query(), [&](item_id id) { return values()(id, c); }, 200, engine);
    EXPECT_NEAR(scalar.value, matrix.value[c], 1e-13);
    EXPECT_NEAR(scalar.standard_error, matrix.standard_error[c], 1e-13);
  }
}

TEST(SoftmaxExpectation, ExactIsTheSoftmaxMean) {
  const auto p = softmax(scores());
  const Vector<double> truth =
      values().transpose() *
      Eigen::Map<const Vector<double>>(p.data(), static_cast<Eigen::Index>(expectation_items));
  const VectorEstimate e = SoftmaxExpectation(index()).exact(unit_query(), values());
  EXPECT_LT((e.value - truth).norm(), 1e-12);
  EXPECT_TRUE(e.trace.exhaustive);
  EXPECT_EQ(e.error_norm, 0.0);
  PhiloxEngine engine(1);
  const VectorEstimate full = SoftmaxExpectation(index(), {.k = expectation_items})
                                  .estimate(unit_query(), values(), 2, engine);
  EXPECT_LT((full.value - truth).norm(), 1e-12);
  EXPECT_EQ(full.error_norm, 0.0);
}

TEST(SoftmaxExpectation, ConstantFunctionHasNoError) {
  PhiloxEngine engine(1);
  for (const double c : {0.0, 1.0, -1e9, 3.3e-8}) {
    const Estimate e = SoftmaxExpectation(index()).estimate(
        unit_query(), [&](item_id) { return c; }, 100, engine);
    EXPECT_EQ(e.value, c);
    EXPECT_EQ(e.standard_error, 0.0);
    const Estimate target = SoftmaxExpectation(index()).estimate(
        unit_query(), [&](item_id) { return c; }, Accuracy(0.01, 0.01), engine);
    EXPECT_EQ(target.value, c);
  }
}

TEST(SoftmaxExpectation, RelativeTargetOnAZeroMeanIsServedByTheSum) {
  std::vector<double> even(4000);  // pairs of equal scores with opposite f
  for (std::size_t i = 0; i < even.size(); ++i) even[i] = 0.0005 * static_cast<double>(i / 2);
  const ScoreIndex paired(even);
  PhiloxEngine engine(1);
  const Estimate e = SoftmaxExpectation(paired).estimate(
      unit_query(), [](item_id id) { return id % 2 == 0 ? 1.0 : -1.0; }, Accuracy(0.1, 0.1),
      engine);
  EXPECT_TRUE(e.trace.exhaustive);
  EXPECT_NEAR(e.value, 0.0, 1e-13);
}

TEST(SoftmaxExpectation, AbsoluteTargetOnAZeroMeanIsSampled) {
  PhiloxEngine engine(1);
  const Estimate e = SoftmaxExpectation(index()).estimate(
      unit_query(), [&](item_id id) { return values()(id, 0); },
      Accuracy(0.5, 0.1, ErrorScale::absolute), engine);
  EXPECT_FALSE(e.trace.exhaustive);
  EXPECT_LE(e.upper - e.value, 0.5);
  EXPECT_DOUBLE_EQ(e.confidence, 0.9);
}

TEST(SoftmaxExpectation, RefusesBadFunctions) {
  const SoftmaxExpectation expectation(index());
  PhiloxEngine engine(1);
  for (const double bad : {nan, infinity})
    expect_throws<std::invalid_argument>(
        [&] {
          expectation.estimate(
              unit_query(), [&](item_id) { return bad; }, 10, engine);
        },
        {"f(", "must be finite"});
  expect_throws<std::invalid_argument>(
      [&] { expectation.exact(unit_query(), [](item_id id) { return id == 2999 ? nan : 0.0; }); },
      {"f(2999)"});
  expect_throws<std::invalid_argument>(
      [&] {
        expectation.exact(unit_query(), [](item_id id) {
          return Vector<double>(Vector<double>::Ones(id == 5 ? 3 : 2));
        });
      },
      {"f(5).size() = 3", "2"});
  const RowMatrix<double> short_values = values().topRows(10), empty(expectation_items, 0);
  expect_throws<std::invalid_argument>(
      [&] { expectation.estimate(unit_query(), short_values, 10, engine); },
      {"values.rows() = 10", "3000"});
  expect_throws<std::invalid_argument>([&] { expectation.exact(unit_query(), empty); },
                                       {"values.cols() = 0"});
}

TEST(SoftmaxExpectation, RefusesBadArguments) {
  const auto one = [](item_id) { return 1.0; };
  PhiloxEngine engine(1);
  expect_throws<std::invalid_argument>(
      [&] { SoftmaxExpectation(index()).estimate(unit_query(), one, 1, engine); },
      {"tail_samples = 1"});
  const Vector<double> bad = Vector<double>::Constant(1, nan);
  expect_throws<std::invalid_argument>(
      [&] { SoftmaxExpectation(index()).estimate(bad, one, 10, engine); }, {"(0) = nan"});
  expect_throws<std::invalid_argument>(
      [&] { SoftmaxExpectation(index(), {.k = expectation_items + 1}); }, {"k = 3001", "n = 3000"});
  const ScoreIndex masked(std::vector<double>(2000, -infinity));
  expect_throws<std::invalid_argument>([&] { SoftmaxExpectation(masked).exact(unit_query(), one); },
                                       {"masked"});
}

TEST(SoftmaxExpectation, MaskedItemsDoNotCount) {
  std::vector<double> masked = scores();
  for (std::size_t i = 0; i < expectation_items; i += 2) masked[i] = -infinity;
  const ScoreIndex odd(masked);
  PhiloxEngine engine(1);
  const Estimate e = SoftmaxExpectation(odd).estimate(
      unit_query(), [](item_id id) { return static_cast<double>(id % 2); }, 200, engine);
  EXPECT_EQ(e.value, 1.0);
}

TEST(SoftmaxExpectation, HostileIndexesAreFoundOut) {
  for (const Fault fault : {Fault::fewer_without_bound, Fault::id_out_of_range, Fault::duplicate_id,
                            Fault::unsorted, Fault::nan_score, Fault::low_certified_bound}) {
    const HostileIndex hostile(gaussian_rows<double>(50, 4, 3), fault);
    PhiloxEngine engine(1);
    EXPECT_THROW(SoftmaxExpectation(hostile, {.k = 6})
                     .estimate(
                         gaussian_query(4, 2), [](item_id) { return 1.0; }, 500, engine),
                 index_error)
        << static_cast<int>(fault);
  }
}

}  // namespace
}  // namespace lazygumbel::testing
