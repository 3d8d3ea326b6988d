#pragma once

#include <iosfwd>

#include "options.hpp"

namespace attention_tools {

/// Compares the methods on the kernel classifier, prints and draws. Returns the exit code: 1 where
/// sampling missed its target by far.
int run_classifier(const Options& options, std::ostream& out);

}  // namespace attention_tools
