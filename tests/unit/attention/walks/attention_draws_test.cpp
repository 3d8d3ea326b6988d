#include <gtest/gtest.h>

#include <lazygumbel/attention/walks/attention_draws.hpp>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>

#include "laws.hpp"
#include "message_of.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

constexpr std::size_t draws_n = 60, draws_d = 4, draws_dv = 3;

struct DrawsProblem {
  FlatIndex<double> keys{gaussian_rows(draws_n, draws_d, 1)};
  RowMatrix<double> values = gaussian_rows(draws_n, draws_dv, 2);
  Vector<double> query = gaussian_query(draws_d, 3);
};

TEST(AttentionDraws, ScaleIsFoldedIntoTheta) {
  const DrawsProblem p;
  for (const double scale : {0.5, -2.0, 0.0}) {
    const AttentionDraws draws(p.keys, {.scale = scale, .sampler = {.k = 9}});
    const LazySampler sampler(p.keys, {.k = 9});
    PhiloxEngine a(1), b(1);
    const Draws ours = draws.sample(p.query, 50, a),
                plain = sampler.sample(Vector<double>(scale * p.query), 50, b);
    EXPECT_EQ(ours.ids, plain.ids);
    EXPECT_EQ(ours.perturbed, plain.perturbed);
    EXPECT_EQ(draws.scale(), scale);
  }
  EXPECT_EQ(AttentionDraws(p.keys).scale(), 0.5);  // 1 / sqrt(4)
  EXPECT_EQ(&AttentionDraws(p.keys).index(), &p.keys);
}

TEST(AttentionDraws, BatchDoesNotDependOnThreads) {
  const DrawsProblem p;
  const AttentionDraws draws(p.keys, {.scale = 0.7});
  const RowMatrix<double> queries = gaussian_rows(150, draws_d, 4), thetas = 0.7 * queries;
  PhiloxEngine a(5), b(5), c(5);
  const auto one = draws.sample_batch(queries, a, 1), two = draws.sample_batch(queries, b, 2),
             plain = LazySampler(p.keys).sample_batch(thetas, c);
  ASSERT_EQ(one.size(), 150U);
  for (std::size_t j = 0; j < one.size(); ++j) {
    EXPECT_EQ(one[j].id, two[j].id);
    EXPECT_EQ(one[j].perturbed, plain[j].perturbed);
  }
}

TEST(AttentionDraws, MeanIsThatOfTheRowsDrawn) {
  const DrawsProblem p;
  const AttentionDraws draws(p.keys);
  PhiloxEngine a(6), b(6);
  const DrawnAttention answer = draws.mean(p.query, p.values, 40, a);
  const Draws drawn = draws.sample(p.query, 40, b);
  RowMatrix<double> rows(40, draws_dv);
  for (std::size_t i = 0; i < 40; ++i)
    rows.row(static_cast<Eigen::Index>(i)) = p.values.row(drawn.ids[i]);
  const Vector<double> mean = rows.colwise().mean();
  EXPECT_LT((answer.output.value - mean).norm(), 1e-12);
  const RowMatrix<double> centred = rows.rowwise() - mean.transpose();
  const Vector<double> error =
      (centred.colwise().squaredNorm() / (39.0 * 40.0)).cwiseSqrt().transpose();
  EXPECT_LT((answer.output.standard_error - error).norm(), 1e-12);
  EXPECT_NEAR(answer.output.error_norm, (1.0 + std::sqrt(2.0 * std::log(20.0))) * error.norm(),
              1e-9);
  EXPECT_EQ(answer.output.confidence, 0.95);
  EXPECT_EQ(answer.output.trace.samples, 40U);
  EXPECT_EQ(answer.output.trace.head_size, drawn.trace.head_size);
  EXPECT_EQ(answer.trace.proposals, drawn.trace.proposals);
  // One column: a normal interval.
  PhiloxEngine c(6);
  const DrawnAttention one = draws.mean(p.query, p.values.leftCols(1), 40, c, Confidence(0.9));
  EXPECT_NEAR(one.output.error_norm, 1.6448536269514722 * error[0], 1e-9);
}

TEST(AttentionDraws, PassesTheGuaranteeOn) {
  const DrawsProblem p;
  PhiloxEngine engine(7);
  const auto kind = [&](const auto& index, AttentionDrawsOptions options) {
    const auto answer = AttentionDraws(index, options).mean(p.query, p.values, 2, engine);
    EXPECT_EQ(answer.output.trace.guarantee, answer.trace.guarantee);
    return answer.trace.guarantee.kind;
  };
  EXPECT_EQ(kind(p.keys, {}), Guarantee::Kind::certified);
  const ScalarQuantizedIndex<double> codes(p.keys.rows());
  EXPECT_EQ(kind(codes, {}), Guarantee::Kind::certified);
  const MinimalIndex assumed(p.keys.rows());
  // (Of more draws all scores are taken, which are as good as certified.)
  EXPECT_EQ(kind(assumed, {}), Guarantee::Kind::assumed);
  EXPECT_EQ(kind(assumed, {.sampler = {.gap = 0.5}}), Guarantee::Kind::assumed);
}

