// Errors, not times, of estimators of attention at equal rows of keys looked at (what the
// exhaustive search of the FlatIndex reads is in neither count): exact draws against head + tail
// for the output, random walks against head + tail for P^T x and dV. Figures:
// docs/attention_estimators.md.

#include <benchmark/benchmark.h>

#include <cmath>
#include <numbers>
#include <string>

#include "lazygumbel/attention/walks/random_walk.hpp"
#include "lazygumbel/core/log_sum_exp.hpp"
#include "lazygumbel/estimation/softmax_expectation.hpp"
#include "lazygumbel/index/flat_index.hpp"
#include "workload.hpp"

namespace {

using namespace lazygumbel;
using bench::quick;
using Matrix = RowMatrix<float>;
using Index = FlatIndex<float>;

Matrix normal_rows(std::size_t n, std::size_t d, double mean, double deviation,
                   std::uint64_t seed) {
  PhiloxEngine engine(seed);
  Matrix rows(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(d));
  for (Eigen::Index i = 0; i < rows.size(); ++i) {
    const double radius = std::sqrt(-2.0 * std::log(open_uniform(engine)));
    rows.data()[i] = static_cast<float>(
        mean + deviation * radius * std::cos(2.0 * std::numbers::pi * open_uniform(engine)));
  }
  return rows;
}

/// Keys and values of n tokens, m queries whose scores are about N(0, sigma^2), values N(1, 1).
struct Head {
  Head(std::size_t n, std::size_t m, std::size_t d, double sigma)
      : keys(normal_rows(n, d, 0.0, 1.0, 1)),
        queries(normal_rows(m, d, 0.0, sigma, 2)),
        values(normal_rows(n, d, 1.0, 1.0, 3)) {}
  Index keys;
  Matrix queries, values;
};

/// Relative mean squared error of the output of one query.
void output_errors(benchmark::State& state, std::size_t n, double sigma, std::size_t rows) {
  const std::size_t m = quick() ? 4 : 32, runs = quick() ? 5 : 50, k = rows / 2;
  const Head head(n, m, 64, sigma);
  const AttentionDraws draws(head.keys, {.sampler = {.k = k}});
  const SoftmaxExpectation expectation(head.keys, {.k = k});
  PhiloxEngine engine(4);
  double square_draws = 0.0, square_head_tail = 0.0, looked_at = 0.0, formula = 0.0, count = 0.0;
  for (auto _ : state)
    for (Eigen::Index i = 0; i < head.queries.rows(); ++i) {
      const Vector<float> theta =
          static_cast<float>(draws.scale()) * head.queries.row(i).transpose();
      const VectorEstimate exact = expectation.exact(theta, head.values);
      // As many draws as propose k rows in the mean.
      const auto envelope = draws.sampler().prepare(theta, 1000);
      Trace pilot = envelope.trace();
      for (int r = 0; r < 1000; ++r) envelope.sample(engine, pilot);
      const double each = static_cast<double>(pilot.rows_scored - pilot.head_size) / 1000.0;
      const auto t = static_cast<std::size_t>(
          std::clamp(static_cast<double>(k) / each, 2.0, 100.0 * static_cast<double>(rows)));
      const double norm = exact.value.squaredNorm();
      for (std::size_t r = 0; r < runs; ++r) {
        const DrawnAttention drawn =
            draws.mean(head.queries.row(i).transpose(), head.values, t, engine);
        const VectorEstimate other = expectation.estimate(
            theta, head.values, (std::max)(std::size_t{2}, drawn.trace.rows_scored - k), engine);
        square_draws += (drawn.output.value - exact.value).squaredNorm() / norm;
        square_head_tail += (other.value - exact.value).squaredNorm() / norm;
        formula += drawn.output.standard_error.squaredNorm() / norm;
        looked_at += static_cast<double>(drawn.trace.rows_scored);
        count += 1.0;
      }
      state.counters["draws"] += static_cast<double>(t) / static_cast<double>(m);
    }
  state.counters["rows"] = looked_at / count;
  state.counters["error_draws"] = std::sqrt(square_draws / count);
  state.counters["stated_draws"] = std::sqrt(formula / count);
  state.counters["error_head_tail"] = std::sqrt(square_head_tail / count);
  state.counters["square_ratio"] = square_draws / square_head_tail;
}

/// P^T X with P's rows from k best keys and l uniform others, self-normalised.
RowMatrix<double> head_tail_product(const Head& head, const Matrix& X, std::size_t k, std::size_t l,
                                    PhiloxEngine& engine) {
  RowMatrix<double> out =
      RowMatrix<double>::Zero(static_cast<Eigen::Index>(head.keys.size()), X.cols());
  std::vector<std::pair<item_id, double>> weights;
  const auto scale =
      static_cast<float>(1.0 / std::sqrt(static_cast<double>(head.keys.dimension())));
  for (Eigen::Index i = 0; i < X.rows(); ++i) {
    if (X.row(i).isZero(0.0F)) continue;
    const HeadTail<Index> parts(head.keys, scale * head.queries.row(i).transpose(), k);
    weights.clear();
    LogSumExp z;
    for (std::size_t j = 0; j < parts.head().ids.size(); ++j)
      weights.emplace_back(parts.head().ids[j], parts.head().scores[j]);
    parts.sample_tail(l, engine, [&](item_id id, double y, double log_weight) {
      weights.emplace_back(id, y + log_weight - std::log(static_cast<double>(l)));
    });
    for (const auto& [id, log_weight] : weights) z.add(log_weight);
    for (const auto& [id, log_weight] : weights)
      out.row(static_cast<Eigen::Index>(id)) +=
          std::exp(log_weight - z.value()) * X.row(i).cast<double>();
  }
  return out;
}

/// Squared errors of P^T X over |P^T X|_F^2: walks with signs, shifted walks (one column) and head
/// + tail of every row. `share` of the rows that head + tail looks at; `nonzero` rows of X are not
/// 0.
void product_errors(benchmark::State& state, std::size_t n, double sigma, std::size_t columns,
                    std::size_t nonzero, double share) {
  const std::size_t runs = quick() ? 2 : 20, k = 32, l = 32;
  const Head head(n, n, 64, sigma);
  Matrix X = normal_rows(n, columns, 0.0, 1.0, 5);
  X.bottomRows(static_cast<Eigen::Index>(n - nonzero)).setZero();
  const AttentionDraws draws(head.keys, {.sampler = {.k = k}});
  const AttentionSteps steps(draws, head.queries);
  RowMatrix<double> P =
      draws.scale() * head.queries.cast<double>() * head.keys.rows().cast<double>().transpose();
  for (Eigen::Index i = 0; i < P.rows(); ++i) {
    P.row(i) = (P.row(i).array() - P.row(i).maxCoeff()).exp().matrix();
    P.row(i) /= P.row(i).sum();
  }
  const RowMatrix<double> truth = P.transpose() * X.cast<double>();
  const double norm = truth.squaredNorm(), sum = X.cast<double>().rowwise().norm().sum();
  PhiloxEngine engine(6);
  const std::size_t looked_at = nonzero * (k + l);
  double walks_error = 0.0, stated = 0.0, shifted_error = 0.0, head_tail_error = 0.0, rows = 0.0;
  // As many walks as look at that share of the rows. (A row that many start from is searched once.)
  const double wanted = share * static_cast<double>(looked_at);
  auto t = static_cast<std::size_t>(wanted / static_cast<double>(k + l));
  for (int step = 0; step < 5; ++step) {
    const Trace pilot = walk_value_gradient(steps, X, t, engine).trace;
    t = static_cast<std::size_t>(static_cast<double>(t) * wanted /
                                 static_cast<double>(pilot.rows_scored));
  }
  for (auto _ : state)
    for (std::size_t r = 0; r < runs; ++r) {
      const WalkEstimate e = walk_value_gradient(steps, X, t, engine);
      walks_error += (e.value - truth).squaredNorm();
      stated += e.standard_error_norm * e.standard_error_norm;
      rows += static_cast<double>(e.trace.rows_scored);
      head_tail_error += (head_tail_product(head, X, k, l, engine) - truth).squaredNorm();
      if (columns > 1) continue;
      const float shift = (std::max)(0.0F, -X.minCoeff());
      const Matrix ones = Matrix::Constant(X.rows(), 1, shift);
      const RowMatrix<double> shifted = walk_product(steps, X + ones, t / 2, engine).value -
                                        walk_product(steps, ones, t / 2, engine).value;
      shifted_error += (shifted - truth).squaredNorm();
    }
  const double count = static_cast<double>(runs) * norm;
  state.counters["walks"] = static_cast<double>(t);
  state.counters["rows_walks"] = rows / static_cast<double>(runs);
  state.counters["rows_head_tail"] = static_cast<double>(looked_at);
  state.counters["walks_error"] = walks_error / count;
  state.counters["walks_stated"] = stated / count;
  state.counters["walks_formula"] = (sum * sum - norm) / static_cast<double>(t) / norm;
  state.counters["head_tail_error"] = head_tail_error / count;
  if (columns == 1) state.counters["shifted_error"] = shifted_error / count;
}

const int registered = [] {
  const std::size_t n = quick() ? 2048 : 16384;
  for (const double sigma : {1.0, 3.0})
    for (const std::size_t rows : {std::size_t{512}, std::size_t{2048}})
      benchmark::RegisterBenchmark(
          ("attention_estimators/output/sigma:" + std::to_string(static_cast<int>(sigma)) +
           "/rows:" + std::to_string(rows))
              .c_str(),
          [=](benchmark::State& state) { output_errors(state, n, sigma, rows); })
          ->Iterations(1)
          ->Unit(benchmark::kMillisecond);
  struct Case {
    const char* name;
    std::size_t columns, nonzero;
    double share;
  };
  const std::size_t m = quick() ? 256 : 1024;
  for (const double sigma : {1.0, 3.0})
    for (const Case c :
         {Case{"product", 1, m, 1.0}, Case{"product_eighth", 1, m, 0.125},
          Case{"product_sparse", 1, m / 32, 1.0}, Case{"value_gradient", 64, m, 1.0}})
      benchmark::RegisterBenchmark(("attention_estimators/" + std::string(c.name) +
                                    "/sigma:" + std::to_string(static_cast<int>(sigma)))
                                       .c_str(),
                                   [=](benchmark::State& state) {
                                     product_errors(state, m, sigma, c.columns, c.nonzero, c.share);
                                   })
          ->Iterations(1)
          ->Unit(benchmark::kMillisecond);
  return 0;
}();

}  // namespace
