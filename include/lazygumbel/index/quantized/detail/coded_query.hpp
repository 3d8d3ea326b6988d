#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/index/quantized/detail/code_tiles.hpp"

namespace lazygumbel::detail {

/// The least float that is not below x >= 0.
inline float round_up(double x) noexcept {
  const auto nearest = static_cast<float>(x);
  return static_cast<double>(nearest) >= x
             ? nearest
             : std::nextafter(nearest, std::numeric_limits<float>::infinity());
}

/// A query as signed bytes, and the coefficients that turn an integer dot product D with a row's
/// codes into bounds on the row's score (row_codes.hpp tells what z, e and s of a row are):
///   estimate = s (a D + b z) + offset o,   error = s c e + tile norm * slack_norm + slack,
/// o being the number that RowCodes::set_offsets gave the row. Whoever sets `offset` adds to
/// `slack` what offset o is rounded by.
/// The query that the bytes stand for has, with 8 bits, qhat_j = u v_j; with 4, in a group of eight
/// coordinates, qhat_j = u (16 w_j + v_j) / 16 and qhat_(j+4) = u v_j, so that the kernel's sum of
/// bytes read whole is right (code_tiles.hpp).
struct CodedQuery {
  std::vector<std::int32_t> words;
  float a = 0, b = 0, c = 0;
  float slack_norm = 0, slack = 0;
  float offset = 0;

  /// Codes `query` for rows with `bits` codes; `residual_unit`: the residual norm of a row is at
  /// most s e residual_unit. Throws std::invalid_argument when an intermediate number could
  /// overflow, given the largest s of the rows. O(d).
  template <class Scalar>
  void assign(const VectorView<Scalar>& query, int bits, double residual_unit, double largest_scale,
              double largest_norm);
};

template <class Scalar>
void CodedQuery::assign(const VectorView<Scalar>& query, int bits, double residual_unit,
                        double largest_scale, double largest_norm) {
  const auto dimension = static_cast<std::size_t>(query.size());
  const std::size_t width = group_dimensions(bits), per_group = group_words(bits);
  const std::size_t groups = (dimension + width - 1) / width;
  const auto entry = [&](std::size_t j) {
    return j < dimension ? static_cast<double>(query[static_cast<Eigen::Index>(j)]) : 0.0;
  };
  const double norm = query.template cast<double>().stableNorm() * (1.0 + 1e-12);
  const double largest = static_cast<double>(query.cwiseAbs().maxCoeff());
  // 4 bits: |w| <= |q_j| / u + 127 / 16 + 1 / 2 has to stay within 127.
  const double unit = (std::max)(largest / (bits == 4 ? 118.0 : 127.0), 1e-30);
  const auto nearest = [&](double value) {
    return static_cast<std::int8_t>(std::lround(std::clamp(value, -127.0, 127.0)));
  };

  words.assign(groups * per_group, 0);
  double residual = 0.0, sum = 0.0, absolute_sum = 0.0;  // of q - qhat; of qhat / u
  const auto account = [&](std::size_t j, double coded) {
    if (j >= dimension) return;
    const double difference = entry(j) - unit * coded;
    residual += difference * difference;
    sum += coded;
    absolute_sum += std::abs(coded);
  };
  for (std::size_t g = 0; g < groups; ++g) {
    std::int8_t v[4], w[4];
    for (std::size_t j = 0; j < 4; ++j) {
      const std::size_t low = g * width + j;
      const std::size_t direct = bits == 4 ? low + 4 : low;  // the coordinate that v_j stands for
      v[j] = nearest(entry(direct) / unit);
      account(direct, v[j]);
      if (bits == 4) {
        w[j] = nearest(entry(low) / unit - v[j] / 16.0);
        account(low, w[j] + v[j] / 16.0);
      }
    }
    std::memcpy(&words[g * per_group + per_group - 1], v, 4);
    if (bits == 4) std::memcpy(&words[g * per_group], w, 4);
  }

  // Everything below is rounded so that the bounds hold for what the kernels compute in float
  // (docs/algorithms.md, section 5). `size` bounds the terms of a D + b z + c e.
  const double levels = bits == 4 ? 15.0 : 255.0, zero_unit = bits == 4 ? 1.0 / 16.0 : 1.0;
  const double rounding = 0.5 * static_cast<double>(std::numeric_limits<float>::epsilon());
  const double score_rounding = 0.5 * static_cast<double>(std::numeric_limits<Scalar>::epsilon()) *
                                static_cast<double>(dimension);
  a = static_cast<float>(bits == 4 ? unit / 16.0 : unit);
  b = static_cast<float>(-unit * sum * zero_unit);
  constexpr double tiny = 1e-35;  // above what products of subnormal numbers lose
  c = round_up(norm * residual_unit * (1.0 + 1e-6) + tiny);
  const double size = unit * levels * absolute_sum +
                      255.0 * (std::abs(static_cast<double>(b)) + static_cast<double>(c));
  // A step is at most 2 |x| / levels (1 + 2^-7), so that s size <= 2.02 |x| size / levels.
  slack_norm =
      round_up((std::sqrt(residual) * (1.0 + 1e-9) + 16.0 * rounding * size * 2.02 / levels +
                norm * score_rounding / (1.0 - score_rounding)) *
                   (1.0 + 1e-5) +
               tiny);
  slack = round_up(static_cast<double>(dimension) *
                   static_cast<double>((std::numeric_limits<float>::min)()));
  // a D + b z + c e is formed before s makes it small, where rows are short.
  if (!(size < 1e38)) throw_invalid("|query|", norm, "sums on the way to scores would overflow");
  const double reach = 2.0 * largest_scale * size + largest_norm * static_cast<double>(slack_norm);
  if (!(reach < 1e37))
    throw_invalid("|query| * max |row|", norm * largest_norm, "scores would overflow");
}

}  // namespace lazygumbel::detail
