#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>

#include "lazygumbel/attention/exact/attention_output.hpp"
#include "lazygumbel/core/detail/later.hpp"
#include "lazygumbel/core/types.hpp"

namespace lazygumbel {

/// Tokens of one kv head of which attention knows no scores, but that they all have the same one,
/// and the sum of their values. They add count e^logit to Z and e^logit value_sum to the weighted
/// sum of values. A sink logit is a residual mass of count 1 and sum 0.
struct ResidualMass {
  double logit = 0.0;        ///< finite, or -infinity: no mass
  double count = 0.0;        ///< tokens, at least 0
  Vector<double> value_sum;  ///< dv, each at most count times the largest float; empty: 0
};

namespace detail {

/// Adds a residual mass to an output o of dv numbers with its log Z, and returns the weight that is
/// left to what was there. `sum`: of dv values; nullptr: 0.
inline double add_residual_row(double logit, double count, const double* sum, std::size_t dv,
                               float* values, double& log_z) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (!(count > 0.0) || logit == -infinity) return 1.0;
  const double high = (std::max)(log_z, logit);
  const double before = std::exp(log_z - high), each = std::exp(logit - high);
  const double z = before + count * each, kept = before / z, added = each / z;
  for (std::size_t c = 0; c < dv; ++c)
    values[c] = static_cast<float>(kept * static_cast<double>(values[c]) +
                                   (sum != nullptr ? added * sum[c] : 0.0));
  log_z = high + std::log(z);
  return kept;
}

/// Throws std::invalid_argument unless the mass is one, for values of dv numbers.
inline void require_residual(const ResidualMass& mass, std::size_t dv) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (!(mass.logit < infinity))
    throw_invalid("mass.logit", mass.logit, "must be finite or -infinity");
  if (!(mass.count >= 0.0 && mass.count < infinity))
    throw_invalid("mass.count", mass.count, "must be at least 0 and finite");
  if (mass.value_sum.size() == 0) return;
  if (static_cast<std::size_t>(mass.value_sum.size()) != dv)
    throw_invalid("mass.value_sum.size()", mass.value_sum.size(),
                  "must be 0 or the outputs' " + text_of(dv));
  for (Eigen::Index c = 0; c < mass.value_sum.size(); ++c)
    if (!std::isfinite(mass.value_sum[c]))
      throw_invalid("mass.value_sum(" + text_of(c) + ")", mass.value_sum[c], "must be finite");
  if (mass.count == 0.0) return;  // whatever the sum is: nothing is added
  const double most = mass.count * static_cast<double>((std::numeric_limits<float>::max)());
  for (Eigen::Index c = 0; c < mass.value_sum.size(); ++c)
    if (std::abs(mass.value_sum[c]) > most)
      throw_invalid("mass.value_sum(" + text_of(c) + ")", mass.value_sum[c],
                    "is more than " + text_of(mass.count) + " values of float can sum to");
}

}  // namespace detail

/// Adds the mass to the output of one query and head: with Z of the keys seen so far,
///   o' = (Z o + e^logit value_sum) / Z',  Z' = Z + count e^logit,
/// in double, relative to the larger of both exponents, so that nothing overflows whatever they
/// are. A row that saw no key gets the mean value_sum / count. Count 0 or logit -infinity change
/// nothing. The mass is exact: reported errors change as when an exact output of log Z
/// log(count) + logit is merged, and so does target_met; an infinite error stays.
///
/// Throws std::invalid_argument, leaving `out` as it was, when the row is not there or the mass is
/// none. O(dv). Different rows may be changed at the same time.
template <std::same_as<double> Real = double>
void add_residual(const ResidualMass& mass, std::size_t query, std::size_t head,
                  AttentionOutput& out) {
  const auto heads = static_cast<std::size_t>(out.log_sum_exp.cols());
  if (query >= static_cast<std::size_t>(out.log_sum_exp.rows()))
    detail::throw_invalid("query", query,
                          "must be below " + detail::text_of(out.log_sum_exp.rows()));
  if (head >= heads) detail::throw_invalid("head", head, "must be below " + detail::text_of(heads));
  const auto i = static_cast<Eigen::Index>(query), h = static_cast<Eigen::Index>(head);
  const Eigen::Index dv = out.values.cols() / out.log_sum_exp.cols();
  detail::require_residual(mass, static_cast<std::size_t>(dv));
  detail::Later<RowMatrix<float>, Real>& all = out.values;
  auto values = all.row(i).segment(h * dv, dv);
  const Eigen::RowVectorX<Real> before = values.template cast<Real>();
  const double kept = detail::add_residual_row(
      mass.logit, mass.count, mass.value_sum.size() > 0 ? mass.value_sum.data() : nullptr,
      static_cast<std::size_t>(dv), values.data(), out.log_sum_exp(i, h));
  AttentionRow& row = out.rows[query * heads + head];
  if (!(kept < 1.0) || (row.error == 0.0F && row.log_z_error == 0.0F)) return;
  Eigen::RowVectorX<Real> apart = before;  // o less the mean of the mass
  if (mass.value_sum.size() > 0) apart -= mass.value_sum.transpose() / mass.count;
  const detail::MergedPart keys{kept, static_cast<double>(row.log_z_error)}, added{1.0 - kept, 0.0};
  const double own = detail::absolute_error(1.0, row.error, before.norm());
  double error = detail::absolute_error(kept, row.error, before.norm());
  if (const double off = detail::share_error(keys, added); off > 0.0)
    error += off * (apart.norm() + own);
  const double norm = values.template cast<Real>().norm();
  row.target_met = row.target_met && detail::stays_met(error, norm, own, row.error);
  row.error = detail::relative_error(error, norm);
  row.log_z_error = detail::merged_log_error(keys, added);
}

}  // namespace lazygumbel
