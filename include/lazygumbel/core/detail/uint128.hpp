#pragma once

namespace lazygumbel::detail {

/// 128 unsigned bits, for products of two 64-bit integers. __extension__ keeps -Wpedantic quiet.
__extension__ typedef unsigned __int128 uint128;

}  // namespace lazygumbel::detail
