#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/attention/exact/attention_options.hpp>
#include <lazygumbel/attention/exact/heads_view.hpp>
#include <lazygumbel/random/philox.hpp>
#include <limits>
#include <vector>

#include "indexes.hpp"
#include "non_finite.hpp"

/// \file
/// Attention and its gradients as the formulas say, in double, score by score; and problems to try
/// attention on.

namespace lazygumbel::testing {

/// What attention gives, in double.
struct ReferenceAttention {
  RowMatrix<double> values;       ///< m x (H dv)
  RowMatrix<double> log_sum_exp;  ///< m x H
};

/// The derivatives of sum(dO o O) in what O was made of.
struct ReferenceSlopes {
  RowMatrix<double> queries;   ///< m x (H d)
  RowMatrix<double> keys;      ///< n x (Hkv d): summed over the queries' heads that share them
  RowMatrix<double> values;    ///< n x (Hkv dv)
  Vector<double> sink_logits;  ///< H; 0 without sinks
};

namespace reference {

/// Probabilities of the keys that one query of one head sees.
struct Row {
  std::vector<double> scores;         ///< scale <q, k>, before the cap
  std::vector<double> slopes;         ///< d capped / d score
  std::vector<double> probabilities;  ///< e^capped / Z
  double sink = 0.0;                  ///< e^sink / Z
  double log_sum_exp = -std::numeric_limits<double>::infinity();
};

template <class T>
Row row_of(const HeadsView<float>& queries, const HeadsView<T>& keys,
           const AttentionOptions& options, std::size_t i, std::size_t h) {
  const std::size_t d = queries.dimension(), kv = h / (queries.heads() / keys.heads());
  const double scale = options.scale.value_or(1.0 / std::sqrt(static_cast<double>(d)));
  const std::size_t visible = options.mask.visible(i, queries.tokens(), keys.tokens());
  const double sink =
      options.sink_logits.empty() ? -infinity : static_cast<double>(options.sink_logits[h]);
  const float* const query = queries.row(i, h);
  Row row;
  std::vector<double> capped(visible);
  double high = sink;
  for (std::size_t j = 0; j < visible; ++j) {
    const T* const key = keys.row(j, kv);
    double product = 0.0;
    for (std::size_t c = 0; c < d; ++c)
      product += static_cast<double>(query[c]) * static_cast<double>(static_cast<float>(key[c]));
    const double score = scale * product;
    const double bend = options.softcap > 0.0 ? std::tanh(score / options.softcap) : 0.0;
    row.scores.push_back(score);
    capped[j] = options.softcap > 0.0 ? options.softcap * bend : score;
    row.slopes.push_back(1.0 - bend * bend);
    high = (std::max)(high, capped[j]);
  }
  row.probabilities.assign(visible, 0.0);
  if (high == -infinity) return row;
  double sum = std::exp(sink - high);
  for (std::size_t j = 0; j < visible; ++j) sum += std::exp(capped[j] - high);
  for (std::size_t j = 0; j < visible; ++j) row.probabilities[j] = std::exp(capped[j] - high) / sum;
  row.sink = std::exp(sink - high) / sum;
  row.log_sum_exp = high + std::log(sum);
  return row;
}

}  // namespace reference

/// o = sum_j p_j v_j of every query and head. Checks nothing.
template <class T>
ReferenceAttention reference_attention(const HeadsView<float>& queries, const HeadsView<T>& keys,
                                       const HeadsView<T>& values,
                                       const AttentionOptions& options = {}) {
  const std::size_t m = queries.tokens(), heads = queries.heads(), dv = values.dimension();
  ReferenceAttention out{
      RowMatrix<double>::Zero(static_cast<Eigen::Index>(m), static_cast<Eigen::Index>(heads * dv)),
      RowMatrix<double>(static_cast<Eigen::Index>(m), static_cast<Eigen::Index>(heads))};
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t h = 0; h < heads; ++h) {
      const reference::Row row = reference::row_of(queries, keys, options, i, h);
      double* const to = out.values.data() + (i * heads + h) * dv;
      for (std::size_t j = 0; j < row.probabilities.size(); ++j) {
        const T* const value = values.row(j, h / (heads / keys.heads()));
        for (std::size_t c = 0; c < dv; ++c)
          to[c] += row.probabilities[j] * static_cast<double>(static_cast<float>(value[c]));
      }
      out.log_sum_exp(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(h)) = row.log_sum_exp;
    }
  return out;
}

