// The symbol that every file compiled for this library refers to. Its name says what the library
// was built with.
#include "lazygumbel/core/types.hpp"

namespace lazygumbel::detail {

const int LAZYGUMBEL_DETAIL_ABI = LAZYGUMBEL_COMPILED;

}  // namespace lazygumbel::detail
