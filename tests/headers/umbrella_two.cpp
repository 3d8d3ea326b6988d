#include <lazygumbel/lazygumbel.hpp>

const char* const* version_seen_by_the_other_file() { return &lazygumbel::version; }
