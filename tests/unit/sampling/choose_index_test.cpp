#include <gtest/gtest.h>

#include <cmath>
#include <lazygumbel/sampling/choose_index.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "indexes.hpp"
#include "message_of.hpp"
#include "non_finite.hpp"

namespace lazygumbel::testing {
namespace {

using Kind = Guarantee::Kind;

constexpr IndexKind all_kinds[] = {IndexKind::flat, IndexKind::scalar_quantized, IndexKind::ivf,
                                   IndexKind::hnsw};

// Lines that meet at 16 (flat, quantized), 64 (quantized, ivf) and 1024 (ivf, hnsw) queries; all
// numbers are exact in binary.
const std::vector<IndexCost> meeting_lines = {
    {IndexKind::flat, 0.0, 1.0, Kind::certified},
    {IndexKind::scalar_quantized, 8.0, 0.5, Kind::certified},
    {IndexKind::ivf, 24.0, 0.25, Kind::assumed},
    {IndexKind::hnsw, 152.0, 0.125, Kind::assumed},
};

template <class Scalar>
RowPointer<Scalar> rows_view(const RowMatrix<Scalar>& rows) {
  return {rows.data(), rows.rows(), rows.cols(), Eigen::OuterStride<>(rows.cols())};
}

void expect_complete(const std::vector<IndexCost>& measured, std::size_t n) {
  ASSERT_EQ(measured.size(), std::size(all_kinds));
  for (std::size_t i = 0; i < measured.size(); ++i) {
    EXPECT_EQ(measured[i].kind, all_kinds[i]);
    EXPECT_TRUE(std::isfinite(measured[i].build_seconds)) << name_of(all_kinds[i]);
    EXPECT_TRUE(std::isfinite(measured[i].seconds_per_draw)) << name_of(all_kinds[i]);
    EXPECT_GT(measured[i].build_seconds, 0.0) << name_of(all_kinds[i]);
    EXPECT_GT(measured[i].seconds_per_draw, 0.0) << name_of(all_kinds[i]);
    EXPECT_GE(measured[i].k, 1U);
    EXPECT_LE(measured[i].k, n);
  }
}

TEST(IndexKind, Names) {
  EXPECT_STREQ(name_of(IndexKind::flat), "flat");
  EXPECT_STREQ(name_of(IndexKind::scalar_quantized), "scalar_quantized");
  EXPECT_STREQ(name_of(IndexKind::ivf), "ivf");
  EXPECT_STREQ(name_of(IndexKind::hnsw), "hnsw");
}

TEST(IndexCost, SecondsAreBuildAndDraws) {
  EXPECT_EQ(meeting_lines[1].seconds(1.0), 8.5);
  EXPECT_EQ(meeting_lines[1].seconds(100.0), 58.0);
}

TEST(Cheapest, CrossesWhereCostsAreEqualAndTakesTheFirstThere) {
  const auto chosen = [](double queries) { return cheapest(meeting_lines, queries).kind; };
  EXPECT_EQ(chosen(1e-9), IndexKind::flat);
  EXPECT_EQ(chosen(16.0), IndexKind::flat);
  EXPECT_EQ(chosen(std::nextafter(16.0, infinity)), IndexKind::scalar_quantized);
  EXPECT_EQ(chosen(64.0), IndexKind::scalar_quantized);
  EXPECT_EQ(chosen(std::nextafter(64.0, infinity)), IndexKind::ivf);
  EXPECT_EQ(chosen(1024.0), IndexKind::ivf);
  EXPECT_EQ(chosen(1025.0), IndexKind::hnsw);
  EXPECT_EQ(chosen(1e12), IndexKind::hnsw);
}

TEST(Cheapest, GuaranteeRulesOutWeakerOnes) {
  for (const double queries : {1.0, 16.0, 17.0, 1e3, 1e9}) {
    EXPECT_EQ(cheapest(meeting_lines, queries, Kind::certified).kind,
              queries <= 16.0 ? IndexKind::flat : IndexKind::scalar_quantized);
    EXPECT_EQ(cheapest(meeting_lines, queries, Kind::calibrated).kind,
              cheapest(meeting_lines, queries, Kind::certified).kind);
  }
  std::vector<IndexCost> calibrated = meeting_lines;
  calibrated[3].guarantee = Kind::calibrated;
  EXPECT_EQ(cheapest(calibrated, 1e9, Kind::calibrated).kind, IndexKind::hnsw);
  EXPECT_EQ(cheapest(calibrated, 1e9, Kind::certified).kind, IndexKind::scalar_quantized);
}

TEST(Cheapest, RefusesBadArguments) {
  const std::string wants = ": must be positive and finite";
  EXPECT_EQ(refusal([] { cheapest(meeting_lines, 0.0); }),
            "lazygumbel: expected_queries = 0" + wants);
  EXPECT_EQ(refusal([] { cheapest(meeting_lines, -2.5); }),
            "lazygumbel: expected_queries = -2.5" + wants);
  EXPECT_EQ(refusal([] { cheapest(meeting_lines, nan); }),
            "lazygumbel: expected_queries = nan" + wants);
  EXPECT_EQ(refusal([] { cheapest(meeting_lines, infinity); }),
            "lazygumbel: expected_queries = inf" + wants);
  EXPECT_EQ(refusal([] { cheapest(std::span(meeting_lines).subspan(2), 1.0, Kind::certified); }),
            "lazygumbel: needed = certified: no index gives this guarantee");
  EXPECT_EQ(refusal([] { cheapest({}, 1.0); }),
            "lazygumbel: needed = assumed: no index gives this guarantee");
  std::vector<IndexCost> broken = meeting_lines;
  broken[2].seconds_per_draw = nan;
  EXPECT_EQ(refusal([&] { cheapest(broken, 1.0); }),
            "lazygumbel: seconds of ivf = nan: must not be negative");
}

TEST(CostModel, GrowthOfEachIndex) {
  // 10,000 rows: 400 lists, all rows train 4 rounds; 28 probes.
  EXPECT_EQ(lazygumbel::detail::ivf_build_products(10000), 5.0 * 10000 * 400);
  EXPECT_EQ(lazygumbel::detail::ivf_search_products(10000), 400.0 + 28.0 * 25.0);
  // 1,000,000 rows: 4,000 lists, of which 64 rows each train; 280 probes.
  EXPECT_EQ(lazygumbel::detail::ivf_build_products(1000000), (4.0 * 256000 + 1000000) * 4000);
  EXPECT_EQ(lazygumbel::detail::ivf_search_products(1000000), 4000.0 + 280.0 * 250.0);
  EXPECT_NEAR(lazygumbel::detail::graph_steps(999999) / lazygumbel::detail::graph_steps(999), 2.0,
              1e-12);
  EXPECT_EQ(lazygumbel::detail::extrapolate(10.0, 2.0, 20.0, 3.0, 50.0), 6.0);
  EXPECT_EQ(lazygumbel::detail::extrapolate(10.0, 3.0, 20.0, 2.0, 50.0), 2.0);  // noise
  EXPECT_EQ(lazygumbel::detail::extrapolate(10.0, 3.0, 10.0, 2.0, 10.0), 2.0);
}

TEST(CostModel, SampleIsSpacedEvenly) {
  RowMatrix<float> rows(10, 1);
  for (int i = 0; i < 10; ++i) rows(i, 0) = static_cast<float>(i);
  const RowMatrix<float> some = lazygumbel::detail::spaced_rows<float>(rows, 4);
  EXPECT_EQ(some, (RowMatrix<float>(4, 1) << 0, 2, 5, 7).finished());
  EXPECT_EQ(lazygumbel::detail::spaced_rows<float>(rows, 10), rows);
  EXPECT_EQ(lazygumbel::detail::spaced_rows<float>(rows, 11), rows);
}

TEST(ChooseIndex, CostsAreCompleteAndTheChoiceIsTheirCheapest) {
  const auto rows = gaussian_rows<float>(700, 6, 1), thetas = gaussian_rows<float>(5, 6, 2);
  const ChooseIndexOptions options{
      .coded_sample_rows = 400, .list_sample_rows = 300, .graph_sample_rows = 100};
  for (const Guarantee guarantee :
       {Guarantee::assumed(), Guarantee::calibrated(0.1), Guarantee::certified()}) {
    const IndexChoice choice = choose_index<float>(rows, thetas, 1e6, guarantee, options);
    expect_complete(choice.costs, 700);
    const IndexCost best = cheapest(choice.costs, 1e6, guarantee.kind);
    EXPECT_EQ(choice.kind, best.kind);
    EXPECT_EQ(choice.k, best.k);
    EXPECT_EQ(choice.expected_seconds, best.seconds(1e6));
    EXPECT_GE(best.guarantee, guarantee.kind);
  }
}

TEST(ChooseIndex, OnlyFlatAndQuantizedCertify) {
  const auto rows = gaussian_rows<double>(300, 4, 1), thetas = gaussian_rows<double>(3, 4, 2);
  for (const Guarantee guarantee :
       {Guarantee::assumed(), Guarantee::calibrated(0.9), Guarantee::certified()}) {
    const Kind approximate = guarantee.kind == Kind::calibrated ? Kind::calibrated : Kind::assumed;
    const auto measured = measure_index_costs<double>(rows, thetas, guarantee);
    EXPECT_EQ(measured[0].guarantee, Kind::certified);
    EXPECT_EQ(measured[1].guarantee, Kind::certified);
    EXPECT_EQ(measured[2].guarantee, approximate);
    EXPECT_EQ(measured[3].guarantee, approximate);
  }
  for (const double queries : {1.0, 1e4, 1e12}) {
    const IndexKind kind = choose_index<double>(rows, thetas, queries, Guarantee::certified()).kind;
    EXPECT_TRUE(kind == IndexKind::flat || kind == IndexKind::scalar_quantized) << name_of(kind);
  }
}

TEST(ChooseIndex, SmallAndNarrowRows) {
  for (const auto& [n, d] : {std::pair{1, 1}, {1, 7}, {2, 3}, {50, 1}, {130, 20}}) {
    const auto count = static_cast<std::size_t>(n), width = static_cast<std::size_t>(d);
    const auto rows = gaussian_rows<float>(count, width, 1);
    expect_complete(measure_index_costs<float>(rows, gaussian_rows<float>(1, width, 2)), count);
  }
  const RowMatrix<float> equal = RowMatrix<float>::Ones(500, 3);
  expect_complete(measure_index_costs<float>(equal, equal.topRows(2)), 500);
  const RowMatrix<float> zero = RowMatrix<float>::Zero(500, 3);
  expect_complete(measure_index_costs<float>(zero, zero.topRows(2)), 500);
  const auto rows = gaussian_rows<float>(40, 3, 1);
  expect_complete(measure_index_costs<float>(
                      rows, rows, Guarantee::assumed(),
                      {.coded_sample_rows = 1, .list_sample_rows = 1, .graph_sample_rows = 1}),
                  40);
}

TEST(ChooseIndex, RefusesBadArguments) {
  const auto rows = gaussian_rows<float>(20, 3, 1), thetas = gaussian_rows<float>(2, 3, 2);
  const auto measure = [&](const ChooseIndexOptions& options) {
    return refusal(
        [&] { measure_index_costs<float>(rows, thetas, Guarantee::assumed(), options); });
  };
  EXPECT_EQ(refusal([&] { choose_index<float>(rows, thetas, nan); }),
            "lazygumbel: expected_queries = nan: must be positive and finite");
  EXPECT_EQ(refusal([&] { choose_index<float>(rows, RowMatrix<float>(0, 3), 1.0); }),
            "lazygumbel: example_thetas.rows() = 0: must be at least 1");
  EXPECT_EQ(refusal([&] { choose_index<float>(rows, RowMatrix<float>::Ones(1, 4), 1.0); }),
            "lazygumbel: example_thetas.cols() = 4: must equal rows.cols() = 3");
  RowMatrix<float> bad = thetas;
  bad(1, 2) = static_cast<float>(nan);
  EXPECT_EQ(refusal([&] { choose_index<float>(rows, bad, 1.0); }),
            "lazygumbel: example_thetas(1, 2) = nan: must be finite");
  EXPECT_EQ(measure({.coded_sample_rows = 0}),
            "lazygumbel: coded_sample_rows = 0: must be at least 1");
  EXPECT_EQ(measure({.list_sample_rows = 0}),
            "lazygumbel: list_sample_rows = 0: must be at least 1");
  EXPECT_EQ(measure({.graph_sample_rows = 0}),
            "lazygumbel: graph_sample_rows = 0: must be at least 1");
  EXPECT_EQ(measure({.most_thetas = 0}), "lazygumbel: most_thetas = 0: must be at least 1");
  EXPECT_EQ(measure({.calibrated_proposals = 0.5}),
            "lazygumbel: calibrated_proposals = 0.5: must be finite and at least 1");
  EXPECT_EQ(measure({.calibrated_proposals = nan}),
            "lazygumbel: calibrated_proposals = nan: must be finite and at least 1");
}

TEST(BuildIndex, EveryKindIsBuiltAndDrawnFrom) {
  const auto rows = gaussian_rows<float>(200, 5, 1);
  const Vector<float> theta = gaussian_query<float>(5, 2);
  for (const IndexKind kind : all_kinds) {
    const AnyIndex<float> built = build_index(kind, rows_view(rows));
    EXPECT_EQ(built.index(), static_cast<std::size_t>(kind));
    std::visit(
        [&](const auto& index) {
          EXPECT_EQ(index.size(), 200U);
          EXPECT_EQ(index.dimension(), 5U);
          PhiloxEngine engine(1);
          EXPECT_LT(LazySampler(index).sample(theta, engine).id, 200U);
        },
        built);
  }
}

TEST(BuildIndex, FlatAndQuantizedViewTheRows) {
  const auto rows = gaussian_rows<float>(80, 5, 1);
  const auto data_of = [&](IndexKind kind) {
    return std::visit(
        [](const auto& index) -> const float* {
          if constexpr (requires { index.rows(); })
            return index.rows().data();
          else
            return index.row(0).data();
        },
        build_index(kind, rows_view(rows)));
  };
  EXPECT_EQ(data_of(IndexKind::flat), rows.data());
  EXPECT_EQ(data_of(IndexKind::scalar_quantized), rows.data());
  EXPECT_NE(data_of(IndexKind::ivf), rows.data());
  EXPECT_NE(data_of(IndexKind::hnsw), rows.data());
}

TEST(BuildIndex, RefusesEmptyRows) {
  const RowMatrix<float> none(0, 3);
  for (const IndexKind kind : all_kinds)
    EXPECT_THROW(build_index(kind, rows_view(none)), std::invalid_argument) << name_of(kind);
}

}  // namespace
}  // namespace lazygumbel::testing
