#include "options.hpp"

#include <CLI/CLI.hpp>
#include <cmath>
#include <command_line.hpp>

namespace attention_tools {

namespace {

using lazygumbel::KeyIndex;
using lazygumbel_tools::require;
using lazygumbel_tools::whole_number;

constexpr const char* description =
    "Attention by the keys that count and a sample of the others, beside exact attention.\n"
    "\n"
    "Without arrays: classifies the test images of Fashion-MNIST by attention over its training\n"
    "images (the Nadaraya-Watson kernel classifier), prints accuracy, error and time of exact\n"
    "attention, of the top k keys alone and of top keys with a sampled tail, and draws error\n"
    "against rows touched and time against the number of keys. Where the data set is not\n"
    "installed, made-up clusters take its place.\n"
    "\n"
    "With --queries, --keys and --values (.npy, float32 or float64, one token a row, heads side "
    "by\n"
    "side): the same comparison on your arrays.";

void check(const CLI::App& app, Options& options) {
  const bool own = app.count("--queries") > 0;
  for (const char* name : {"--queries", "--keys", "--values"})
    if ((app.count(name) > 0) !=
        (app.count("--queries") + app.count("--keys") + app.count("--values") > 0))
      throw CLI::RequiredError(std::string(name) + " (queries, keys and values go together)");
  for (const char* name : {"--heads", "--kv-heads", "--causal", "--scale", "--out"})
    require(app, name, own, "goes with --queries, --keys and --values");
  for (const char* name : {"--training-images", "--images", "--temperature", "--quick", "--output"})
    require(app, name, !own, "is of the classifier: goes without arrays");
  const auto positive = [&](const char* name, double value, double below) {
    if (!(value > 0.0 && value < below))
      throw CLI::ValidationError(name, below == 1.0 ? "must lie in (0, 1)" : "must be above 0");
  };
  positive("--epsilon", options.epsilon, 1e6);
  positive("--delta", options.delta, 1.0);
  if (options.temperature) positive("--temperature", *options.temperature, 1e6);
  if (options.scale && !std::isfinite(*options.scale))
    throw CLI::ValidationError("--scale", "must be finite");
  for (const auto& [name, value] :
       {std::pair("--heads", options.heads), std::pair("--kv-heads", options.kv_heads),
        std::pair("--images", options.images), std::pair("--top-k", options.top_k),
        std::pair("--one-by-one", options.one_by_one)})
    if (value == 0) throw CLI::ValidationError(name, "must be at least 1");
  if (options.training_images < 200)
    throw CLI::ValidationError("--training-images", "must be at least 200");
  if (options.threads > 1024) throw CLI::ValidationError("--threads", "must be at most 1024");
  if (app.count("--kv-heads") == 0) options.kv_heads = options.heads;
  if (!options.quick) return;
  if (app.count("--training-images") == 0) options.training_images = 12'000;
  if (app.count("--images") == 0) options.images = 1'000;
  if (app.count("--one-by-one") == 0) options.one_by_one = 200;
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
  add("--queries", options.queries, "NPY", "Your queries: m rows of heads x d numbers");
  add("--keys", options.keys, "NPY", "Your keys: n rows of kv-heads x d numbers");
  add("--values", options.values, "NPY", "Your values: n rows of kv-heads x dv numbers");
  add_count("--heads", options.heads, "Heads of the queries (default: 1)");
  add_count("--kv-heads", options.kv_heads,
            "Heads of keys and values, a divisor of --heads (default:\nas many)");
  app.add_flag("--causal", options.causal,
               "Query i of m sees the keys 0 .. n - m + i (default: all)");
  add("--scale", options.scale, "X", "Scores are scale <query, key> (default: 1 / sqrt(d))");
  add("--out", options.result, "NPY", "Write the sampled outputs here");
  add_count("--training-images", options.training_images,
            "Of the classifier: keys (default: 60000, all)");
  add_count("--images", options.images, "Of the classifier: queries (default: 10000, all)");
  add("--temperature", options.temperature, "X",
      "Of the classifier: scores are inner products / X (default:\nchosen on training images)");
  app.add_flag("--quick", options.quick, "12000 training images, 1000 test images: some seconds");
  add("--output", options.output, "DIR", "Where pictures and their numbers go (default: here)");
  add("--epsilon", options.epsilon, "X",
      "Sampling: relative error of an output wanted (default: 0.02)");
  add("--delta", options.delta, "X", "and how often it may be missed (default: 0.1)");
  add_count("--top-k", options.top_k, "Keys of top-k alone (default: 256)");
  add_count("--one-by-one", options.one_by_one,
            "Queries also answered one after the other, against a\ncache (default: 1000)");
  lazygumbel_tools::add_choice<KeyIndex>(
      app, "--index", options.index,
      {{"auto", KeyIndex::automatic}, {"codes", KeyIndex::codes}, {"lists", KeyIndex::lists}},
      "What finds large scores: auto (default), codes of all\n"
      "keys, lists of near keys");
  add_count("--seed", options.seed, "Of all that is drawn (default: 1)");
  add_count("--threads", options.threads, "Threads (default: 1; 0: all)");
  return lazygumbel_tools::parse(app, argc, argv, [&] { check(app, options); });
}

}  // namespace attention_tools
