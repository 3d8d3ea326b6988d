#pragma once

#include <cmath>
#include <cstddef>
#include <lazygumbel/attention/knn/attention_tape.hpp>
#include <limits>
#include <stdexcept>
#include <vector>

#include "attention_gradient_reference.hpp"

/// \file
/// A sampled attention and its gradients in double, from the plan on its tape, one pair at a time.

namespace lazygumbel::testing {

/// The keys that each query and head met, with the logarithms of what they count for.
struct PlannedKeys {
  struct Key {
    Eigen::Index key;
    double log_weight;
    bool drawn;
  };
  std::size_t heads = 1;
  std::vector<std::vector<Key>> rows;  // of query i, head h: rows[i heads + h]

  const std::vector<Key>& of(Eigen::Index i, std::size_t h) const {
    return rows[static_cast<std::size_t>(i) * heads + h];
  }
  std::size_t drawn() const {
    std::size_t count = 0;
    for (const auto& row : rows)
      for (const Key& key : row) count += key.drawn;
    return count;
  }
};

inline PlannedKeys planned_keys(const AttentionTape& tape, const AttentionProblem& p) {
  const std::size_t group = p.heads / p.kv_heads;
  PlannedKeys plan{p.heads, {}};
  plan.rows.resize(static_cast<std::size_t>(p.queries.rows()) * p.heads);
  for (const auto& segment : tape.segments)
    for (const auto& block : segment.blocks)
      for (std::size_t at = 0; at < block.rows.size(); ++at) {
        const std::size_t r = block.rows[at];
        auto& row = plan.rows[tape.order[segment.first + r / group] * p.heads +
                              segment.kv_head * group + r % group];
        std::vector<bool> meets(block.keys.size(), true);
        if (!block.limits.empty())
          for (std::size_t j = block.limits[at]; j < meets.size(); ++j) meets[j] = false;
        for (const auto& range : block.excluded)
          if (range.row == at)
            for (std::size_t j = range.begin; j < range.end; ++j) meets[j] = false;
        for (std::size_t j = 0; j < meets.size(); ++j)
          if (meets[j])
            row.push_back({static_cast<Eigen::Index>(block.keys[j]),
                           block.sampled ? static_cast<double>(segment.log_weights[r]) : 0.0,
                           block.sampled});
      }
  return plan;
}

/// Scores of the keys that a query met, with the logarithms of their weights, and log Z^.
struct PlannedScores {
  std::vector<double> capped, weighted;
  double log_z = -std::numeric_limits<double>::infinity();
};

inline PlannedScores planned_scores(const AttentionProblem& p, const PlannedKeys& plan,
                                    Eigen::Index i, std::size_t h) {
  PlannedScores out;
  if (!p.sinks.empty()) out.log_z = p.sinks[h];
  for (const auto& [key, log_weight, drawn] : plan.of(i, h)) {
    const double s = p.scale * p.query(i, h).dot(p.key(key, h));
    out.capped.push_back(p.softcap > 0.0 ? p.softcap * std::tanh(s / p.softcap) : s);
    out.weighted.push_back(out.capped.back() + log_weight);
    const double high = std::fmax(out.log_z, out.weighted.back());
    out.log_z = high + std::log(std::exp(out.log_z - high) + std::exp(out.weighted.back() - high));
  }
  return out;
}

/// sum_i <g_i, o^_i>.
inline double planned_loss(const AttentionProblem& p, const PlannedKeys& plan,
                           const RowMatrix<double>& gradients) {
  double loss = 0.0;
  for (Eigen::Index i = 0; i < p.queries.rows(); ++i)
    for (std::size_t h = 0; h < p.heads; ++h) {
      const PlannedScores scores = planned_scores(p, plan, i, h);
      const auto g = gradients.row(i).segment(static_cast<Eigen::Index>(h) * p.dv(), p.dv());
      for (std::size_t j = 0; j < scores.weighted.size(); ++j)
        loss +=
            std::exp(scores.weighted[j] - scores.log_z) * g.dot(p.value(plan.of(i, h)[j].key, h));
    }
  return loss;
}

/// log Z and delta of every query and head that weights and scores' gradients are by, where they
/// are not the sampled forward's own.
struct GivenForward {
  RowMatrix<double> log_z, deltas;
};

/// The gradients of `planned_loss`; with `given`, of the same pairs under another forward.
inline ReferenceGradients planned_gradients(const AttentionProblem& p, const PlannedKeys& plan,
                                            const RowMatrix<double>& gradients,
                                            const GivenForward* given = nullptr) {
  ReferenceGradients out;
  out.queries.setZero(p.queries.rows(), p.queries.cols());
  out.keys.setZero(p.keys.rows(), p.keys.cols());
  out.values.setZero(p.values.rows(), p.values.cols());
  out.sinks.setZero(static_cast<Eigen::Index>(p.sinks.size()));
  for (Eigen::Index i = 0; i < p.queries.rows(); ++i)
    for (std::size_t h = 0; h < p.heads; ++h) {
      const auto head = static_cast<Eigen::Index>(h);
      const auto kv = static_cast<Eigen::Index>(h / (p.heads / p.kv_heads));
      const auto& met = plan.of(i, h);
      PlannedScores scores = planned_scores(p, plan, i, h);
      const auto g = gradients.row(i).segment(head * p.dv(), p.dv());
      double delta = 0.0;
      for (std::size_t j = 0; j < met.size(); ++j)
        delta += std::exp(scores.weighted[j] - scores.log_z) * g.dot(p.value(met[j].key, h));
      if (given != nullptr) {
        scores.log_z = given->log_z(i, head);
        delta = given->deltas(i, head);
      }
      for (std::size_t j = 0; j < met.size(); ++j) {
        const Eigen::Index key = met[j].key;
        const double weight = std::exp(scores.weighted[j] - scores.log_z);
        const double tanh = p.softcap > 0.0 ? scores.capped[j] / p.softcap : 0.0;
        const double ds = p.scale * weight * (g.dot(p.value(key, h)) - delta) * (1.0 - tanh * tanh);
        out.values.row(key).segment(kv * p.dv(), p.dv()) += weight * g;
        out.queries.row(i).segment(head * p.d(), p.d()) += ds * p.key(key, h);
        out.keys.row(key).segment(kv * p.d(), p.d()) += ds * p.query(i, h);
      }
      if (!p.sinks.empty() && scores.log_z > -std::numeric_limits<double>::infinity())
        out.sinks[head] -= std::exp(p.sinks[h] - scores.log_z) * delta;
    }
  return out;
}

}  // namespace lazygumbel::testing
