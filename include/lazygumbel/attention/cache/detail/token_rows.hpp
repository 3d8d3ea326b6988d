#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "lazygumbel/attention/exact/heads_view.hpp"

/// \file
/// What every cache asks of the tokens that it is given.

namespace lazygumbel::detail {

inline constexpr double largest_token_norm = 1e30F;  // above, scores would overflow

/// |row (i, h)|. Throws std::invalid_argument where it is not finite or above 1e30.
template <StorageScalar T>
double token_norm(std::string_view name, const HeadsView<T>& rows, std::size_t i, std::size_t h) {
  const Eigen::Map<const Vector<T>> row(rows.row(i, h),
                                        static_cast<Eigen::Index>(rows.dimension()));
  const double norm = row.template cast<double>().norm();
  if (!(norm <= largest_token_norm)) {
    require_finite(name, rows);
    throw_invalid(std::string(name) + "(token " + text_of(i) + ", head " + text_of(h) + ").norm()",
                  norm, "must be at most 1e30");
  }
  return norm;
}

/// Throws std::invalid_argument unless the tokens fit a cache of such heads.
template <StorageScalar T>
void require_token_shapes(const HeadsView<T>& keys, const HeadsView<T>& values,
                          std::size_t kv_heads, std::size_t d, std::size_t dv) {
  const auto require = [&](std::string_view name, const HeadsView<T>& rows, std::size_t dimension) {
    if (rows.heads() != kv_heads)
      throw_invalid(std::string(name) + ".heads()", rows.heads(),
                    "must equal kv_heads() = " + text_of(kv_heads));
    if (rows.dimension() != dimension)
      throw_invalid(std::string(name) + ".dimension()", rows.dimension(),
                    "must equal the cache's " + text_of(dimension));
  };
  require("keys", keys, d);
  require("values", values, dv);
  if (values.tokens() != keys.tokens())
    throw_invalid("values.tokens()", values.tokens(),
                  "must equal keys.tokens() = " + text_of(keys.tokens()));
}

/// The same, and every row finite and of norm at most 1e30.
template <StorageScalar T>
void require_tokens(const HeadsView<T>& keys, const HeadsView<T>& values, std::size_t kv_heads,
                    std::size_t d, std::size_t dv) {
  require_token_shapes(keys, values, kv_heads, d, dv);
  for (std::size_t i = 0; i < keys.tokens(); ++i)
    for (std::size_t h = 0; h < kv_heads; ++h) {
      static_cast<void>(token_norm("keys", keys, i, h));
      static_cast<void>(token_norm("values", values, i, h));
    }
}

/// Throws std::invalid_argument where a cache has no heads or rows no numbers.
inline void require_cache_shape(std::size_t kv_heads, std::size_t d, std::size_t dv) {
  if (kv_heads == 0) throw_invalid("kv_heads", kv_heads, "must be at least 1");
  if (d == 0) throw_invalid("d", d, "must be at least 1");
  if (dv == 0) throw_invalid("dv", dv, "must be at least 1");
}

}  // namespace lazygumbel::detail
