#pragma once

#include <cstddef>
#include <datasets.hpp>
#include <string>
#include <vector>

#include "options.hpp"

namespace kv_tools {

using lazygumbel_datasets::Matrix;

/// A stream of tokens, in order, and what is asked when all of them have been seen.
struct Problem {
  std::string name;     ///< one word: of a panel, and in the file of numbers
  std::string caption;  ///< a line for the picture
  std::string source;   ///< a sentence for a person: where the tokens come from
  Matrix keys, values, queries;
  double scale = 1.0;  ///< scores are scale <query, key>

  std::size_t tokens() const { return static_cast<std::size_t>(keys.rows()); }
  std::size_t asked() const { return static_cast<std::size_t>(queries.rows()); }
  /// Bytes that the keys and values of all tokens take.
  double exact_bytes() const {
    return static_cast<double>(keys.size() + values.size()) * sizeof(float);
  }
};

/// What the options ask for: the four generators, or one problem from files.
std::vector<Problem> load_problems(const Options& options, std::ostream& out);

// The generators: n tokens of d numbers, m queries. Each depends on the seed alone.

/// 128 centres, uniform on the unit sphere; a key is a centre with Gaussian noise of length .3,
/// made a unit vector; its value is a Gaussian one of the centre plus Gaussian noise of half that
/// size. The stream is cut into 16 parts, each of which has 8 of the centres to itself, with shares
/// that are proportional to 1, 1/4, 1/9, .. 1/64. A query is made as a key is, of any centre, all
/// alike: score 9 <query, key>.
Problem clustered(std::size_t n, std::size_t d, std::size_t m, std::uint64_t seed);

/// Keys and queries uniform on the sphere, scores of deviation .25, Gaussian values of mean 0: the
/// output is the mean of n values, nearly 0, and any sample of them is mostly noise.
Problem flat(std::size_t n, std::size_t d, std::size_t m, std::uint64_t seed);

/// As `clustered`, with 64 centres that are all alike in every part of the stream, but for 32
/// tokens at random places whose keys are uniform on the sphere and 1.5 long. A query points to one
/// of these with noise of length .1, and is so long that the one key has about nine tenths of the
/// weight.
Problem needles(std::size_t n, std::size_t d, std::size_t m, std::uint64_t seed);

/// Gaussian keys and queries, scores of deviation 2; a value is its key. Far from one another, the
/// keys share no representatives.
Problem unclusterable(std::size_t n, std::size_t d, std::size_t m, std::uint64_t seed);

// From files.

/// Arrays of the user's own; without queries, keys take their place.
Problem own_arrays(const Options& options);

/// The words of a text: keys and values are their vectors, made unit vectors; the queries are those
/// of its last words, which are no tokens.
Problem words(const Options& options, const std::filesystem::path& vectors);

}  // namespace kv_tools
