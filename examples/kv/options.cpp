#include "options.hpp"

#include <CLI/CLI.hpp>
#include <cmath>
#include <command_line.hpp>

namespace kv_tools {

namespace {

using lazygumbel_tools::require;
using lazygumbel_tools::whole_number;

constexpr const char* description =
    "Error of a compressed KV cache against its memory.\n"
    "\n"
    "Streams tokens through every cache: exact; SubGen with four of its estimators; a sliding\n"
    "window, plain and with unmasked values; a uniform sample of the tokens. Each gets several\n"
    "sizes, from .5% to 20% of the exact cache. Then queries attend to all tokens, and the "
    "outputs\n"
    "are compared with attention over all of them in double precision. Prints a table and draws\n"
    "error against memory.\n"
    "\n"
    "Without files, four streams are made up (d numbers a token; N: Gaussian):\n"
    "  clustered      128 centres on the unit sphere, 8 of them in each sixteenth of the stream,\n"
    "                 of sizes as 1, 1/4, 1/9, .. 1/64; key = centre + noise of length .3, made a\n"
    "                 unit vector; value = N(0, 1) of the centre + N(0, 1/4); queries as keys, "
    "but\n"
    "                 of all centres alike; score = 9 <query, key>\n"
    "  flat           keys and queries uniform on the sphere, scores of deviation .25, values\n"
    "                 N(0, 1): the output is nearly 0, a sample mostly noise\n"
    "  needles        64 such centres everywhere, and 32 lone keys, uniform on a sphere of radius\n"
    "                 1.5; a query points to one of those, which has about 9/10 of the weight\n"
    "  unclusterable  keys and queries N(0, 1), scores of deviation 2, value = key\n"
    "\n"
    "With --keys and --values (.npy, .fvecs, or text with a word before each row): your own "
    "tokens\n"
    "in the order of the rows. With --text: the words of a text, as vectors of unit length.";

void check(const CLI::App& app, Options& options) {
  const auto given = [&](const char* name) { return app.count(name) > 0; };
  const bool arrays = given("--keys") || given("--values") || given("--queries");
  for (const char* name : {"--keys", "--values"})
    if (arrays && !given(name))
      throw CLI::RequiredError(std::string(name) + " (keys and values go together)");
  require(app, "--text", !arrays, "goes without arrays");
  require(app, "--glove", given("--text"), "goes with --text");
  require(app, "--scale", arrays || given("--text"), "goes with arrays or --text");
  for (const char* name : {"--n", "--d"})
    require(app, name, !arrays && !given("--text"),
            "is of the made-up streams: goes without files");
  if (options.scale && !std::isfinite(*options.scale))
    throw CLI::ValidationError("--scale", "must be finite");
  if (options.radius && !(*options.radius >= 0.0))
    throw CLI::ValidationError("--radius", "must be at least 0");
  if (options.quick) {
    if (!given("--n")) options.n = 8'192;
    if (!given("--most-queries")) options.most_queries = 64;
  }
  const auto in_range = [](const char* name, std::size_t value, std::size_t low, std::size_t high) {
    if (value < low || value > high)
      throw CLI::ValidationError(
          name, "must lie in " + std::to_string(low) + " .. " + std::to_string(high));
  };
  in_range("--n", options.n, 1'024, std::size_t{1} << 24);
  in_range("--d", options.d, 2, 4'096);
  in_range("--most-queries", options.most_queries, 1, 100'000);
  if (options.threads > 1024) throw CLI::ValidationError("--threads", "must be at most 1024");
}

}  // namespace

std::optional<int> parse(int argc, char** argv, Options& options) {
  CLI::App app(description);
  const auto add = [&](const char* name, auto& value, const char* type, const char* help) {
    return app.add_option(name, value, help)->type_name(type);
  };
  const auto add_count = [&](const char* name, auto& value, const char* help) {
    add(name, value, "N", help)->check(whole_number);
  };
  add_count("--n", options.n, "Made-up tokens (default: 65536)");
  add_count("--d", options.d, "and numbers of a key, a value, a query (default: 64)");
  add("--keys", options.keys, "FILE", "Your keys: n rows of d numbers");
  add("--values", options.values, "FILE", "Your values: n rows of dv numbers");
  add("--queries", options.queries, "FILE",
      "Your queries: m rows of d numbers (default: some of the keys)");
  add("--text", options.text, "FILE",
      "A text: keys and values are the vectors of its words, queries\nthose of its last ones");
  add("--glove", options.glove, "FILE",
      "Vectors of words: .fvecs or .npy, with the words in a file of\n"
      "that name that ends in .words, one a line; or text, \"word v1\n"
      "v2 ...\" (default: glove-100d-100k.fvecs in $LAZYGUMBEL_DATA)");
  add("--scale", options.scale, "X",
      "Scores are X <query, key> (default: 1 / sqrt(d); of a text: 10)");
  add_count("--most-queries", options.most_queries,
            "Queries asked; of more, so many are taken evenly (default:\n256)");
  add("--radius", options.radius, "X",
      "Keys farther than this from every representative open a\n"
      "cluster (default: 1.6 times the median distance of 2048\n"
      "keys, taken evenly, to the nearest other one of these)");
  add_count("--seed", options.seed, "Of all that is drawn (default: 1)");
  add_count("--threads", options.threads, "Threads (default: 1; 0: all)");
  app.add_flag("--quick", options.quick, "8192 tokens, 64 queries: some seconds");
  add("--output", options.output, "DIR", "Where the picture and its numbers go (default: here)");
  return lazygumbel_tools::parse(app, argc, argv, [&] { check(app, options); });
}

}  // namespace kv_tools
