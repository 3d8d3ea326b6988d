#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/privacy/accounting/detail/rounding.hpp"
#include "lazygumbel/privacy/noise/discrete_noise.hpp"
#include "lazygumbel/privacy/noise/grid.hpp"

namespace lazygumbel {

/// What is known of the answers before noise is added.
enum class Answers {
  on_grid,    ///< multiples of the step, such as counts with step 1; others are refused
  fractional  ///< any numbers: rounding to the grid adds to the sensitivity, hence to the noise
};

/// Noise of an exact law for answers on a grid of step g: g (round(x / g) + z), z discrete Laplace
/// or discrete Gaussian, one draw for each of `coordinates` answers that are released together.
///
/// `sensitivity` bounds how far the answers of two neighbours lie apart as they are given here,
/// their own rounding errors included. On the grid it becomes (all noise is rounded up, never down)
///   Laplace, L1 distance D:   D / g on the grid, floor(D / g) + k for k fractional coordinates;
///   Gaussian, L2 distance D:  D / g on the grid, D / g + sqrt(k) for k fractional coordinates,
/// since rounding moves a difference by at most 1 in each coordinate, and an L1 distance of
/// integer points is an integer. D is taken to be up to 2^-51 larger than given, so that
/// std::sqrt(2.0) will do for the L2 sensitivity of a partition under replace_one; an L1
/// sensitivity on the grid must be a multiple of g.
///
/// Immutable and thread-safe. What it costs: laplace_cost(accountant, epsilon), or rho itself.
class GridNoise {
 public:
  /// Discrete Laplace noise: the answers become epsilon-private.
  /// Throws std::invalid_argument unless sensitivity and epsilon are positive, coordinates >= 1,
  /// and both the sensitivity and the scale, sensitivity / epsilon, are at most 2^52 g.
  static GridNoise laplace(const Grid& grid, double sensitivity, double epsilon, Answers answers,
                           std::size_t coordinates = 1) {
    check(sensitivity, coordinates);
    detail::require_positive("epsilon", epsilon);
    double cells = sensitivity / grid.step();
    if (answers == Answers::fractional)
      cells = std::floor(cells * slack) + static_cast<double>(coordinates);
    else if (!grid.contains(sensitivity))
      detail::throw_invalid("sensitivity", sensitivity,
                            "must be a multiple of the step " + detail::text_of(grid.step()) +
                                ", as the answers are");
    double scale = cells / epsilon;
    if (std::fma(scale, epsilon, -cells) < 0.0) scale = detail::next_up(scale);  // rounded down
    if (!(cells <= Grid::cell_limit && scale <= Grid::cell_limit))
      detail::throw_invalid("epsilon", epsilon,
                            "the sensitivity, or the scale that it needs, is above 2^52 steps");
    // The numerator is at most 2^52, as discrete_laplace wants it: of 53 bits the last is rounded.
    scale = detail::not_nothing(scale);
    const int bits = (std::max)(0, (std::min)(denominator_bits, 51 - std::ilogb(scale)));
    return {grid, Law::laplace, ratio_at_least(scale, bits), answers, coordinates};
  }

  /// Discrete Gaussian noise: the answers become rho-zCDP.
  /// Throws std::invalid_argument unless sensitivity and rho are positive, coordinates >= 1, and
  /// sigma^2, sensitivity^2 / (2 rho g^2), is at most 2^62.
  static GridNoise gaussian(const Grid& grid, double sensitivity, double rho, Answers answers,
                            std::size_t coordinates = 1) {
    check(sensitivity, coordinates);
    detail::require_positive("rho", rho);
    double cells = sensitivity / grid.step();
    if (answers == Answers::fractional) cells += std::sqrt(static_cast<double>(coordinates));
    const double sigma_squared = cells * slack * (cells * slack) / rho * 0.5 * slack;
    if (!(sigma_squared <= 0x1p62))
      detail::throw_invalid("rho", rho, "needs a sigma^2 above 2^62 steps of the grid");
    return {grid, Law::gaussian,
            ratio_at_least(detail::not_nothing(sigma_squared), denominator_bits), answers,
            coordinates};
  }

  const Grid& grid() const noexcept { return grid_; }
  std::size_t coordinates() const noexcept { return coordinates_; }

  /// The exact parameter of the law in steps of the grid: the scale, or sigma^2.
  Ratio parameter() const noexcept { return parameter_; }

  /// The standard deviation of the noise, in units of the answers; approximate, for planning. That
  /// of the continuous law, which the discrete one does not exceed.
  double standard_deviation() const noexcept {
    const double p = parameter_.value();
    return grid_.step() * (law_ == Law::laplace ? std::sqrt(2.0) * p : std::sqrt(p));
  }

  /// One noisy answer. Throws std::invalid_argument unless coordinates() is 1 and x is a number of
  /// the grid (on_grid) or within 2^52 steps of 0 (fractional). Nothing is drawn then.
  template <SecureBitGenerator Engine>
  double answer(double x, Engine& engine) const {
    double noisy = 0.0;
    answers({&x, 1}, {&noisy, 1}, engine);
    return noisy;
  }

  /// noisy[i] = g (round(x[i] / g) + z_i). Sizes must be coordinates(); x and noisy may be the same
  /// memory. Errors as in `answer`, found before anything is drawn or written.
  template <SecureBitGenerator Engine>
  void answers(std::span<const double> x, std::span<double> noisy, Engine& engine) const {
    if (x.size() != coordinates_)
      detail::throw_invalid("x.size()", x.size(),
                            "must be the number of coordinates " + detail::text_of(coordinates_));
    if (noisy.size() != coordinates_)
      detail::throw_invalid("noisy.size()", noisy.size(),
                            "must be the number of coordinates " + detail::text_of(coordinates_));
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (answers_ == Answers::on_grid && !grid_.contains(x[i]))
        detail::throw_invalid("x[" + detail::text_of(i) + "]", x[i],
                              "must be a multiple of the step " + detail::text_of(grid_.step()) +
                                  " within 2^52 steps, as was promised");
      grid_.cell_of(x[i]);
    }
    for (std::size_t i = 0; i < x.size(); ++i)
      noisy[i] = grid_.value_of(grid_.cell_of(x[i]) + draw(engine));
  }

 private:
  enum class Law { laplace, gaussian };
  static constexpr double slack = 1.0 + 0x1p-51;
  static constexpr int denominator_bits = 32;

  GridNoise(const Grid& grid, Law law, Ratio parameter, Answers answers, std::size_t coordinates)
      : grid_(grid),
        law_(law),
        parameter_(parameter),
        answers_(answers),
        coordinates_(coordinates) {}

  static void check(double sensitivity, std::size_t coordinates) {
    detail::require_positive("sensitivity", sensitivity);
    if (coordinates < 1) detail::throw_invalid("coordinates", coordinates, "must be at least 1");
  }

  template <SecureBitGenerator Engine>
  std::int64_t draw(Engine& engine) const {
    return law_ == Law::laplace ? discrete_laplace(parameter_, engine)
                                : discrete_gaussian(parameter_, engine);
  }

  Grid grid_;
  Law law_;
  Ratio parameter_;
  Answers answers_;
  std::size_t coordinates_;
};

}  // namespace lazygumbel
