#pragma once

#include <cmath>
#include <cstddef>
#include <lazygumbel/attention/window/sliding_window_options.hpp>
#include <limits>

#include "attention_gradient_reference.hpp"
#include "attention_reference.hpp"

/// \file
/// Attention with a sliding window and its gradients in double, from the definition: every token is
/// there, with its score or with the constant one.

namespace lazygumbel::testing {

/// The queries are the last tokens of the keys; `problem.mask` is not looked at.
struct WindowProblem {
  AttentionProblem problem;
  SlidingWindowOptions window;

  /// What query i of one head gives every token up to its own.
  struct Row {
    Eigen::VectorXd scores, slopes;  ///< capped, or c; d score / d <q, k>, 0 outside the window
    Eigen::VectorXd weights;
    double log_z = -std::numeric_limits<double>::infinity(), sink = 0.0;
    Eigen::Index outside = 0;  ///< tokens before the window
  };

  Row row(Eigen::Index i, std::size_t h) const {
    const AttentionProblem& p = problem;
    const Eigen::Index tokens = p.keys.rows() - p.queries.rows() + i + 1;
    Row row;
    if (static_cast<std::size_t>(tokens) > window.window)
      row.outside = tokens - static_cast<Eigen::Index>(window.window);
    row.scores.setConstant(tokens, window.residual_logit);
    row.slopes.setZero(tokens);
    for (Eigen::Index j = row.outside; j < tokens; ++j) {
      const double s = p.scale * p.query(i, h).dot(p.key(j, h));
      const double tanh = p.softcap > 0.0 ? std::tanh(s / p.softcap) : 0.0;
      row.scores[j] = p.softcap > 0.0 ? p.softcap * tanh : s;
      row.slopes[j] = p.scale * (1.0 - tanh * tanh);
    }
    row.log_z = p.log_z(row.scores, h);
    row.weights = (row.scores.array() - row.log_z).exp();
    row.sink = p.sinks.empty() ? 0.0 : std::exp(p.sinks[h] - row.log_z);
    return row;
  }

  /// Outputs and log Z.
  ReferenceAttention forward() const {
    const AttentionProblem& p = problem;
    const auto heads = static_cast<Eigen::Index>(p.heads);
    ReferenceAttention out{RowMatrix<double>::Zero(p.queries.rows(), heads * p.dv()),
                           RowMatrix<double>(p.queries.rows(), heads)};
    for (Eigen::Index i = 0; i < p.queries.rows(); ++i)
      for (Eigen::Index h = 0; h < heads; ++h) {
        const Row r = row(i, static_cast<std::size_t>(h));
        out.log_sum_exp(i, h) = r.log_z;
        for (Eigen::Index j = 0; j < r.weights.size(); ++j)
          out.values.row(i).segment(h * p.dv(), p.dv()) +=
              r.weights[j] * p.value(j, static_cast<std::size_t>(h));
      }
    return out;
  }

  /// sum of the outputs' entries times `gradients`.
  double loss(const RowMatrix<double>& gradients) const {
    return forward().values.cwiseProduct(gradients).sum();
  }

  struct Gradients {
    ReferenceGradients of;
    double residual_logit = 0.0;
  };

  Gradients backward(const RowMatrix<double>& gradients) const {
    const AttentionProblem& p = problem;
    Gradients out;
    out.of.queries.setZero(p.queries.rows(), p.queries.cols());
    out.of.keys.setZero(p.keys.rows(), p.keys.cols());
    out.of.values.setZero(p.values.rows(), p.values.cols());
    out.of.sinks.setZero(static_cast<Eigen::Index>(p.sinks.size()));
    for (std::size_t h = 0; h < p.heads; ++h) {
      const auto head = static_cast<Eigen::Index>(h);
      const auto kv = static_cast<Eigen::Index>(h / (p.heads / p.kv_heads));
      for (Eigen::Index i = 0; i < p.queries.rows(); ++i) {
        const Row r = row(i, h);
        const Eigen::RowVectorXd g = gradients.row(i).segment(head * p.dv(), p.dv());
        double delta = 0.0;
        for (Eigen::Index j = 0; j < r.weights.size(); ++j)
          delta += r.weights[j] * g.dot(p.value(j, h));
        for (Eigen::Index j = 0; j < r.weights.size(); ++j) {
          const double dscore = r.weights[j] * (g.dot(p.value(j, h)) - delta);
          out.of.values.row(j).segment(kv * p.dv(), p.dv()) += r.weights[j] * g;
          if (j < r.outside) {
            out.residual_logit += dscore;
            continue;
          }
          const double ds = dscore * r.slopes[j];
          out.of.queries.row(i).segment(head * p.d(), p.d()) += ds * p.key(j, h);
          out.of.keys.row(j).segment(kv * p.d(), p.d()) += ds * p.query(i, h);
        }
        if (!p.sinks.empty()) out.of.sinks[head] -= r.sink * delta;
      }
    }
    return out;
  }
};

}  // namespace lazygumbel::testing
