#pragma once

#include <lazygumbel/privacy/accounting/neighbours.hpp>

namespace lazygumbel::testing {

/// Neighbouring tables: one record replaced, or one added or removed.
inline constexpr Neighbours replaced = Neighbours::replace_one, added = Neighbours::add_remove;

}  // namespace lazygumbel::testing
