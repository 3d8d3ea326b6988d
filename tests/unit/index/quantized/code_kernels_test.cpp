#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <code_bounds.hpp>
#include <cstdint>
#include <indexes.hpp>
#include <lazygumbel/index/quantized/detail/code_kernels.hpp>
#include <lazygumbel/index/quantized/detail/row_codes.hpp>
#include <string>
#include <vector>

#include "scalars.hpp"
#include "simds.hpp"

// Numbers beside coded rows: the scores <q, x_i> + c o_i, which every kernel that this machine
// supports must bound, c o_i being rounded by no more than what the caller adds to `slack`, as
// CodedQuery says. Without such numbers the coefficient changes nothing. Bounds without them:
// quantized_bound_test.cpp.

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::BoundSink;
using lazygumbel::detail::CodedQuery;
using lazygumbel::detail::CodeKernels;
using lazygumbel::detail::fast_exp_error;
using lazygumbel::detail::round_up;
using lazygumbel::detail::RowCodes;
using lazygumbel::detail::select;
using lazygumbel::detail::tile_lanes;
using lazygumbel::detail::tile_rows;
using lazygumbel::detail::TileWeight;

/// Of one tile's rows, of the lanes of `bounds`, and of tiles: all that kernels say of one query.
struct Answers {
  std::vector<float> estimates, errors, lanes, largest;
  std::vector<TileWeight> weights;
};

std::vector<Answers> answers(const RowCodes& codes, const std::vector<CodedQuery>& queries,
                             Simd simd) {
  const CodeKernels& kernels = select<CodeKernels>(simd);
  const std::size_t padded = codes.tiles() * tile_rows;
  std::vector<Answers> all(queries.size());
  std::vector<const CodedQuery*> pointers;
  std::vector<BoundSink> sinks;
  for (std::size_t q = 0; q < queries.size(); ++q) {
    Answers& a = all[q];
    a.estimates.resize(padded);
    a.errors.resize(padded);
    a.lanes.resize(codes.tiles() * tile_lanes);
    a.largest.resize(codes.tiles());
    a.weights.resize(codes.tiles());
    for (std::size_t t = 0; t < codes.tiles(); ++t) {
      alignas(64) std::array<float, tile_rows> estimates, errors;
      kernels.tile(codes, t, queries[q], estimates.data(), errors.data(), 0.0F, nullptr);
      std::copy(estimates.begin(), estimates.end(), a.estimates.begin() + 64 * t);
      std::copy(errors.begin(), errors.end(), a.errors.begin() + 64 * t);
    }
    kernels.weights(codes, 0, codes.tiles(), queries[q], a.weights.data());
    pointers.push_back(&queries[q]);
    sinks.push_back({a.lanes.data(), a.largest.data()});
  }
  if (queries.size() == CodeKernels::together)
    kernels.bounds_together(codes, 0, codes.tiles(), pointers.data(), sinks.data());
  else
    for (std::size_t q = 0; q < queries.size(); ++q)
      kernels.bounds(codes, 0, codes.tiles(), &pointers[q], &sinks[q]);
  return all;
}

template <class Scalar>
class CodeScan : public ::testing::Test {
 protected:
  static RowCodes coded(int bits, const RowMatrix<Scalar>& rows) {
    RowCodes codes(bits, static_cast<std::size_t>(rows.cols()));
    codes.append<Scalar>(rows, 1);
    return codes;
  }

  /// The query, with the coefficient and what its products are rounded by: once in o, in the
  /// product and in the sum.
  static CodedQuery query_of(const RowCodes& codes, const RowMatrix<Scalar>& rows,
                             const Vector<Scalar>& query, float coefficient,
                             double largest_offset) {
    CodedQuery coded;
    coded.assign<Scalar>(query, codes.bits(), codes.residual_unit(),
                         static_cast<double>(codes.largest_scale()),
                         rows.template cast<double>().rowwise().norm().maxCoeff());
    coded.offset = coefficient;
    coded.slack += round_up(0x1p-22 * static_cast<double>(std::abs(coefficient)) * largest_offset);
    return coded;
  }

  /// Holds everything that kernels say against <q, x_i> + c o_i in long double.
  static void check(const RowCodes& codes, const std::vector<long double>& truth,
                    const Answers& a) {
    const auto wide = [](float x) { return static_cast<long double>(x); };
    for (std::size_t i = 0; i < truth.size(); ++i) {
      const std::size_t t = i / tile_rows, lane = t * tile_lanes + i % tile_lanes;
      ASSERT_LE(std::abs(truth[i] - wide(a.estimates[i])), wide(a.errors[i])) << i;
      if (codes.offsets(t) == nullptr) {  // `bounds` is for rows without
        ASSERT_LE(truth[i], wide(a.lanes[lane])) << i;
        ASSERT_LE(truth[i], wide(a.largest[t])) << i;
      }
      ASSERT_LE(truth[i], wide(a.weights[t].largest) + wide(a.weights[t].error)) << i;
      ASSERT_LE(a.estimates[i], a.weights[t].largest) << i;
    }
    for (std::size_t t = 0; t < codes.tiles(); ++t) {
      long double sum = 0.0L;
      for (std::size_t r = 0; r < codes.rows_in(t); ++r)
        sum += std::exp(wide(a.estimates[64 * t + r]) - wide(a.weights[t].largest));
      ASSERT_NEAR(a.weights[t].sum / static_cast<double>(sum), 1.0, 2.0 * fast_exp_error);
    }
  }
};
TYPED_TEST_SUITE(CodeScan, Scalars);

