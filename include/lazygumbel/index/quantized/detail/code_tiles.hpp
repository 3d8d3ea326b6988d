#pragma once

#include <cstddef>

/// \file
/// How coded rows and queries lie in memory, so that a tile's integer dot products with a query are
/// read from front to back.
///
/// A tile is a sequence of groups of 256 bytes, four bytes a row. With 8 bits a group holds four
/// coordinates of each row, byte j of a row the code c_j. With 4 bits it holds eight: byte j holds
/// a = c_j in its low and b = c_(j+4) in its high half. A coded query has one word of four signed
/// bytes v_j a group with 8 bits, two, w_j and v_j, with 4. The result for a row is, with all sums
/// over j and groups,
///   8 bits: sum c_j v_j;    4 bits: 16 sum a_j w_j + sum (a_j + 16 b_j) v_j:
/// the second sum reads the bytes as they are, which saves taking the high halves out; the query's
/// coder makes up for the a_j v_j in it. No sum overflows while a row has fewer than
/// `max_code_dimension` coordinates.

namespace lazygumbel::detail {

inline constexpr std::size_t tile_rows = 64;
inline constexpr std::size_t group_bytes = 4 * tile_rows;
inline constexpr std::size_t max_code_dimension = 50000;

/// Coordinates of a row in one group, and words of a coded query for it.
constexpr std::size_t group_dimensions(int bits) noexcept { return bits == 4 ? 8 : 4; }
constexpr std::size_t group_words(int bits) noexcept { return bits == 4 ? 2 : 1; }

}  // namespace lazygumbel::detail
