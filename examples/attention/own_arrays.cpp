#include "own_arrays.hpp"

#include <algorithm>
#include <cstdint>
#include <datasets.hpp>
#include <fstream>
#include <lazygumbel/attention/exact/exact_attention.hpp>
#include <ostream>
#include <output_files.hpp>
#include <stdexcept>
#include <string>
#include <text.hpp>

#include "measure.hpp"
#include "table.hpp"

namespace attention_tools {

namespace {

using lazygumbel::HeadsView;
using lazygumbel_datasets::Matrix;
using lazygumbel_tools::percent;
using lazygumbel_tools::text;

HeadsView<float> view_of(const Matrix& rows, std::size_t heads, const std::filesystem::path& path,
                         const char* option) {
  if (static_cast<std::size_t>(rows.cols()) % heads != 0)
    throw std::runtime_error(path.string() + ": " + std::to_string(rows.cols()) +
                             " columns are no multiple of " + option + ' ' + std::to_string(heads));
  return HeadsView<float>(rows, heads);
}

/// As NumPy's format 1.0: magic string, version, length of the header, the header, the numbers.
void write_npy(const std::filesystem::path& path, const Matrix& rows) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" +
                       std::to_string(rows.rows()) + ", " + std::to_string(rows.cols()) + "), }";
  constexpr std::size_t before = 10, alignment = 64;
  header.append((alignment - (before + header.size() + 1) % alignment) % alignment, ' ');
  header += '\n';
  std::ofstream file(path, std::ios::binary);
  file.write("\x93NUMPY\x01\x00", 8);
  file.put(static_cast<char>(header.size() & 0xff)).put(static_cast<char>(header.size() >> 8));
  file << header;
  file.write(reinterpret_cast<const char*>(rows.data()),
             static_cast<std::streamsize>(sizeof(float)) * rows.size());
  file.close();
  if (!file) throw std::runtime_error(path.string() + ": cannot be written");
}

}  // namespace

void run_own_arrays(const Options& options, std::ostream& out) {
  const Matrix q = lazygumbel_datasets::read_vectors(options.queries).rows,
               k = lazygumbel_datasets::read_vectors(options.keys).rows,
               v = lazygumbel_datasets::read_vectors(options.values).rows;
  const Input input{view_of(q, options.heads, options.queries, "--heads"),
                    view_of(k, options.kv_heads, options.keys, "--kv-heads"),
                    view_of(v, options.kv_heads, options.values, "--kv-heads")};
  if (!options.result.empty())
    lazygumbel_tools::require_writable({options.result},
                                       {options.queries, options.keys, options.values});

  lazygumbel::KnnAttentionOptions knn;
  knn.attention.scale = options.scale;
  knn.attention.threads = options.threads;
  if (options.causal) knn.attention.mask = lazygumbel::AttentionMask::causal();
  knn.accuracy = lazygumbel::Accuracy(options.epsilon, options.delta);
  knn.index = options.index;
  // What does not fit is found here, with exact attention, before anything is printed.
  const Run exact = in_one_call(input, Method::exact, knn, options.seed);

  out << input.queries.tokens() << " queries of " << input.queries.heads() << " heads, "
      << input.keys.tokens() << " keys of " << input.keys.heads() << ", " << input.keys.dimension()
      << " numbers each, values of " << input.values.dimension()
      << (options.causal ? "; causal" : "")
      << ".\nError: |output - exact| / |exact|; sampled: to be " << text(options.epsilon)
      << " at most, in " << percent(1.0 - options.delta, 0)
      << " of outputs. Top-k only: k = " << options.top_k << ".\n\n";

  const auto compare_all = [&](const Input& of, const Run& first, auto attend) {
    std::vector<Line> lines{line_of(Method::exact, first, first.output, options.epsilon)};
    Run run;
    for (const Method method : {Method::top_only, Method::sampled}) {
      auto with = knn;
      if (method == Method::top_only) with.top_k = (std::min)(options.top_k, of.keys.tokens());
      run = attend(of, method, with, options.seed);
      lines.push_back(line_of(method, run, first.output, options.epsilon));
    }
    print_table(out, lines, options.epsilon);
    return run;
  };
  out << "All queries in one call (builds are in the seconds)\n";
  const Run sampled = compare_all(input, exact, in_one_call);
  if (!options.causal) {
    const std::size_t few = (std::min)(options.one_by_one, input.queries.tokens());
    const Input some{input.queries.tokens(0, few), input.keys, input.values};
    out << '\n'
        << few << " queries one by one, against a cache (build: the cache, and the first query)\n";
    compare_all(some, one_by_one(some, Method::exact, knn, options.seed), one_by_one);
  }
  if (options.result.empty()) return;
  write_npy(options.result, sampled.output.values);
  out << "\noutputs  " << options.result.string() << '\n';
}

}  // namespace attention_tools