TYPED_TEST(CodeScan, BoundsHoldWithOffsets) {
  std::uint64_t seed = 0;
  for (const std::size_t d : {1U, 5U, 8U, 65U, 300U})
    for (const std::size_t n : {1U, 63U, 64U, 130U})
      for (const int bits : {4, 8})
        for (const double size : {0.0, 1e-30, 1.0, 300.0, 1e6}) {
          const auto rows = gaussian_rows<TypeParam>(n, d, ++seed);
          const Vector<double> some = size * gaussian_query<double>(n, seed);
          const std::vector<double> offsets(some.begin(), some.end());
          RowCodes codes = this->coded(bits, rows);
          codes.set_offsets(offsets);
          std::vector<CodedQuery> queries;
          std::vector<std::vector<long double>> truths;
          for (const float coefficient : {1.0F, 0.37F, 250.0F, -3.0F}) {
            const auto query = gaussian_query<TypeParam>(d, 1000 * seed + queries.size());
            queries.push_back(
                this->query_of(codes, rows, query, coefficient, some.cwiseAbs().maxCoeff()));
            truths.push_back(long_scores(rows, query));
            for (std::size_t i = 0; i < n; ++i)
              truths.back()[i] +=
                  static_cast<long double>(coefficient) * static_cast<long double>(offsets[i]);
          }
          for (const Simd simd : supported_simds()) {
            SCOPED_TRACE(std::string(name_of(simd)) + ", " + std::to_string(bits) + " bits, d = " +
                         std::to_string(d) + ", offsets of " + std::to_string(size));
            const std::vector<Answers> together = answers(codes, queries, simd);
            for (std::size_t q = 0; q < queries.size(); ++q) {
              this->check(codes, truths[q], together[q]);
              this->check(codes, truths[q], answers(codes, {queries[q]}, simd)[0]);
              if (this->HasFatalFailure()) return;
            }
          }
        }
}

// Integers are the same everywhere (code_dots_test.cpp); what is made of them in floats may be
// fused or not, and differs by no more than a few roundings of its largest term.
TYPED_TEST(CodeScan, InstructionSetsAgree) {
  for (const int bits : {4, 8}) {
    const auto rows = gaussian_rows<TypeParam>(130, 40, 1);
    const Vector<double> some = 20.0 * gaussian_query<double>(130, 2);
    RowCodes codes = this->coded(bits, rows);
    codes.set_offsets(std::vector<double>(some.begin(), some.end()));
    const std::vector<CodedQuery> queries = {
        this->query_of(codes, rows, gaussian_query<TypeParam>(40, 3), 2.0F, 100.0)};
    const Answers expected = answers(codes, queries, Simd::portable)[0];
    for (const Simd simd : supported_simds()) {
      const Answers a = answers(codes, queries, simd)[0];
      for (std::size_t i = 0; i < 130; ++i) {
        EXPECT_NEAR(a.estimates[i], expected.estimates[i], 1e-4);
        EXPECT_NEAR(a.errors[i], expected.errors[i], 1e-6);
      }
      for (std::size_t i = 0; i < a.lanes.size(); ++i)
        EXPECT_NEAR(a.lanes[i], expected.lanes[i], 1e-4);
    }
  }
}

TYPED_TEST(CodeScan, WithoutOffsetsTheCoefficientIsIgnored) {
  for (const int bits : {4, 8}) {
    const auto rows = gaussian_rows<TypeParam>(130, 40, 1);
    const RowCodes codes = this->coded(bits, rows);
    const auto query = gaussian_query<TypeParam>(40, 3);
    CodedQuery plain = this->query_of(codes, rows, query, 0.0F, 0.0), other = plain;
    other.offset = 1e30F;
    for (const Simd simd : supported_simds()) {
      const Answers a = answers(codes, {plain}, simd)[0], b = answers(codes, {other}, simd)[0];
      EXPECT_EQ(a.estimates, b.estimates);
      EXPECT_EQ(a.errors, b.errors);
      EXPECT_EQ(a.lanes, b.lanes);
      EXPECT_EQ(a.largest, b.largest);
      for (std::size_t t = 0; t < codes.tiles(); ++t) {
        EXPECT_EQ(a.weights[t].largest, b.weights[t].largest);
        EXPECT_EQ(a.weights[t].sum, b.weights[t].sum);
        EXPECT_EQ(a.weights[t].error, b.weights[t].error);
      }
    }
  }
}

// The slack is needed: without it, large offsets break the bounds of rows that codes lose nothing
// of.
TYPED_TEST(CodeScan, OffsetsAreRounded) {
  const RowMatrix<TypeParam> rows = RowMatrix<TypeParam>::Zero(64, 1);
  RowCodes codes = this->coded(8, rows);
  const std::vector<double> offsets(64, 1e6 / 3.0);
  codes.set_offsets(offsets);
  const auto query = Vector<TypeParam>::Ones(1);
  const std::vector<CodedQuery> honest = {this->query_of(codes, rows, query, 1.0F, 1e6)},
                                careless = {this->query_of(codes, rows, query, 1.0F, 0.0)};
  const Answers a = answers(codes, honest, Simd::portable)[0],
                b = answers(codes, careless, Simd::portable)[0];
  EXPECT_LE(std::abs(static_cast<double>(a.estimates[0]) - 1e6 / 3.0),
            static_cast<double>(a.errors[0]));
  EXPECT_GT(std::abs(static_cast<double>(b.estimates[0]) - 1e6 / 3.0),
            static_cast<double>(b.errors[0]));
}

}  // namespace
}  // namespace lazygumbel::testing
