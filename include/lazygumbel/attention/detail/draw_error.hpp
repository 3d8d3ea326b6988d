#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "lazygumbel/estimation/normal_quantile.hpp"

namespace lazygumbel::detail {

/// The factor c with P(|X| <= c sqrt(E |X|^2)) ~ 1 - delta for a Gaussian vector X of `freedom`
/// equal directions, or of a covariance C with (tr C)^2 / tr C^2 of them: |X|^2 is then about
/// E |X|^2 chi^2_freedom / freedom (Satterthwaite), and that quantile is by Wilson and Hilferty's
/// cube, within 3% of the truth from one direction on.
inline double error_factor(double freedom, double delta) {
  const double spread = 2.0 / (9.0 * freedom);
  const double root =
      (std::max)(0.0, 1.0 - spread + normal_quantile(1.0 - delta) * std::sqrt(spread));
  return std::sqrt(root * root * root);
}

/// (tr C)^2 / tr C^2 of the covariance C of which `batches` independent vectors of mean 0 are seen,
/// rows of `dimension` numbers: products of different batches give tr C^2 without bias. At least 1.
inline double directions(std::span<const double> rows, std::size_t batches, std::size_t dimension) {
  double trace = 0.0, square = 0.0;
  for (std::size_t a = 0; a < batches; ++a)
    for (std::size_t b = 0; b <= a; ++b) {
      double product = 0.0;
      for (std::size_t c = 0; c < dimension; ++c)
        product += rows[a * dimension + c] * rows[b * dimension + c];
      if (a == b)
        trace += product;
      else
        square += product * product;
    }
  const auto count = static_cast<double>(batches);
  trace /= count;
  square /= 0.5 * count * (count - 1.0);
  if (!(square > 0.0)) return 1.0;
  return std::clamp(trace * trace / square, 1.0, static_cast<double>(dimension));
}

}  // namespace lazygumbel::detail