/// The gradients for the derivatives `outer` (m x (H dv)) in the outputs:
///   dV_j = sum_i p_ij g_i,  ds_ij = p_ij (<g_i, v_j> - <g_i, o_i>) slope_ij,
///   dQ_i = scale sum_j ds_ij k_j,  dK_j = scale sum_i ds_ij q_i,  dsink = -sum_i p_sink <g_i,
///   o_i>.
template <class T>
ReferenceSlopes reference_gradients(const HeadsView<float>& queries, const HeadsView<T>& keys,
                                    const HeadsView<T>& values, const RowMatrix<double>& outer,
                                    const AttentionOptions& options = {}) {
  const std::size_t m = queries.tokens(), n = keys.tokens(), heads = queries.heads(),
                    kv_heads = keys.heads(), d = queries.dimension(), dv = values.dimension();
  const double scale = options.scale.value_or(1.0 / std::sqrt(static_cast<double>(d)));
  const auto zeros = [](std::size_t rows, std::size_t columns) -> RowMatrix<double> {
    return RowMatrix<double>::Zero(static_cast<Eigen::Index>(rows),
                                   static_cast<Eigen::Index>(columns));
  };
  ReferenceSlopes out{zeros(m, heads * d), zeros(n, kv_heads * d), zeros(n, kv_heads * dv),
                      Vector<double>::Zero(static_cast<Eigen::Index>(heads))};
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t h = 0; h < heads; ++h) {
      const std::size_t kv = h / (heads / kv_heads);
      const reference::Row row = reference::row_of(queries, keys, options, i, h);
      const double* const g = outer.data() + (i * heads + h) * dv;
      std::vector<double> products(row.probabilities.size(), 0.0);  // <g_i, v_j>
      double mean = 0.0;                                            // <g_i, o_i>
      for (std::size_t j = 0; j < products.size(); ++j) {
        for (std::size_t c = 0; c < dv; ++c)
          products[j] += g[c] * static_cast<double>(static_cast<float>(values.row(j, kv)[c]));
        mean += row.probabilities[j] * products[j];
      }
      for (std::size_t j = 0; j < products.size(); ++j) {
        const double ds = row.probabilities[j] * (products[j] - mean) * row.slopes[j];
        double* const dq = out.queries.data() + (i * heads + h) * d;
        double* const dk = out.keys.data() + (j * kv_heads + kv) * d;
        double* const dvalue = out.values.data() + (j * kv_heads + kv) * dv;
        for (std::size_t c = 0; c < d; ++c) {
          dq[c] += scale * ds * static_cast<double>(static_cast<float>(keys.row(j, kv)[c]));
          dk[c] += scale * ds * static_cast<double>(queries.row(i, h)[c]);
        }
        for (std::size_t c = 0; c < dv; ++c) dvalue[c] += row.probabilities[j] * g[c];
      }
      out.sink_logits[static_cast<Eigen::Index>(h)] -= row.sink * mean;
    }
  return out;
}

/// What a problem is made of.
struct AttentionSizes {
  std::size_t queries = 1, keys = 1, heads = 1, kv_heads = 1, d = 1, dv = 1;
};

/// Heads side by side: queries m x (H d), keys n x (Hkv d), values n x (Hkv dv).
struct HeadsProblem {
  RowMatrix<float> queries, keys, values;
  AttentionSizes sizes;

  HeadsView<float> q() const { return {queries, sizes.heads}; }
  HeadsView<float> k() const { return {keys, sizes.kv_heads}; }
  HeadsView<float> v() const { return {values, sizes.kv_heads}; }
};

