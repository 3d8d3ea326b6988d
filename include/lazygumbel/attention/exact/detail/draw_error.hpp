#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "lazygumbel/estimation/normal_quantile.hpp"

namespace lazygumbel::detail {

/// The 1 - delta quantile of |X| over its root mean square, for a Gaussian vector X with
/// (tr C)^2 / tr C^2 = `degrees`: that of a chi-square law with as many degrees, by Wilson's and
/// Hilferty's cube. `quantile`: the normal one of 1 - delta.
/// Source: Satterthwaite, "An Approximate Distribution of Estimates of Variance Components",
/// Biometrics Bulletin 2(6), 1946; Wilson, Hilferty, "The Distribution of Chi-Square", PNAS 17(12),
/// 1931.
inline double norm_quantile(double degrees, double quantile) noexcept {
  const double h = 2.0 / (9.0 * degrees);
  const double root = (std::max)(0.0, 1.0 - h + quantile * std::sqrt(h));
  return std::sqrt(root * root * root);
}

/// An upper estimate of `norm_quantile` for small delta, where two moments do not tell enough: at
/// least that of a law with the same `degrees` in which one direction has the share s =
/// degrees^-1/2 of the trace and the others have little each,
///   |X|^2 / E |X|^2 = s z^2 + 1 - s,   z the two-sided normal quantile.
/// Degrees estimated from sixteen batches may be off by half, and s by a third. Below delta = .1 s
/// is therefore taken to be larger, by .36 from .01 on. An approximation, not a bound.
inline double cautious_norm_quantile(double degrees, double quantile, double delta) noexcept {
  const double caution = std::clamp(-1.0 - std::log10(delta), 0.0, 1.0);
  const double share = (std::min)(1.0, (1.0 + 0.36 * caution) / std::sqrt(degrees));
  const double z = normal_quantile(1.0 - 0.5 * delta);
  return (std::max)(norm_quantile(degrees, quantile), std::sqrt(1.0 + share * (z * z - 1.0)));
}

/// (tr C)^2 / tr C^2 of a covariance C, from the m x m inner products of m independent vectors less
/// their mean: of their sample covariance S with f = m - 1 degrees of freedom,
///   (tr S^2 - (tr S)^2 / f) f^2 / ((f - 1) (f + 2))
/// is without bias for tr C^2. In [1, most], most = the vectors' dimension.
/// Source: Bai, Saranadasa, "Effect of High Dimension: by an Example of a Two Sample Problem",
/// Statistica Sinica 6, 1996.
template <class Real>
double error_degrees(std::span<const Real> products, std::size_t m, double most) noexcept {
  double trace = 0.0, square = 0.0;
  for (std::size_t b = 0; b < m; ++b) trace += static_cast<double>(products[b * m + b]);
  for (const Real x : products) square += static_cast<double>(x) * static_cast<double>(x);
  const double f = static_cast<double>(m - 1);
  const double of_square = (square - trace * trace / f) / ((f - 1.0) * (f + 2.0));
  const double ratio = trace * trace / (f * f) / of_square;
  return ratio > 0.0 && ratio < most ? (std::max)(1.0, ratio) : most;
}

}  // namespace lazygumbel::detail
