#include "classifier.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <lazygumbel/attention/exact/exact_attention.hpp>
#include <ostream>
#include <output_files.hpp>
#include <run_program.hpp>
#include <stdexcept>
#include <string>
#include <text.hpp>
#include <vector>

#include "measure.hpp"
#include "problem.hpp"
#include "table.hpp"

namespace attention_tools {

namespace {

using lazygumbel::AttentionOutput;
using lazygumbel::HeadsView;
using lazygumbel::KnnAttentionOptions;
using lazygumbel_tools::fixed;
using lazygumbel_tools::percent;
using lazygumbel_tools::right;
using lazygumbel_tools::text;

/// Keys, values and queries of the classifier, as attention takes them.
struct Classifier {
  const Problem& problem;
  Matrix values;

  explicit Classifier(const Problem& of)
      : problem(of), values(one_hot(of.train.labels, of.classes)) {}
  /// The first `keys` training and `queries` test images.
  Input input(std::size_t keys, std::size_t queries) const {
    return {HeadsView<float>(problem.test.rows).tokens(0, queries),
            HeadsView<float>(problem.train.rows).tokens(0, keys),
            HeadsView<float>(values).tokens(0, keys)};
  }
  Input all() const { return input(problem.train.size(), problem.test.size()); }
};

KnnAttentionOptions options_of(const Options& options, double temperature) {
  KnnAttentionOptions knn;
  knn.attention.scale = 1.0 / temperature;
  knn.attention.threads = options.threads;
  knn.accuracy = lazygumbel::Accuracy(options.epsilon, options.delta);
  knn.index = options.index;
  knn.sinks = knn.window = 0;  // images have no order
  return knn;
}

/// `knn` without a target: at most `top_k` keys for certain, and so many draws.
KnnAttentionOptions budget(KnnAttentionOptions knn, std::size_t top_k, std::size_t tail) {
  knn.accuracy.reset();
  knn.top_k = top_k;
  knn.tail_samples = tail;
  return knn;
}

/// The temperature of least log loss for the last training images, by attention over the others.
double choose_temperature(const Problem& problem, const Options& options, std::ostream& out) {
  const std::size_t held_out = (std::min)(std::size_t{1000}, problem.train.size() / 10);
  const std::size_t kept = problem.train.size() - held_out;
  const Labelled queries = problem.train.part(kept, held_out);
  const Matrix values = one_hot(problem.train.labels, problem.classes);
  out << "Temperature, chosen by log loss on " << held_out
      << " training images that are no keys meanwhile\n  temperature  log loss  accuracy\n";
  double best = 0.0, least = 0.0;
  for (const double temperature : {0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1}) {
    lazygumbel::AttentionOptions attention;
    attention.scale = 1.0 / temperature;
    attention.threads = options.threads;
    const Matrix outputs = exact_attention(HeadsView<float>(queries.rows),
                                           HeadsView<float>(problem.train.rows).tokens(0, kept),
                                           HeadsView<float>(values).tokens(0, kept), attention)
                               .values;
    const double loss = log_loss(outputs, queries.labels);
    out << right(text(temperature), 13) << right(fixed(loss, 4), 10)
        << right(percent(accuracy(outputs, queries.labels)), 10) << '\n';
    if (best == 0.0 || loss < least) {
      best = temperature;
      least = loss;
    }
  }
  out << '\n';
  return best;
}

/// All methods on the same queries, by `attend`.
template <class Attend>
std::vector<Line> lines_of(const Classifier& classifier, const Input& input,
                           const KnnAttentionOptions& knn, const Options& options, Attend attend) {
  std::vector<unsigned char> labels = classifier.problem.test.labels;
  labels.resize(input.queries.tokens());
  std::vector<Line> lines;
  AttentionOutput exact;
  for (const Method method : {Method::exact, Method::top_only, Method::sampled}) {
    KnnAttentionOptions with = knn;
    if (method == Method::top_only) with.top_k = (std::min)(options.top_k, input.keys.tokens());
    Run run = attend(input, method, with, options.seed);
    if (method == Method::exact) exact = run.output;
    lines.push_back(line_of(method, run, exact, options.epsilon));
    lines.back().accuracy = accuracy(run.output.values, labels);
  }
  return lines;
}

void finish(std::ofstream& file, const std::filesystem::path& path) {
  file.close();
  if (!file) throw std::runtime_error(path.string() + ": cannot be written");
}

/// Error against rows touched, of several budgets, for queries that are answered one by one: at the
/// temperature of `knn` and at five times it, where attention is spread over many more keys.
void write_errors(const Classifier& classifier, const KnnAttentionOptions& knn,
                  const Options& options) {
  const std::size_t queries =
      (std::min)({classifier.problem.test.size(), options.one_by_one, std::size_t{300}});
  const Input input = classifier.input(classifier.problem.train.size(), queries);
  std::ofstream file(options.error_numbers(), std::ios::binary);
  file << "temperature,budget,top_keys,top_error,sampled_keys,sampled_error\n";
  for (const double factor : {1.0, 5.0}) {
    KnnAttentionOptions at = knn;
    at.attention.scale = *knn.attention.scale / factor;
    const AttentionOutput exact = in_one_call(input, Method::exact, at, options.seed).output;
    const auto of = [&](Method method, std::size_t top_k, std::size_t tail) {
      return compare(one_by_one(input, method, budget(at, top_k, tail), options.seed).output, exact,
                     options.epsilon);
    };
    for (std::size_t rows = 32; rows <= input.keys.tokens() / 4 && rows <= 8192; rows *= 2) {
      const Comparison top = of(Method::top_only, rows, 16),
                       both = of(Method::sampled, rows / 2, rows / 2);
      file << 1.0 / *at.attention.scale << ',' << rows << ',' << top.keys << ',' << top.mean << ','
           << both.keys << ',' << both.mean << '\n';
    }
  }
  finish(file, options.error_numbers());
}

/// Microseconds a query against the number of keys.
void write_times(const Classifier& classifier, const KnnAttentionOptions& knn,
                 const Options& options) {
  const std::size_t all = classifier.problem.train.size(), batch = classifier.problem.test.size(),
                    few = (std::min)({batch, options.one_by_one, std::size_t{200}});
  std::ofstream file(options.time_numbers(), std::ios::binary);
  file << "keys,exact_batch,sampled_batch,exact_one,sampled_one\n";
  for (const std::size_t keys : {all / 10, all / 5, all / 2, all}) {
    file << keys;
    for (const Method method : {Method::exact, Method::sampled})
      file << ','
           << 1e6 * in_one_call(classifier.input(keys, batch), method, knn, options.seed).seconds /
                  static_cast<double>(batch);
    for (const Method method : {Method::exact, Method::sampled})
      file << ','
           << 1e6 * one_by_one(classifier.input(keys, few), method, knn, options.seed).seconds /
                  static_cast<double>(few);
    file << '\n';
  }
  finish(file, options.time_numbers());
}

/// In one sentence; false where the target was missed by far.
bool judge(const std::vector<Line>& lines, const Options& options, std::ostream& out) {
  const Line &exact = lines.front(), &sampled = lines.back();
  const double points = 100.0 * (*sampled.accuracy - *exact.accuracy);
  const double faster = exact.seconds / (sampled.build + sampled.seconds);
  out << "  Sampled: " << fixed(points, 2) << " points of accuracy beside exact, in "
      << (faster >= 1.0 ? text(faster, 3) + " times less" : text(1.0 / faster, 3) + " times more")
      << " time.\n\n";
  return sampled.comparison.mean <= 2.0 * options.epsilon;
}

}  // namespace

int run_classifier(const Options& options, std::ostream& out) {
  std::filesystem::create_directories(options.output);
  lazygumbel_tools::require_writable({options.error_numbers(), options.error_picture(),
                                      options.time_numbers(), options.time_picture()},
                                     {});
  const Problem problem = load_problem(options.training_images, options.images, options.seed);
  const Classifier classifier(problem);
  out << problem.name << " (" << problem.source << "): " << problem.train.size() << " keys, "
      << problem.test.size() << " queries, " << problem.train.rows.cols()
      << " numbers each, of unit length; " << problem.classes << " classes.\n"
      << "The output for a query is the mean of the keys' classes, weighed by exp(<query, key> / "
         "temperature).\n\n";
  const double temperature =
      options.temperature ? *options.temperature : choose_temperature(problem, options, out);
  const KnnAttentionOptions knn = options_of(options, temperature);
  out << "Temperature " << text(temperature)
      << ". Error: |output - exact| / |exact|; sampled: to be " << text(options.epsilon)
      << " at most, in " << percent(1.0 - options.delta, 0)
      << " of queries. Top-k only: k = " << options.top_k << ".\n\n";

  out << "All " << problem.test.size() << " queries in one call (builds are in the seconds)\n";
  const auto batch = lines_of(classifier, classifier.all(), knn, options, in_one_call);
  print_table(out, batch, options.epsilon);
  bool good = judge(batch, options, out);

  const std::size_t few = (std::min)(options.one_by_one, problem.test.size());
  out << few
      << " queries one by one, against a cache of the keys (build: the cache, and the first "
         "query)\n";
  const auto single =
      lines_of(classifier, classifier.input(problem.train.size(), few), knn, options, one_by_one);
  print_table(out, single, options.epsilon);
  good = judge(single, options, out) && good;

  const std::string keys = std::to_string(problem.train.size());
  write_errors(classifier, knn, options);
  out << "error against rows: "
      << lazygumbel_tools::run_gnuplot(
             LAZYGUMBEL_PLOT_ATTENTION_SCRIPT, options.error_numbers(), options.error_picture(),
             {"error", "Attention over " + keys + " keys: error against rows touched",
              problem.name + "; mean over queries of |output - exact| / |exact|"})
      << std::endl;
  write_times(classifier, knn, options);
  out << "time against keys:  "
      << lazygumbel_tools::run_gnuplot(
             LAZYGUMBEL_PLOT_ATTENTION_SCRIPT, options.time_numbers(), options.time_picture(),
             {"time", "Attention: time of a query against the number of keys",
              problem.name + ", temperature " + text(temperature) + "; sampled to an error of " +
                  percent(options.epsilon, 0)})
      << '\n';
  if (good) return 0;
  out << "The mean error of the sampled outputs is more than twice the target.\n";
  return 1;
}

}  // namespace attention_tools