TEST(AttentionDraws, MedianOfMeansTakesTheStatedDraws) {
  const DrawsProblem p;
  const AttentionDraws draws(p.keys);
  const Accuracy target(0.5, 0.1, ErrorScale::absolute);
  const MedianOfMeansSize size =
      AttentionDraws<FlatIndex<double>>::median_of_means_size(draws_dv, 1.5, target);
  EXPECT_EQ(size.blocks, 28U);      // ceil(8 ln 30)
  EXPECT_EQ(size.block_size, 36U);  // 4 (1.5 / 0.5)^2
  EXPECT_EQ(size.draws(), 28U * 36U);
  PhiloxEngine a(8), b(8);
  const DrawnAttention answer = draws.median_of_means(p.query, p.values, 1.5, target, a);
  EXPECT_EQ(answer.output.trace.samples, size.draws());
  EXPECT_DOUBLE_EQ(answer.output.error_norm, 0.5 * std::sqrt(3.0));
  EXPECT_DOUBLE_EQ(answer.output.confidence, 0.9);
  const Draws drawn = draws.sample(p.query, size.draws(), b);
  for (Eigen::Index c = 0; c < 3; ++c) {
    std::vector<double> means(size.blocks, 0.0);
    for (std::size_t i = 0; i < size.draws(); ++i)
      means[i / size.block_size] +=
          p.values(drawn.ids[i], c) / static_cast<double>(size.block_size);
    std::sort(means.begin(), means.end());
    EXPECT_NEAR(answer.output.value[c], 0.5 * (means[13] + means[14]), 1e-12);
  }
}

TEST(AttentionDraws, SizesOfTheMedianOfMeans) {
  using Attention = AttentionDraws<FlatIndex<double>>;
  // At least two draws a block; the number of blocks is what one coordinate's median makes, for
  // every dv.
  const Accuracy loose(10.0, 0.2, ErrorScale::absolute);
  EXPECT_EQ(Attention::median_of_means_size(1, 1.0, loose).block_size, 2U);
  for (std::size_t columns : {1U, 2U, 64U, 128U, 1000U}) {
    const auto size = Attention::median_of_means_size(columns, 1.0, loose);
    EXPECT_EQ(size.blocks, static_cast<std::size_t>(
                               std::ceil(8.0 * std::log(static_cast<double>(columns) / 0.2))));
    EXPECT_NO_THROW(lazygumbel::median_of_means(
        [](item_id) { return 1.0; }, std::vector<item_id>(size.draws(), 0),
        Confidence(1.0 - 0.2 / static_cast<double>(columns))));
  }
  EXPECT_EQ(message_of<std::invalid_argument>(
                [] { Attention::median_of_means_size(3, 1.0, Accuracy(0.1, 0.1)); }),
            "lazygumbel: target.scale() = relative: must be absolute");
  const Accuracy tight(1e-6, 0.1, ErrorScale::absolute);
  EXPECT_EQ(
      message_of<std::invalid_argument>([&] { Attention::median_of_means_size(3, 1.0, tight); }),
      "lazygumbel: deviation / epsilon = 1e+06: needs 2^32 draws or more");
  for (const double bad : {0.0, -1.0, std::numeric_limits<double>::infinity(),
                           std::numeric_limits<double>::quiet_NaN()})
    expect_throws<std::invalid_argument>([&] { Attention::median_of_means_size(3, bad, loose); },
                                         {"deviation = "});
  expect_throws<std::invalid_argument>([&] { Attention::median_of_means_size(0, 1.0, loose); },
                                       {"dv = 0"});
}

TEST(AttentionDraws, HalfPrecisionValuesAndViews) {
  const FlatIndex<float> keys(gaussian_rows<float>(draws_n, draws_d, 1));
  const AttentionDraws draws(keys);
  const RowMatrix<float> wide = gaussian_rows<float>(draws_n, 2 * draws_dv, 2);
  const Eigen::Matrix<Eigen::half, Eigen::Dynamic, Eigen::Dynamic> half =
      wide.rightCols(draws_dv).cast<Eigen::half>();
  const Vector<float> query = gaussian_query<float>(draws_d, 3);
  PhiloxEngine a(9), b(9);
  const auto x = draws.mean(query, wide.rightCols(draws_dv), 30, a),
             y = draws.mean(query, half, 30, b);
  EXPECT_LT((x.output.value - y.output.value).norm(), 2e-3 * x.output.value.norm());
}

TEST(AttentionDraws, RefusesBadInput) {
  DrawsProblem p;
  const AttentionDraws draws(p.keys);
  PhiloxEngine engine(10);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { AttentionDraws(p.keys, {.scale = nan}); }),
            "lazygumbel: scale = nan: must be finite");
  EXPECT_EQ(
      message_of<std::invalid_argument>([&] { AttentionDraws(p.keys, {.sampler = {.k = 61}}); }),
      "lazygumbel: k = 61: exceeds n = 60");
  EXPECT_EQ(
      message_of<std::invalid_argument>([&] { draws.sample(Vector<double>::Zero(3), 1, engine); }),
      "lazygumbel: query.size() = 3: must equal the index's dimension 4");
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { draws.sample_batch(RowMatrix<double>::Zero(2, 5), engine); }),
            "lazygumbel: queries.cols() = 5: must equal the index's dimension 4");
  RowMatrix<double> bad = RowMatrix<double>::Zero(2, draws_d);
  bad(1, 2) = nan;
  EXPECT_EQ(message_of<std::invalid_argument>([&] { draws.sample_batch(bad, engine); }),
            "lazygumbel: queries(1, 2) = nan: must be finite");
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { draws.mean(p.query, p.values.topRows(5), 9, engine); }),
            "lazygumbel: values.rows() = 5: must equal the index's size 60");
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { draws.mean(p.query, p.values.leftCols(0), 9, engine); }),
            "lazygumbel: values.cols() = 0: must be at least 1");
  EXPECT_EQ(message_of<std::invalid_argument>([&] { draws.mean(p.query, p.values, 1, engine); }),
            "lazygumbel: count = 1: must be at least 2");
  p.values.col(1).setConstant(nan);
  expect_throws<std::invalid_argument>([&] { draws.mean(p.query, p.values, 9, engine); },
                                       {"values(", ", 1) = nan"});
}

}  // namespace
}  // namespace lazygumbel::testing
