#include "agreement.hpp"

#include <boost/math/distributions/chi_squared.hpp>
#include <cmath>
#include <lazygumbel/core/log_sum_exp.hpp>
#include <utility>

namespace demo {

double Tally::perplexity() const {
  double entropy = 0.0;
  for (const double p : exact)
    if (p > 0.0) entropy -= p * std::log(p);
  return std::exp(entropy);
}

std::vector<double> softmax(const lazygumbel::Vector<float>& scores) {
  const double log_z =
      lazygumbel::log_sum_exp(std::span(scores.data(), static_cast<std::size_t>(scores.size())));
  std::vector<double> p;
  for (const float y : scores) p.push_back(std::exp(static_cast<double>(y) - log_z));
  return p;
}

void ChiSquare::add(const Tally& tally) {
  struct Cell {
    double expected = 0.0, seen = 0.0;
  };
  std::vector<Cell> cells;
  Cell pool;
  for (std::size_t i = 0; i < tally.exact.size(); ++i) {
    const Cell item{tally.exact[i] * static_cast<double>(tally.draws),
                    static_cast<double>(tally.drawn[i])};
    if (item.expected >= fewest) {
      cells.push_back(item);
      continue;
    }
    pool.expected += item.expected, pool.seen += item.seen;
    if (pool.expected >= fewest) cells.push_back(std::exchange(pool, {}));
  }
  // What is left over joins the last cell.
  if (cells.empty()) cells.emplace_back();
  cells.back().expected += pool.expected, cells.back().seen += pool.seen;

  for (const Cell& cell : cells)
    statistic += (cell.seen - cell.expected) * (cell.seen - cell.expected) / cell.expected;
  degrees += cells.size() - 1;
  draws += tally.draws;
  ++thetas;
}

double ChiSquare::p_value() const {
  if (degrees == 0) return 1.0;
  const boost::math::chi_squared law(static_cast<double>(degrees));
  return boost::math::cdf(boost::math::complement(law, statistic));
}

}  // namespace demo
