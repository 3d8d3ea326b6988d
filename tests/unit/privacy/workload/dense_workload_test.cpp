#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/privacy/workload/dense_workload.hpp>
#include <limits>
#include <vector>

#include "message_of.hpp"
#include "workloads.hpp"

namespace lazygumbel::testing {
namespace {

constexpr Simd all_simds[] = {Simd::portable, Simd::neon, Simd::avx2, Simd::avx512_vnni};

/// Both kinds of answers against long double, within the stated error; for all instruction sets.
template <class Scalar>
void expect_answers(const RowMatrix<Scalar>& rows, const std::vector<double>& weights) {
  const auto m = static_cast<std::size_t>(rows.rows());
  double l1 = 0.0;
  for (const double w : weights) l1 += std::abs(w);
  for (const Simd simd : all_simds) {
    if (!is_supported(simd)) continue;
    const DenseWorkload<Scalar> workload(rows, simd);
    std::vector<double> answers(m);
    workload.answers(weights, answers);
    for (item_id j = 0; j < m; ++j) {
      long double exact = 0.0L;
      for (std::size_t x = 0; x < weights.size(); ++x)
        exact += static_cast<long double>(rows(j, static_cast<Eigen::Index>(x))) *
                 static_cast<long double>(weights[x]);
      EXPECT_LE(std::abs(static_cast<double>(answers[j] - exact)), workload.answers_error(l1));
      EXPECT_LE(std::abs(static_cast<double>(workload.answer(weights, j) - exact)),
                workload.answers_error(l1))
          << name_of(simd);
    }
  }
}

TEST(DenseWorkload, AnswersOfEveryLength) {
  for (const std::size_t cells : {1U, 2U, 7U, 8U, 15U, 16U, 17U, 31U, 32U, 33U, 64U, 100U, 1000U}) {
    expect_answers(random_queries<float>(9, cells, -1, 1, cells),
                   random_weights(cells, 1e6, 5.0, cells));
    std::vector<double> weights = random_weights(cells, 1.0, 1.0, cells + 1);
    for (std::size_t x = 0; x < cells; x += 2) weights[x] *= -1e9;
    expect_answers(random_queries<double>(9, cells, -1e5, 3, cells), weights);
  }
}

TEST(DenseWorkload, RangeIsThatOfTheEntries) {
  const DenseWorkload<float> workload(random_queries<float>(5, 6, -2, 3, 1));
  EXPECT_EQ(workload.range(), (QueryRange{-2, 3}));
  EXPECT_EQ(workload.size(), 5U);
  EXPECT_EQ(workload.cells(), 6U);
  EXPECT_FALSE(DenseWorkload<float>::integral);
  const DenseWorkload<double> zeros(RowMatrix<double>::Zero(2, 2));
  EXPECT_EQ(zeros.range(), (QueryRange{0, 0}));
  EXPECT_EQ(zeros.answers_error(1e9), 0.0);
  const DenseWorkload<double> negative(RowMatrix<double>::Constant(1, 2, -2.0));
  EXPECT_EQ(negative.range(), (QueryRange{-2, -2}));
  EXPECT_GT(negative.answers_error(1.0), 0.0);
}

TEST(DenseWorkload, GivesTheQueries) {
  const auto rows = random_queries<float>(3, 4, 0, 1, 2);
  const DenseWorkload<float> workload(rows);
  std::vector<double> query(4);
  workload.query(1, query);
  for (std::size_t x = 0; x < 4; ++x)
    EXPECT_EQ(query[x], static_cast<double>(rows(1, static_cast<Eigen::Index>(x))));
  EXPECT_EQ(workload.rows(), rows);
  workload.prefetch(2);
}

TEST(DenseWorkload, ViewsRowsOfTheCaller) {
  const auto rows = random_queries<double>(4, 3, 0, 1, 3);
  const auto workload = DenseWorkload<double>::over({rows.data(), 4, 3, Eigen::OuterStride<>(3)});
  EXPECT_EQ(workload.rows().data(), rows.data());
  EXPECT_EQ(workload.answer(std::vector<double>{1, 0, 0}, 2), rows(2, 0));
}

TEST(DenseWorkload, SmallIntegersAreExact) {
  RowMatrix<float> rows(2, 3);
  rows << 1, -1, 1, 0, 1, 1;
  const DenseWorkload<float> workload(rows);
  const std::vector<double> counts = {(1 << 30) - 7, 3, 3};
  std::vector<double> answers(2);
  workload.answers(counts, answers);
  EXPECT_EQ(answers, (std::vector<double>{(1 << 30) - 7, 6}));
}

TEST(DenseWorkload, Refusals) {
  const auto refusal = [](auto&& body) { return message_of<std::invalid_argument>(body); };
  RowMatrix<float> rows = random_queries<float>(2, 2, 0, 1, 4);
  EXPECT_NE(refusal([] { DenseWorkload<float>(RowMatrix<float>(0, 3)); }).find("lazygumbel: rows"),
            std::string::npos);
  rows(1, 0) = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(refusal([&] { DenseWorkload<float>{rows}; }).find("nan"), std::string::npos);
  rows(1, 0) = HUGE_VALF;
  EXPECT_NE(refusal([&] { DenseWorkload<float>{rows}; }).find("inf"), std::string::npos);
  for (const Simd simd : all_simds) {
    if (is_supported(simd)) continue;
    EXPECT_EQ(
        refusal([&] { DenseWorkload<float>(random_queries<float>(2, 2, 0, 1, 4), simd); }),
        std::string("lazygumbel: simd = ") + name_of(simd) + ": is not supported by this machine");
  }
  const DenseWorkload<float> workload(random_queries<float>(2, 2, 0, 1, 4));
  std::vector<double> two(2), three(3);
  EXPECT_EQ(refusal([&] { workload.answers(three, two); }),
            "lazygumbel: weights.size() = 3: must equal cells() = 2");
  EXPECT_EQ(refusal([&] { workload.answers(two, three); }),
            "lazygumbel: out.size() = 3: must equal size() = 2");
}

}  // namespace
}  // namespace lazygumbel::testing
