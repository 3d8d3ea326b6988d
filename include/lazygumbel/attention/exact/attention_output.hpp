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
  /// |o^ - o| <= error |o^| with about probability 1 - delta of the accuracy asked for, 95% after a
  /// fixed budget, what its options say of a cache; 0 when exact.
  float error = 0.0F;
  AttentionPath path = AttentionPath::exact;
  /// False where an (epsilon, delta) target was not reached and where a merged error exceeds those
  /// of its parts, so that nothing is known of a target; true also where there was none.
  bool target_met = true;
  /// |log Z^ - log Z| <= log_z_error with about the same probability; 0 when exact, infinite where
  /// nothing is known of it.
  float log_z_error = 0.0F;
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

/// The relative error of an output of norm `norm`; infinite where that is 0 and the error is not.
inline float relative_error(double absolute, double norm) {
  return absolute == 0.0 ? 0.0F : static_cast<float>(absolute / norm);
}

/// The error of log Z^ where Z^ is within `relative` Z^ of Z; infinite from 1 on.
inline float log_error(double relative) {
  return static_cast<float>(relative < 1.0 ? -std::log1p(-relative)
                                           : std::numeric_limits<double>::infinity());
}

/// One of two parts of an output: its share of Z^, the error of the logarithm of its own Z^.
struct MergedPart {
  double share, log_error;
};

/// How far the shares, w and 1 - w, may be off: their odds are off by a factor of at most e^e,
/// e = e_a + e_b, hence w by w (1 - w) (1 - e^-e) / (w e^-e + 1 - w) or with both shares exchanged;
/// to first order w (1 - w) e. With an infinite error nothing is known of the shares.
inline double share_error(const MergedPart& a, const MergedPart& b) {
  const double e = a.log_error + b.log_error, most = (std::max)(a.share, b.share);
  if (std::isinf(e)) return most;
  const double kept = std::exp(-e), least = (std::min)(a.share, b.share);
  return least * most * -std::expm1(-e) / (most * kept + least);
}

/// |log Z^ - log Z| of the sum of both: at most log(w e^e_a + (1 - w) e^e_b), and less below.
inline float merged_log_error(const MergedPart& a, const MergedPart& b) {
  if (a.log_error == 0.0 && b.log_error == 0.0) return 0.0F;
  const double high = (std::max)(a.log_error, b.log_error);
  if (std::isinf(high)) return std::numeric_limits<float>::infinity();
  return static_cast<float>(high + std::log(a.share * std::exp(a.log_error - high) +
                                            b.share * std::exp(b.log_error - high)));
}

/// Whether targets that the parts met are met by the sum as well: its error must be no larger than
/// the larger of theirs, both relative to the outputs and not, since nobody knows here what they
/// were. `of_parts`: the larger absolute error; `relative`: the larger relative one.
inline bool stays_met(double error, double norm, double of_parts, float relative) {
  constexpr double rounding = 1.0 + 1e-6;
  return error <= of_parts * rounding && error <= absolute_error(rounding, relative, norm);
}

}  // namespace detail

/// Attention over the union of two disjoint sets of keys from the outputs over each, for the same
/// queries: o = (e^a o_a + e^b o_b) / (e^a + e^b). Sink logits belong to one of the two. Throws
/// std::invalid_argument on outputs of different shapes. O(m H dv).
///
/// Errors are combined as if they added up. With shares w_a + w_b = 1 of Z^ = Z^_a + Z^_b and e_a
/// for |o^_a - o_a|,
///   |o^ - o| <= w_a e_a + w_b e_b + s (|o^_a - o^_b| + e_a + e_b),
/// s = w_a w_b (log_z_error_a + log_z_error_b) to first order, by which the shares may be off. An
/// error that is infinite makes the sum's infinite. `target_met` stays true where both met theirs
/// and the sum's error is no larger than the larger of theirs.
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
        row.log_z_error = (std::max)(ra.log_z_error, rb.log_z_error);
        continue;
      }
      const double wa = std::exp(la - high), wb = std::exp(lb - high), sum = wa + wb;
      const auto out_a = values_a.row(i).segment(h * width, width).template cast<Real>();
      const auto out_b = values_b.row(i).segment(h * width, width).template cast<Real>();
      const Eigen::RowVectorX<Real> out = (wa * out_a + wb * out_b) / sum;
      const detail::MergedPart a_part{wa / sum, static_cast<double>(ra.log_z_error)},
          b_part{wb / sum, static_cast<double>(rb.log_z_error)};
      const double ea = detail::absolute_error(1.0, ra.error, out_a.norm()),
                   eb = detail::absolute_error(1.0, rb.error, out_b.norm());
      double error = detail::absolute_error(a_part.share, ra.error, out_a.norm()) +
                     detail::absolute_error(b_part.share, rb.error, out_b.norm());
      if (const double off = detail::share_error(a_part, b_part); off > 0.0)
        error += off * ((out_a - out_b).norm() + ea + eb);
      row.error = detail::relative_error(error, out.norm());
      row.log_z_error = detail::merged_log_error(a_part, b_part);
      row.target_met = row.target_met && detail::stays_met(error, out.norm(), (std::max)(ea, eb),
                                                           (std::max)(ra.error, rb.error));
      values.row(i).segment(h * width, width) = out.template cast<float>();
      merged.log_sum_exp(i, h) = high + std::log(sum);
    }
  return merged;
}

}  // namespace lazygumbel
