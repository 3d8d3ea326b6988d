#pragma once

#include <iosfwd>

#include "options.hpp"

namespace attention_tools {

/// Compares the methods on arrays from files, and prints.
void run_own_arrays(const Options& options, std::ostream& out);

}  // namespace attention_tools
