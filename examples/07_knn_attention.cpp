/// Attention by the keys that count and a sample of the others: what it costs and how far off it
/// is.
///
///   07_knn_attention            classifies Fashion-MNIST's test images by attention over its
///                               training images: a table and two pictures (--quick: on a part)
///   07_knn_attention --queries q.npy --keys k.npy --values v.npy [--causal]
///                               your own arrays; --help lists the options

#include <exception>
#include <iostream>
#include <new>

#include "attention/classifier.hpp"
#include "attention/options.hpp"
#include "attention/own_arrays.hpp"

int main(int argc, char** argv) try {
  attention_tools::Options options;
  if (const auto code = attention_tools::parse(argc, argv, options)) return *code;
  if (!options.own_files()) return attention_tools::run_classifier(options, std::cout);
  attention_tools::run_own_arrays(options, std::cout);
  return 0;
} catch (const std::bad_alloc&) {
  std::cerr << "error: out of memory\n";
  return 1;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
