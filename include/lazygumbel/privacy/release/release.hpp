#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include "lazygumbel/privacy/release/group_mwem.hpp"
#include "lazygumbel/privacy/release/identity.hpp"
#include "lazygumbel/privacy/release/method_hint.hpp"
#include "lazygumbel/privacy/release/mwem.hpp"

namespace lazygumbel {

struct ReleaseOptions {
  /// Nothing: what method_hint prefers.
  std::optional<ReleaseMethod> method{};
  /// A public guess at the number of records, for the hint under add_remove, where n is private.
  double expected_records = 0.0;
  /// Its `neighbours` hold for either method.
  MwemOptions mwem{};
};

/// What left the private side. The budget is spent whole; its expenses say on what.
struct Release {
  ReleaseMethod method = ReleaseMethod::identity;
  std::optional<MethodHint> hint{};  ///< where one was asked for
  MwemResult result;                 ///< of the identity: only table, total and budget are set

  const SyntheticTable& table() const noexcept { return result.table; }
};

namespace detail {

inline ReleaseMethod method_of(const Histogram& table, std::size_t queries, const Budget& budget,
                               const ReleaseOptions& options, std::optional<MethodHint>& hint) {
  if (options.method) return *options.method;
  const bool counted = options.mwem.neighbours == Neighbours::replace_one;
  const double records = counted ? static_cast<double>(table.total()) : options.expected_records;
  if (!counted && !(records >= 1.0))
    throw_invalid("expected_records", records,
                  "must be a public guess >= 1 when the method is to be chosen under add_remove");
  hint = method_hint({.cells = table.domain().size(),
                      .queries = queries,
                      .records = records < 1.0 ? 1.0 : records,
                      .neighbours = options.mwem.neighbours},
                     budget);
  return hint->preferred;
}

}  // namespace detail

/// Private data in, synthetic table out, one budget spent: by MWEM fitted to the workload
/// (GroupMwem for groups of queries, Mwem with selection `mode` otherwise) or by noise on every
/// cell, as asked or as the hint says. Calls `observe(const MwemRound&)` after each round of MWEM.
/// Throws as those do; whatever the method, budget_error on a budget that was spent from and
/// std::invalid_argument when the table's cells are not the workload's; std::invalid_argument when
/// a hint is needed under add_remove without expected_records.
template <Workload W, SecureBitGenerator Engine, class Mode = LazyCertified,
          class Observe = void (*)(const MwemRound&)>
Release release(
    const Histogram& table, const W& workload, Budget budget, Engine& engine,
    const ReleaseOptions& options = {}, const Mode& mode = {},
    Observe&& observe = [](const MwemRound&) {}) {
  detail::require_own_budget(budget);
  if (table.domain().size() != workload.cells())
    detail::throw_invalid("table.domain().size()", table.domain().size(),
                          "must equal cells() = " + detail::text_of(workload.cells()));
  std::optional<MethodHint> hint;
  const ReleaseMethod method = detail::method_of(table, workload.size(), budget, options, hint);
  const auto finish = [&](MwemResult result) { return Release{method, hint, std::move(result)}; };
  if (method == ReleaseMethod::identity) {
    SyntheticTable made = release_identity(table, options.mwem.neighbours, budget, engine);
    const double total = made.total();
    return finish({.table = std::move(made), .total = total, .budget = std::move(budget)});
  }
  if constexpr (GroupedWorkload<W>)
    return finish(GroupMwem<W>(workload, options.mwem)
                      .run(table, std::move(budget), engine, std::forward<Observe>(observe)));
  else
    return finish(Mwem<W>(workload, options.mwem)
                      .run(table, std::move(budget), engine, mode, std::forward<Observe>(observe)));
}

}  // namespace lazygumbel