/// rows x columns of numbers, each one of 65,536 standard normals, times `spread` plus `mean`:
/// many times faster than normals of their own.
inline RowMatrix<float> quick_normals(std::size_t rows, std::size_t columns, double mean,
                                      double spread, std::uint64_t seed) {
  static const RowMatrix<float> table = gaussian_rows<float>(256, 256, 65536);
  PhiloxEngine engine(seed);
  RowMatrix<float> out(static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(columns));
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < rows * columns; ++i) {
    if (i % 4 == 0) bits = static_cast<std::uint64_t>(engine());
    out.data()[i] = static_cast<float>(
        mean + spread * static_cast<double>(table.data()[bits >> (16 * (i % 4)) & 0xffffU]));
  }
  return out;
}

/// Scales each head of each query to length `norm`.
inline void set_query_norms(HeadsProblem& problem, double norm) {
  const auto d = static_cast<Eigen::Index>(problem.sizes.d);
  for (Eigen::Index i = 0; i < problem.queries.rows(); ++i)
    for (Eigen::Index at = 0; at < problem.queries.cols(); at += d) {
      auto query = problem.queries.row(i).segment(at, d);
      query *= static_cast<float>(norm / (std::max)(1e-20, static_cast<double>(query.norm())));
    }
}

/// Keys N(0, I); queries in uniform directions, as long as makes every query's logits
/// N(0, sigma^2) at the scale 1 / sqrt(d); values N(mean, 1).
inline HeadsProblem gaussian_problem(const AttentionSizes& sizes, double sigma, std::uint64_t seed,
                                     double mean = 1.0) {
  HeadsProblem problem{
      quick_normals(sizes.queries, sizes.heads * sizes.d, 0.0, 1.0, 3 * seed),
      quick_normals(sizes.keys, sizes.kv_heads * sizes.d, 0.0, 1.0, 3 * seed + 1),
      quick_normals(sizes.keys, sizes.kv_heads * sizes.dv, mean, 1.0, 3 * seed + 2), sizes};
  set_query_norms(problem, sigma * std::sqrt(static_cast<double>(sizes.d)));
  return problem;
}

/// Keys of length 1 around `centres` random directions, with noise of norm about 0.3: key j and
/// query i are at centre j or i mod `centres`. Queries have length 9 sqrt(d), so that the scale
/// 1 / sqrt(d) makes logits 9 <q, k> of unit vectors. Values N(mean, 1).
inline HeadsProblem clustered_problem(const AttentionSizes& sizes, std::uint64_t seed,
                                      std::size_t centres = 256, double mean = 1.0) {
  HeadsProblem problem = gaussian_problem(sizes, 1.0, seed, mean);
  const double root = std::sqrt(static_cast<double>(sizes.d));
  const RowMatrix<float> middle = quick_normals(centres, sizes.d, 0.0, 1.0, 3 * seed + 7);
  const auto gather = [&](RowMatrix<float>& rows, std::size_t heads) {
    const auto d = static_cast<Eigen::Index>(sizes.d);
    rows *= static_cast<float>(0.3 / root);
    for (Eigen::Index i = 0; i < rows.rows(); ++i)
      for (std::size_t h = 0; h < heads; ++h) {
        auto row = rows.row(i).segment(static_cast<Eigen::Index>(h) * d, d);
        row += middle.row(i % middle.rows()).normalized();
        row.normalize();
      }
  };
  problem.queries = quick_normals(sizes.queries, sizes.heads * sizes.d, 0.0, 1.0, 3 * seed);
  gather(problem.queries, sizes.heads);
  gather(problem.keys, sizes.kv_heads);
  set_query_norms(problem, 9.0 * root);
  return problem;
}

/// The numbers of `rows`, rounded to T.
template <class T>
RowMatrix<T> stored_as(const RowMatrix<float>& rows) {
  return rows.template cast<T>();
}

}  // namespace lazygumbel::testing
