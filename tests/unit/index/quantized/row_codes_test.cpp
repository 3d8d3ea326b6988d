#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <code_bounds.hpp>
#include <cstring>
#include <indexes.hpp>
#include <iostream>
#include <lazygumbel/index/quantized/detail/row_codes.hpp>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "scalars.hpp"
#include "simds.hpp"

// What RowCodes promises of each row, held against long double: the residual norm, the norms, and
// that neither is much larger than it must be; equal codes whatever the instruction set, the number
// of threads and the pieces in which rows arrive. What follows for scores is in
// quantized_bound_test.cpp.

namespace lazygumbel::testing {
namespace {

using lazygumbel::detail::RowCodes;
using lazygumbel::detail::tile_rows;
constexpr std::size_t dimensions[] = {1,  2,  3,  4,  5,   7,   8,   9,   15,  16,  17,
                                      31, 63, 64, 65, 100, 127, 128, 129, 191, 300, 2880};

template <class Scalar>
RowCodes coded(int bits, const RowMatrix<Scalar>& rows, Simd simd = Simd::portable,
               std::size_t threads = 1) {
  RowCodes codes(bits, static_cast<std::size_t>(rows.cols()));
  codes.append<Scalar>(rows, threads, simd);
  return codes;
}

float scale_of(std::uint32_t word) { return std::bit_cast<float>(word & 0xffff0000U); }

/// Everything, to the last bit, padding included.
void expect_same_codes(const RowCodes& a, const RowCodes& b) {
  ASSERT_EQ(a.size(), b.size());
  ASSERT_EQ(a.largest_scale(), b.largest_scale());
  for (std::size_t t = 0; t < a.tiles(); ++t) {
    ASSERT_EQ(std::memcmp(a.tile(t), b.tile(t), a.groups() * lazygumbel::detail::group_bytes), 0);
    ASSERT_EQ(std::memcmp(a.words(t), b.words(t), tile_rows * sizeof(std::uint32_t)), 0);
    ASSERT_EQ(a.norm(t), b.norm(t));
    ASSERT_EQ(a.residual(t), b.residual(t));
  }
}

/// Level c_j of row i.
int level(const RowCodes& codes, std::size_t i, std::size_t j) {
  const std::uint8_t* const tile = codes.tile(i / tile_rows);
  const std::size_t width = lazygumbel::detail::group_dimensions(codes.bits());
  const int byte = tile[j / width * lazygumbel::detail::group_bytes + 4 * (i % tile_rows) + j % 4];
  return codes.bits() == 8 ? byte : j % 8 < 4 ? byte & 15 : byte >> 4;
}

/// |x - xhat|, |x| and |xhat| of a row.
struct Lengths {
  long double residual = 0, row = 0, coded = 0;
};

template <class Scalar>
Lengths lengths(const RowCodes& codes, const RowMatrix<Scalar>& rows, Eigen::Index i) {
  const auto at = static_cast<std::size_t>(i);
  const std::uint32_t word = codes.words(at / tile_rows)[at % tile_rows];
  const double zero = static_cast<double>(word >> 8 & 255U) / (codes.bits() == 4 ? 16.0 : 1.0);
  Lengths sums;
  for (Eigen::Index j = 0; j < rows.cols(); ++j) {
    const auto x = static_cast<long double>(rows(i, j));
    const auto xhat =
        static_cast<long double>(scale_of(word)) *
        static_cast<long double>(level(codes, at, static_cast<std::size_t>(j)) - zero);
    sums.residual += (x - xhat) * (x - xhat);
    sums.row += x * x;
    sums.coded += xhat * xhat;
  }
  return {std::sqrt(sums.residual), std::sqrt(sums.row), std::sqrt(sums.coded)};
}

/// Holds a row's promises against what it is, and looks for more than a unit and `slack` of
/// looseness.
template <class Scalar>
void check_row(const RowCodes& codes, const RowMatrix<Scalar>& rows, Eigen::Index i, double slack) {
  const auto at = static_cast<std::size_t>(i);
  const std::uint32_t word = codes.words(at / tile_rows)[at % tile_rows];
  const auto s = static_cast<long double>(scale_of(word));
  const auto e = static_cast<long double>(word & 255U);
  const Lengths truth = lengths(codes, rows, i);
  const long double unit = s * static_cast<long double>(codes.residual_unit());
  ASSERT_LE(truth.residual, e * unit);
  if (truth.residual == 0)
    ASSERT_EQ(e, 0) << "nothing is left out";
  else
    ASSERT_LE(e * unit, truth.residual + (1 + static_cast<long double>(slack)) * unit);
  const auto norm = static_cast<long double>(codes.norm(at / tile_rows));
  ASSERT_LE(truth.row, norm);
  ASSERT_LE(truth.coded, norm);
  ASSERT_LE(s * (codes.bits() == 4 ? 7.5L : 127.5L), norm);
  ASSERT_LE(s * e, static_cast<long double>(codes.residual(at / tile_rows)));
  ASSERT_LE(scale_of(word), codes.largest_scale());
}

template <class Scalar>
class RowCoding : public ::testing::Test {
 protected:
  /// Rows that are hard to code, seventy of each kind.
  static std::vector<std::pair<std::string, RowMatrix<Scalar>>> kinds(std::size_t d) {
    using Rows = RowMatrix<Scalar>;
    using limits = std::numeric_limits<Scalar>;
    const auto columns = static_cast<Eigen::Index>(d);
    const Rows random = gaussian_rows<Scalar>(70, d, 40 + d);
    const auto scaled = [&](double factor) {
      return Rows((random.template cast<double>() * factor).template cast<Scalar>());
    };
    const double longest = 0.99e30 / random.template cast<double>().rowwise().norm().maxCoeff();
    std::vector<std::pair<std::string, Rows>> all;
    all.emplace_back("random", random);
    all.emplace_back("zero", Rows::Zero(70, columns));
    all.emplace_back("one", Rows::Ones(70, columns));
    all.emplace_back("third", Rows::Constant(70, columns, Scalar(1) / Scalar(3)));
    all.emplace_back("negative", Rows::Constant(70, columns, Scalar(-1e-3)));
    all.emplace_back("far", random.cwiseAbs() + Rows::Constant(70, columns, Scalar(1e5)));
    all.emplace_back("zeros and ones",
                     (random.array() > Scalar(0)).template cast<Scalar>().matrix());
    all.emplace_back("longest", scaled(longest));
    all.emplace_back("1e-30", scaled(1e-30));
    all.emplace_back("1e-36", scaled(1e-36));
    all.emplace_back("1e-42", scaled(1e-42));
    all.emplace_back("least", limits::denorm_min() * Rows(random * Scalar(10)));
    all.emplace_back("subnormal", limits::min() * random);
    all.emplace_back("one subnormal", Rows::Zero(70, columns));
    for (Eigen::Index i = 0; i < 70; ++i) all.back().second(i, i % columns) = limits::denorm_min();
    for (const double huge : {1e3, 1e6, -1e9, 1e20, -0.9e30}) {
      all.emplace_back("one of " + std::to_string(huge), random);
      for (Eigen::Index i = 0; i < 70; ++i)
        all.back().second(i, i % columns) = static_cast<Scalar>(huge);
    }
    all.emplace_back("mixed rows", random);
    for (Eigen::Index i = 0; i < 70; ++i)
      all.back().second.row(i) *= static_cast<Scalar>(std::pow(10.0, i % 59 - 30));
    all.emplace_back("mixed coordinates", random);
    for (Eigen::Index i = 0; i < 70; ++i)
      for (Eigen::Index j = 0; j < columns; ++j)
        all.back().second(i, j) *= static_cast<Scalar>(std::pow(10.0, (i + 7 * j) % 60 - 32));
    for (const int bits : {4, 8}) {
      const std::string name = std::to_string(bits) + " bits";
      all.emplace_back("half steps, " + name, half_step_rows<Scalar>(70, d, bits, 90 + d));
      all.emplace_back("lossless, " + name, lossless_rows<Scalar>(70, d, bits));
      all.emplace_back("nearly lossless, " + name, lossless_rows<Scalar>(70, d, bits));
      for (Eigen::Index i = 0; i < 70; ++i) {
        Scalar& some = all.back().second(i, i % columns);
        some = std::nextafter(some, Scalar(1));
      }
    }
    return all;
  }
  static constexpr double slack = std::is_same_v<Scalar, float> ? 0.06 : 0.08;
};
TYPED_TEST_SUITE(RowCoding, Scalars);

TYPED_TEST(RowCoding, KeepsItsPromisesForHardRows) {
  std::size_t checked = 0;
  for (const std::size_t d : dimensions)
    for (const auto& [kind, rows] : this->kinds(d))
      for (const int bits : {4, 8}) {
        SCOPED_TRACE(kind + ", " + std::to_string(bits) + " bits, d = " + std::to_string(d));
        const RowCodes codes = coded(bits, rows);
        for (Eigen::Index i = 0; i < rows.rows(); ++i, ++checked) {
          check_row(codes, rows, i, this->slack);
          if (this->HasFatalFailure()) return;
        }
      }
  std::cout << "  " << checked << " rows\n";
}

TYPED_TEST(RowCoding, KeepsItsPromisesForTheLargestDimension) {
  RowMatrix<TypeParam> rows = gaussian_rows<TypeParam>(5, 50'000, 1);
  rows.row(1).setOnes();
  rows.row(2).setConstant(TypeParam(-0.3));
  rows.row(3) = lossless_rows<TypeParam>(1, 50'000, 8).row(0);
  rows.row(4).setConstant(TypeParam(0.5));  // between two levels, with 8 bits, each coordinate
  rows(4, 0) = TypeParam(255);
  for (const int bits : {4, 8}) {
    const RowCodes codes = coded(bits, rows);
    for (Eigen::Index i = 0; i < rows.rows(); ++i) check_row(codes, rows, i, this->slack);
    for (const Simd simd : supported_simds()) expect_same_codes(coded(bits, rows, simd), codes);
  }
}

TYPED_TEST(RowCoding, EveryInstructionSetGivesTheSameCodes) {
  for (const std::size_t d : dimensions)
    for (const auto& [kind, rows] : this->kinds(d))
      for (const int bits : {4, 8}) {
        const RowCodes codes = coded(bits, rows);
        for (const Simd simd : supported_simds()) {
          SCOPED_TRACE(std::string(name_of(simd)) + ", " + kind + ", d = " + std::to_string(d));
          expect_same_codes(coded(bits, rows, simd), codes);
          if (this->HasFatalFailure()) return;
        }
      }
}

TYPED_TEST(RowCoding, DoesNotDependOnThreadsOrPieces) {
  for (const std::size_t d : {1, 8, 13, 100}) {
    const auto rows = gaussian_rows<TypeParam>(400, d, 2);
    for (const int bits : {4, 8}) {
      const RowCodes codes = coded(bits, rows);
      for (const std::size_t threads : {0, 2, 3})
        expect_same_codes(coded(bits, rows, best_simd(), threads), codes);
      for (const Eigen::Index piece : {1, 15, 16, 17, 63, 64, 65, 399}) {
        RowCodes grown(bits, d);
        for (Eigen::Index at = 0; at < 400; at += piece)
          grown.append<TypeParam>(rows.middleRows(at, (std::min)(piece, 400 - at)), 1);
        expect_same_codes(grown, codes);
      }
      const RowMatrix<TypeParam> wide = gaussian_rows<TypeParam>(1, 400 * (d + 3), 3);
      const RowPointer<TypeParam> strided(wide.data(), 400, static_cast<Eigen::Index>(d),
                                          Eigen::OuterStride<>(static_cast<Eigen::Index>(d + 3)));
      RowCodes of_strided(bits, d);
      of_strided.append<TypeParam>(strided, 1);
      expect_same_codes(of_strided, coded(bits, RowMatrix<TypeParam>(strided)));
    }
  }
}

TYPED_TEST(RowCoding, PaddingRepeatsTheLastRow) {
  for (const std::size_t n : {1, 2, 15, 16, 17, 48, 63, 65, 100})
    for (const int bits : {4, 8}) {
      const RowCodes codes = coded(bits, gaussian_rows<TypeParam>(n, 11, n));
      for (std::size_t i = n; i < codes.tiles() * tile_rows; ++i) {
        EXPECT_EQ(codes.words(i / tile_rows)[i % tile_rows],
                  codes.words(i / tile_rows)[(n - 1) % tile_rows]);
        for (std::size_t j = 0; j < 11; ++j)
          ASSERT_EQ(level(codes, i, j), level(codes, n - 1, j)) << n << " " << i;
      }
    }
}

TYPED_TEST(RowCoding, CodesOfAGridAreItsLevels) {
  for (const int bits : {4, 8}) {
    const int levels = bits == 4 ? 15 : 255;
    for (const int zero : {0, 1, 7, levels}) {
      const auto d = static_cast<Eigen::Index>(levels + 1);
      RowMatrix<TypeParam> rows(1, d);
      for (Eigen::Index j = 0; j < d; ++j)
        rows(0, j) = static_cast<TypeParam>(j - zero) * TypeParam(0.375);
      const RowCodes codes = coded(bits, rows);
      if (bits == 8) {
        EXPECT_EQ(codes.words(0)[0] & 255U, 0U);
        EXPECT_EQ(codes.words(0)[0] >> 8 & 255U, static_cast<std::uint32_t>(zero));
        EXPECT_EQ(scale_of(codes.words(0)[0]), 0.375F);
        for (Eigen::Index j = 0; j < d; ++j)
          ASSERT_EQ(level(codes, 0, static_cast<std::size_t>(j)), j);
      }
      check_row(codes, rows, 0, this->slack);
    }
  }
}

// With 4 bits and many coordinates the extremes are cut off; what is left out is then less than a
// grid over the whole range would leave out, 0.29 steps a coordinate.
TYPED_TEST(RowCoding, CutsOffExtremesWhereThatPays) {
  const auto rows = gaussian_rows<TypeParam>(64, 512, 5);
  const RowCodes codes = coded(4, rows);
  double better = 0.0;
  for (Eigen::Index i = 0; i < rows.rows(); ++i) {
    const auto range = static_cast<double>(rows.row(i).maxCoeff() - rows.row(i).minCoeff());
    const double whole = range / 15.0 * std::sqrt(512.0 / 12.0);
    better += static_cast<double>(lengths(codes, rows, i).residual) / whole;
  }
  EXPECT_LT(better / 64, 0.93);
}

TYPED_TEST(RowCoding, OffsetsLieBesideTheRows) {
  for (const std::size_t n : {1U, 64U, 70U}) {
    RowCodes codes = coded(4, gaussian_rows<TypeParam>(n, 5, 1));
    const std::size_t before = codes.size_in_bytes();
    EXPECT_EQ(codes.offsets(0), nullptr);
    for (const double first : {0.1, -1e30}) {
      std::vector<double> offsets(n);
      for (std::size_t i = 0; i < n; ++i) offsets[i] = first + static_cast<double>(i) / 3.0;
      codes.set_offsets(offsets);
      EXPECT_EQ(codes.size_in_bytes(), before + codes.tiles() * tile_rows * sizeof(float));
      for (std::size_t i = 0; i < codes.tiles() * tile_rows; ++i)
        EXPECT_EQ(codes.offsets(i / tile_rows)[i % tile_rows],
                  static_cast<float>(offsets[std::min(i, n - 1)]));
    }
    codes.append<TypeParam>(gaussian_rows<TypeParam>(200, 5, 2), 1);
    EXPECT_EQ(codes.offsets(0), nullptr) << "there are rows without one";
  }
}

}  // namespace
}  // namespace lazygumbel::testing
