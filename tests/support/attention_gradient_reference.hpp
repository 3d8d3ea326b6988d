#pragma once

#include <cmath>
#include <cstddef>
#include <lazygumbel/attention/exact/attention_options.hpp>
#include <limits>
#include <vector>

/// \file
/// Attention and its gradients in double, from their definitions, one score at a time.

namespace lazygumbel::testing {

/// One attention in double: queries m x (H d), keys n x (KV d), values n x (KV dv), sink logits H
/// or none.
struct AttentionProblem {
  RowMatrix<double> queries, keys, values;
  std::vector<double> sinks;
  std::size_t heads = 1, kv_heads = 1;
  double scale = 1.0, softcap = 0.0;
  AttentionMask mask = AttentionMask::full();

  Eigen::Index d() const { return queries.cols() / static_cast<Eigen::Index>(heads); }
  Eigen::Index dv() const { return values.cols() / static_cast<Eigen::Index>(kv_heads); }
  auto query(Eigen::Index i, std::size_t h) const {
    return queries.row(i).segment(static_cast<Eigen::Index>(h) * d(), d());
  }
  auto key(Eigen::Index j, std::size_t h) const {
    return keys.row(j).segment(static_cast<Eigen::Index>(h / (heads / kv_heads)) * d(), d());
  }
  auto value(Eigen::Index j, std::size_t h) const {
    return values.row(j).segment(static_cast<Eigen::Index>(h / (heads / kv_heads)) * dv(), dv());
  }
  /// Capped scores of the keys that query i sees.
  Eigen::VectorXd scores(Eigen::Index i, std::size_t h) const {
    const auto seen =
        mask.visible(static_cast<std::size_t>(i), static_cast<std::size_t>(queries.rows()),
                     static_cast<std::size_t>(keys.rows()));
    Eigen::VectorXd scores(static_cast<Eigen::Index>(seen));
    for (Eigen::Index j = 0; j < scores.size(); ++j) {
      const double s = scale * query(i, h).dot(key(j, h));
      scores[j] = softcap > 0.0 ? softcap * std::tanh(s / softcap) : s;
    }
    return scores;
  }
  /// log Z; -inf where the query sees nothing.
  double log_z(const Eigen::VectorXd& scores, std::size_t h) const {
    double high = sinks.empty() ? -std::numeric_limits<double>::infinity() : sinks[h];
    for (const double s : scores) high = s > high ? s : high;
    if (high == -std::numeric_limits<double>::infinity()) return high;
    double sum = sinks.empty() ? 0.0 : std::exp(sinks[h] - high);
    for (const double s : scores) sum += std::exp(s - high);
    return high + std::log(sum);
  }
};

/// sum of the outputs' entries times `gradients` (m x (H dv)): a loss with these output gradients.
inline double attention_loss(const AttentionProblem& p, const RowMatrix<double>& gradients) {
  double loss = 0.0;
  for (Eigen::Index i = 0; i < p.queries.rows(); ++i)
    for (std::size_t h = 0; h < p.heads; ++h) {
      const Eigen::VectorXd scores = p.scores(i, h);
      const double log_z = p.log_z(scores, h);
      const auto g = gradients.row(i).segment(static_cast<Eigen::Index>(h) * p.dv(), p.dv());
      for (Eigen::Index j = 0; j < scores.size(); ++j)
        loss += std::exp(scores[j] - log_z) * g.dot(p.value(j, h));
    }
  return loss;
}

struct ReferenceGradients {
  RowMatrix<double> queries, keys, values;
  Vector<double> sinks;
};

inline ReferenceGradients reference_gradients(const AttentionProblem& p,
                                              const RowMatrix<double>& gradients) {
  ReferenceGradients out;
  out.queries.setZero(p.queries.rows(), p.queries.cols());
  out.keys.setZero(p.keys.rows(), p.keys.cols());
  out.values.setZero(p.values.rows(), p.values.cols());
  out.sinks.setZero(static_cast<Eigen::Index>(p.sinks.size()));
  for (std::size_t h = 0; h < p.heads; ++h) {
    const auto head = static_cast<Eigen::Index>(h);
    const auto kv = static_cast<Eigen::Index>(h / (p.heads / p.kv_heads));
    for (Eigen::Index i = 0; i < p.queries.rows(); ++i) {
      const Eigen::VectorXd scores = p.scores(i, h);
      const double log_z = p.log_z(scores, h);
      const Eigen::RowVectorXd g = gradients.row(i).segment(head * p.dv(), p.dv());
      double delta = 0.0;
      for (Eigen::Index j = 0; j < scores.size(); ++j)
        delta += std::exp(scores[j] - log_z) * g.dot(p.value(j, h));
      for (Eigen::Index j = 0; j < scores.size(); ++j) {
        const double weight = std::exp(scores[j] - log_z);
        const double tanh = p.softcap > 0.0 ? scores[j] / p.softcap : 0.0;
        const double ds = p.scale * weight * (g.dot(p.value(j, h)) - delta) * (1.0 - tanh * tanh);
        out.values.row(j).segment(kv * p.dv(), p.dv()) += weight * g;
        out.queries.row(i).segment(head * p.d(), p.d()) += ds * p.key(j, h);
        out.keys.row(j).segment(kv * p.d(), p.d()) += ds * p.query(i, h);
      }
      if (!p.sinks.empty() && log_z > -std::numeric_limits<double>::infinity())
        out.sinks[head] -= std::exp(p.sinks[h] - log_z) * delta;
    }
  }
  return out;
}

}  // namespace lazygumbel::testing
