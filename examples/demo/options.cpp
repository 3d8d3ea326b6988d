#include "options.hpp"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <command_line.hpp>
#include <iostream>
#include <string>

namespace demo {

namespace {

/// CLI11's own range checks let NaN and infinity through.
std::string finite_and_not_negative(const std::string& text) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && std::isfinite(value) && value >= 0.0
             ? ""
             : "'" + text + "' is not a finite number of at least 0";
}

std::string finite_and_positive(const std::string& text) {
  const std::string wrong = finite_and_not_negative(text);
  return wrong.empty() && std::stod(text) == 0.0 ? "must be above 0" : wrong;
}

}  // namespace

std::optional<int> parse(int argc, char** argv, Options& options) {
  CLI::App app(
      "Draws from a softmax over real vectors, by exhaustive scan and by the lazy sampler, and "
      "compares cost and law.");
  app.add_option("--vectors", options.vectors,
                 "Your vectors: .fvecs, .npy (float32 or float64, C order), or text with "
                 "'word v1 v2 ...' on each line. Default: Fashion-MNIST")
      ->check(CLI::ExistingFile);
  app.add_option("--out", options.out, "Folder for the pictures' data")->capture_default_str();
  app.add_flag("--normalise,!--no-normalise", options.normalise,
               "Scale the rows of --vectors to length 1, or leave them (default: scale)");
  app.add_option("--temperature", options.temperature, "Scores are <query, row> / temperature")
      ->check(finite_and_positive)
      ->capture_default_str();
  app.add_option(
         "--index", options.index,
         "codes (a scan of 4-bit rows, certified), hnsw (fewest rows looked at, no proof) or "
         "flat (a scan of the rows, certified)")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Options::Index>{{"hnsw", Options::Index::hnsw},
                                                {"codes", Options::Index::codes},
                                                {"flat", Options::Index::flat}}))
      ->default_str("codes");
  app.add_option("--k", options.k, "Rows to retrieve per query (default: tuned)");
  app.add_option("--ef", options.ef, "Beam width of the graph search (default: tuned)");
  app.add_option("--gap", options.gap, "Added to the bound on the scores not retrieved")
      ->check(finite_and_not_negative)
      ->capture_default_str();
  app.add_option("--queries", options.queries, "Test queries, random rows")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Of everything random")->capture_default_str();
  app.add_option("--threads", options.threads, "For building and checking (default: all)");
  app.add_flag("--quick", options.quick, "At most 15,000 rows, fewer queries and draws");
  if (const auto code = lazygumbel_tools::parse(app, argc, argv, [] {})) return code;
  if (options.quick && app.count("--queries") == 0) options.queries = 60;
  return std::nullopt;
}

}  // namespace demo
