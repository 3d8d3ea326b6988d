#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/privacy/table/histogram.hpp>
#include <lazygumbel/privacy/workload/dense_workload.hpp>
#include <lazygumbel/privacy/workload/workload.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <span>
#include <utility>
#include <vector>

/// \file
/// Workloads and tables for the tests of private release, and their scores by brute force.

namespace lazygumbel::testing {

/// The plainest workload: rows of integers, a loop a query. The stated range may be any.
class IntegerWorkload {
 public:
  static constexpr bool integral = true;

  IntegerWorkload(std::vector<std::vector<int>> rows, const QueryRange& range)
      : rows_(std::move(rows)), range_(range) {}

  std::size_t size() const { return rows_.size(); }
  std::size_t cells() const { return rows_.front().size(); }
  QueryRange range() const { return range_; }

  void answers(std::span<const double> weights, std::span<double> out) const {
    lazygumbel::detail::require_answer_spans(weights, cells(), out, size());
    for (item_id j = 0; j < out.size(); ++j) out[j] = answer(weights, j);
  }

  double answer(std::span<const double> weights, item_id id) const {
    double sum = 0.0;
    for (std::size_t x = 0; x < cells(); ++x) sum += rows_[id][x] * weights[x];
    return sum;
  }

  void query(item_id id, std::span<double> out) const {
    for (std::size_t x = 0; x < out.size(); ++x) out[x] = rows_[id][x];
  }

  double answers_error(double l1) const {
    return lazygumbel::detail::summation_error(
        cells(), std::max(std::abs(range_.lower), std::abs(range_.upper)) * l1);
  }

 private:
  std::vector<std::vector<int>> rows_;
  QueryRange range_;
};

static_assert(Workload<IntegerWorkload>);

/// A table over one attribute, one cell a value.
inline Histogram line_table(const std::vector<std::int64_t>& counts) {
  return Histogram(
      Domain({Attribute::integers("x", 0, static_cast<std::int64_t>(counts.size()) - 1)}), counts);
}

/// Entries uniform in [lower, upper], the two ends each present.
template <class Scalar>
RowMatrix<Scalar> random_queries(std::size_t m, std::size_t cells, double lower, double upper,
                                 std::uint64_t seed) {
  PhiloxEngine engine(seed);
  RowMatrix<Scalar> rows(static_cast<Eigen::Index>(m), static_cast<Eigen::Index>(cells));
  for (Eigen::Index i = 0; i < rows.size(); ++i)
    rows.data()[i] = static_cast<Scalar>(lower + (upper - lower) * open_uniform(engine));
  rows(0, 0) = static_cast<Scalar>(lower);
  rows(rows.rows() - 1, rows.cols() - 1) = static_cast<Scalar>(upper);
  return rows;
}

/// Counts of an uneven table of about n records.
inline std::vector<std::int64_t> random_counts(std::size_t cells, double n, std::uint64_t seed) {
  PhiloxEngine engine(seed);
  std::vector<double> share(cells);
  double sum = 0.0;
  for (double& s : share) sum += s = std::pow(open_uniform(engine), 4.0);
  std::vector<std::int64_t> counts;
  for (const double s : share) counts.push_back(static_cast<std::int64_t>(n * s / sum));
  return counts;
}

/// Random positive weights of sum `total`, more uneven with a larger power.
inline std::vector<double> random_weights(std::size_t cells, double total, double power,
                                          std::uint64_t seed) {
  PhiloxEngine engine(seed);
  std::vector<double> weights(cells);
  double sum = 0.0;
  for (double& w : weights) sum += w = std::pow(open_uniform(engine), power);
  for (double& w : weights) w *= total / sum;
  return weights;
}

/// theta = s (-A, 1).
inline Vector<double> theta_of(std::span<const double> weights, double scale) {
  Vector<double> theta(static_cast<Eigen::Index>(weights.size()) + 1);
  for (std::size_t x = 0; x < weights.size(); ++x)
    theta[static_cast<Eigen::Index>(x)] = -scale * weights[x];
  theta[theta.size() - 1] = scale;
  return theta;
}

/// s |<q_j, h> - <q_j, A>| for all j, in long double, from the queries themselves.
template <Workload W>
std::vector<double> brute_force_scores(const W& workload, const Histogram& table,
                                       std::span<const double> weights, double scale) {
  std::vector<double> scores, query(workload.cells());
  for (item_id j = 0; j < workload.size(); ++j) {
    workload.query(j, query);
    long double error = 0.0L;
    for (std::size_t x = 0; x < query.size(); ++x)
      error += static_cast<long double>(query[x]) *
               (static_cast<long double>(table.counts()[x]) - static_cast<long double>(weights[x]));
    scores.push_back(static_cast<double>(std::abs(error) * static_cast<long double>(scale)));
  }
  return scores;
}

}  // namespace lazygumbel::testing
