#include <algorithm>
#include <cctype>
#include <cmath>
#include <file_input.hpp>
#include <ostream>
#include <stdexcept>
#include <text.hpp>
#include <unordered_map>
#include <utility>

#include "problem.hpp"

namespace kv_tools {

namespace {

namespace fs = std::filesystem;
using lazygumbel_datasets::Dataset;
using lazygumbel_datasets::detail::fail;

constexpr std::size_t fewest_tokens = 256;

void require_tokens(const fs::path& path, std::size_t tokens) {
  if (tokens < fewest_tokens)
    fail(path, std::to_string(tokens) + " tokens; " + std::to_string(fewest_tokens) +
                   " are needed for caches of .5% to 20%");
}

/// At most `most` rows, evenly taken.
Matrix evenly(const Matrix& rows, std::size_t most) {
  const auto count = (std::min)(rows.rows(), static_cast<Eigen::Index>(most));
  Matrix taken(count, rows.cols());
  for (Eigen::Index i = 0; i < count; ++i) taken.row(i) = rows.row(i * rows.rows() / count);
  return taken;
}

/// Vectors with their words: in the file itself, or in one beside it, a word a line.
Dataset read_word_vectors(const fs::path& path) {
  Dataset data = lazygumbel_datasets::read_vectors(path);
  if (!data.labels.empty()) return data;
  const fs::path list = fs::path(path).replace_extension(".words");
  auto stream = lazygumbel_datasets::detail::open_file(list).stream;
  const auto rows = static_cast<std::size_t>(data.rows.rows());
  for (std::string line; std::getline(stream, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (data.labels.size() == rows)
      fail(list,
           "holds more words than " + path.string() + " has vectors, " + std::to_string(rows));
    data.labels.push_back(line);
  }
  if (data.labels.size() < rows)
    fail(list, "holds " + std::to_string(data.labels.size()) + " words, but " + path.string() +
                   " has " + std::to_string(rows) + " vectors");
  return data;
}

/// The words of a text, in lower case: letters, digits and bytes beyond ASCII in a row, and
/// punctuation, each sign by itself.
std::vector<std::string> split_words(const fs::path& path) {
  auto stream = lazygumbel_datasets::detail::open_file(path).stream;
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(std::exchange(word, {}));
  };
  for (char sign = 0; stream.get(sign);) {
    const auto byte = static_cast<unsigned char>(sign);
    if (byte >= 128 || std::isalnum(byte) != 0) {
      word.push_back(byte >= 128 ? sign : static_cast<char>(std::tolower(byte)));
      continue;
    }
    end_word();
    if (std::ispunct(byte) != 0) words.emplace_back(1, sign);
  }
  end_word();
  if (stream.bad()) fail(path, "reading failed");
  return words;
}

}  // namespace

Problem own_arrays(const Options& options) {
  Problem problem{.name = "arrays"};
  problem.keys = lazygumbel_datasets::read_vectors(options.keys).rows;
  problem.values = lazygumbel_datasets::read_vectors(options.values).rows;
  require_tokens(options.keys, problem.tokens());
  if (problem.values.rows() != problem.keys.rows())
    fail(options.values, std::to_string(problem.values.rows()) + " rows, but " +
                             options.keys.string() + " has " + std::to_string(problem.tokens()));
  const Matrix queries = options.queries.empty()
                             ? problem.keys
                             : lazygumbel_datasets::read_vectors(options.queries).rows;
  if (queries.cols() != problem.keys.cols())
    fail(options.queries, std::to_string(queries.cols()) + " columns, but " +
                              options.keys.string() + " has " +
                              std::to_string(problem.keys.cols()));
  problem.queries = evenly(queries, options.most_queries);
  problem.scale = options.scale.value_or(1.0 / std::sqrt(static_cast<double>(problem.keys.cols())));
  const std::string name = options.keys.filename().string();
  problem.caption = std::to_string(problem.tokens()) + " tokens of " + name;
  problem.source =
      std::to_string(problem.tokens()) + " tokens of " + std::to_string(problem.keys.cols()) +
      " and " + std::to_string(problem.values.cols()) + " numbers from " + name + " and " +
      options.values.filename().string() + ", " + std::to_string(problem.asked()) + " of " +
      std::to_string(queries.rows()) + " queries" + (options.queries.empty() ? " (the keys)" : "");
  return problem;
}

Problem words(const Options& options, const fs::path& vectors) {
  const Dataset known = read_word_vectors(vectors);
  std::unordered_map<std::string, Eigen::Index> row_of;
  for (std::size_t i = 0; i < known.labels.size(); ++i)
    row_of.emplace(known.labels[i], static_cast<Eigen::Index>(i));
  const std::vector<std::string> text = split_words(options.text);
  std::vector<Eigen::Index> rows;
  for (const std::string& word : text)
    if (const auto found = row_of.find(word); found != row_of.end()) rows.push_back(found->second);
  const std::size_t asked = (std::min)(options.most_queries, rows.size() / 8);
  require_tokens(options.text, rows.size() - asked);

  Problem problem{.name = "text"};
  Matrix all = known.rows(rows, Eigen::all);
  try {
    lazygumbel_datasets::normalise_rows(all);
  } catch (const std::invalid_argument& error) {
    fail(vectors, std::string("the vectors of the text's words: ") + error.what());
  }
  const auto m = static_cast<Eigen::Index>(asked);
  problem.keys = problem.values = all.topRows(all.rows() - m);
  problem.queries = all.bottomRows(m);
  problem.scale = options.scale.value_or(10.0);
  const std::string name = options.text.filename().string();
  problem.caption = std::to_string(problem.tokens()) + " words of " + name;
  problem.source = "the words of " + name + " by their vectors in " + vectors.filename().string() +
                   ", " + std::to_string(all.cols()) + " numbers, of unit length; " +
                   std::to_string(problem.tokens()) + " tokens, then " + std::to_string(asked) +
                   " queries; without " + std::to_string(text.size() - rows.size()) + " of " +
                   std::to_string(text.size()) + " words that have no vector";
  return problem;
}

std::vector<Problem> load_problems(const Options& options, std::ostream& out) {
  std::vector<Problem> problems;
  if (!options.keys.empty()) {
    problems.push_back(own_arrays(options));
    return problems;
  }
  if (!options.text.empty()) {
    const auto vectors = options.glove.empty()
                             ? lazygumbel_datasets::find_shared_data("glove-100d-100k.fvecs")
                             : std::optional(options.glove);
    if (vectors) {
      problems.push_back(words(options, *vectors));
      return problems;
    }
    lazygumbel_datasets::detail::open_file(options.text);
    out << "The text is skipped: no vectors of words. --glove names them; or\n"
           "glove-100d-100k.fvecs and .words in the folder $LAZYGUMBEL_DATA. Made-up tokens "
           "instead.\n\n";
  }
  for (const auto make : {clustered, flat, needles, unclusterable})
    problems.push_back(make(options.n, options.d, options.most_queries, options.seed));
  return problems;
}

}  // namespace kv_tools
