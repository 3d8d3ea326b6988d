#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "lazygumbel/core/types.hpp"

/// \file
/// Queries, keys and values for the attention benchmarks, and what the machine can do at most.

namespace bench {

/// One head: the logit of query i and key j is scale <q_i, k_j>.
struct AttentionProblem {
  lazygumbel::RowMatrix<float> queries, keys, values;
  double scale = 1.0;
};

/// n keys, n values and query_count queries, all of d dimensions; values are independent N(1, 1).
/// - "clusters": 256 centres, uniform on the unit sphere; a token is a centre drawn uniformly plus
///   Gaussian noise of root-mean-square length .3, scaled to unit length. scale = 9: logits are
///   about 8.3 within a cluster and N(0, 81 / d) across. When query_count == n, query i and key i
///   share their centre and nothing else.
/// - "glove100k" (d = 100): keys are the first n words' vectors, unit-normalised; queries are
/// random
///   words from behind those, or from all words when fewer than query_count are left there; when
///   query_count == n, the keys themselves. scale = 20.
/// - "gaussian_sigma2", "gaussian_sigma3": independent N(0, I) keys, and N(0, I) queries rescaled
///   so that the logits of each are N(0, sigma^2) over the keys. scale = 1 / sqrt(d).
///
/// The same for any number of threads; a smaller n gives the first keys and values of a larger one.
/// Nothing, with the reason in `why`, where there is no such data (no file, another d, too few
/// words). Throws std::invalid_argument for other names.
std::optional<AttentionProblem> attention_problem(const std::string& data, std::size_t d,
                                                  std::size_t n, std::size_t query_count,
                                                  std::uint64_t seed, std::string& why);

/// Bytes a second that one thread reads: the best of one, two and four streams in order (keys and
/// values are two, and one stream alone is not always the fastest), each the median of several sums
/// over `bytes` of floats, which should be many times the last cache.
double read_bandwidth(std::size_t bytes = std::size_t{1} << 29);

/// Floating-point operations a second of one thread, 2 a multiply-add: the best of several loops
/// that stay in registers, in the widest vectors that Eigen was compiled for.
double fma_peak();

}  // namespace bench
