#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/core/types.hpp"

namespace lazygumbel {

/// How an output row was made.
enum class AttentionPath : std::uint8_t {
  exact,    ///< all visible keys
  sampled,  ///< keys taken with certainty and a weighted sample of the others
  top_only  ///< keys taken with certainty alone: biased, for comparison
};

/// "exact", "sampled" or "top_only".
constexpr const char* name_of(AttentionPath path) noexcept {
  switch (path) {
    case AttentionPath::sampled:
      return "sampled";
    case AttentionPath::top_only:
      return "top_only";
    case AttentionPath::exact:
      break;
  }
  return "exact";
}

/// What one output row rests on.
struct AttentionRow {
  std::uint32_t keys_touched = 0;  ///< rows of K (and V) read for it
  std::uint32_t samples = 0;       ///< of these, drawn from the tail, with multiplicity
  /// |o^ - o| <= error |o^| with about the stated confidence; 0 when exact.
  float error = 0.0F;
  AttentionPath path = AttentionPath::exact;
  bool target_met = true;  ///< false: an (epsilon, delta) target was not reached
};

/// The outputs of m queries of H heads.
struct AttentionOutput {
  RowMatrix<float> values;         ///< m x (H dv), heads side by side; a row that sees no key is 0
  RowMatrix<double> log_sum_exp;   ///< m x H: log Z, sink logit included; -inf where Z is 0
  std::vector<AttentionRow> rows;  ///< of query i, head h: rows[i H + h]
};

namespace detail {

/// The error of an output of norm `norm`, in absolute terms, after a weight: what is multiplied by
/// 0 leaves none, but an infinite error, for which no bound is known, stays.
inline double absolute_error(double weight, float error, double norm) {
  if (std::isinf(error)) return std::numeric_limits<double>::infinity();
  return weight * static_cast<double>(error) * norm;
}

/// Of an output of norm `norm`: infinite where that is 0 and the error is not.
inline float relative_error(double absolute, double norm) {
  return absolute == 0.0 ? 0.0F : static_cast<float>(absolute / norm);
}

}  // namespace detail

/// Attention over the union of two disjoint sets of keys from the outputs over each, for the same
/// queries: o = (e^a o_a + e^b o_b) / (e^a + e^b). Sink logits belong to one of the two. Errors
/// are combined as if they added up; one that is infinite makes the sum's infinite. Throws
/// std::invalid_argument on outputs of different shapes. O(m H dv).
template <std::same_as<double> Real = double>
AttentionOutput merge(const AttentionOutput& a, const AttentionOutput& b) {
  if (a.values.rows() != b.values.rows() || a.values.cols() != b.values.cols() ||
      a.log_sum_exp.rows() != b.log_sum_exp.rows() ||
      a.log_sum_exp.cols() != b.log_sum_exp.cols() || a.rows.size() != b.rows.size())
    detail::throw_invalid(
        "b", detail::text_of(b.values.rows()) + " x " + detail::text_of(b.values.cols()),
        "must have the shape of a");
  AttentionOutput merged = a;
  using Values = detail::Later<RowMatrix<float>, Real>;
  const Values &values_a = a.values, &values_b = b.values;
  Values& values = merged.values;
  const Eigen::Index heads = a.log_sum_exp.cols(),
                     width = heads > 0 ? a.values.cols() / heads : Eigen::Index{0};
  for (Eigen::Index i = 0; i < a.values.rows(); ++i)
    for (Eigen::Index h = 0; h < heads; ++h) {
      const double la = a.log_sum_exp(i, h), lb = b.log_sum_exp(i, h);
      const double high = (std::max)(la, lb);
      const auto at = static_cast<std::size_t>(i * heads + h);
      AttentionRow& row = merged.rows[at];
      const AttentionRow &ra = a.rows[at], &rb = b.rows[at];
      row.keys_touched = ra.keys_touched + rb.keys_touched;
      row.samples = ra.samples + rb.samples;
      row.path = (std::max)(ra.path, rb.path);
      row.target_met = ra.target_met && rb.target_met;
      if (high == -std::numeric_limits<double>::infinity()) {
        row.error = (std::max)(ra.error, rb.error);
        continue;
      }
      const double wa = std::exp(la - high), wb = std::exp(lb - high), sum = wa + wb;
      const auto out_a = values_a.row(i).segment(h * width, width).template cast<Real>();
      const auto out_b = values_b.row(i).segment(h * width, width).template cast<Real>();
      const Eigen::RowVectorX<Real> out = (wa * out_a + wb * out_b) / sum;
      const double error = detail::absolute_error(wa, ra.error, out_a.norm()) +
                           detail::absolute_error(wb, rb.error, out_b.norm());
      row.error = detail::relative_error(error / sum, out.norm());
      values.row(i).segment(h * width, width) = out.template cast<float>();
      merged.log_sum_exp(i, h) = high + std::log(sum);
    }
  return merged;
}

}  // namespace lazygumbel
