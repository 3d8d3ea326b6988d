#pragma once

namespace lazygumbel {

/// Which two data sets a release must not tell apart: the relation that every sensitivity in this
/// layer refers to. A record is all that one person contributes.
enum class Neighbours {
  /// One record has other values; the number of records n is the same, and is public: a release may
  /// depend on n freely, and gives no protection to the fact of being in the data. One record moves
  /// from one cell of a histogram to another: L1 sensitivity 2, L2 sensitivity sqrt(2).
  replace_one,
  /// One record is there or is not; n is private, and whatever depends on it has to be paid for.
  /// One
  /// cell of a histogram changes by 1: L1 and L2 sensitivity 1. An epsilon-private release under
  /// add_remove is 2 epsilon-private under replace_one, n made public; the reverse says nothing.
  add_remove
};

/// "replace_one" or "add_remove".
constexpr const char* name_of(Neighbours neighbours) noexcept {
  return neighbours == Neighbours::replace_one ? "replace_one" : "add_remove";
}

}  // namespace lazygumbel
