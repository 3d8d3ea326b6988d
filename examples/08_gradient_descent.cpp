/// Learns what attention looks at: the projection q = W x, k = W x of a kernel classifier, by
/// gradient descent with exact gradients, and beside it with the gradients of sampled attention.
///
///   08_gradient_descent           on a part of Fashion-MNIST, some seconds
///   08_gradient_descent --full    with 40,000 keys, some minutes; --help lists the options

#include <CLI/CLI.hpp>
#include <algorithm>
#include <command_line.hpp>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <new>
#include <optional>
#include <output_files.hpp>
#include <run_program.hpp>
#include <stdexcept>
#include <string>
#include <text.hpp>
#include <vector>

#include "attention/problem.hpp"
#include "attention/training.hpp"

namespace {

using namespace attention_tools;
using lazygumbel_tools::fixed;
using lazygumbel_tools::left;
using lazygumbel_tools::percent;
using lazygumbel_tools::right;
using lazygumbel_tools::text;

struct Options {
  TrainingOptions training{};
  std::size_t keys = 10'000, held_out = 20'000, test = 1'000;
  bool full = false, separate = false;
  std::filesystem::path output = ".";

  std::filesystem::path numbers() const { return output / "gradient_descent.csv"; }
  std::filesystem::path picture() const { return output / "gradient_descent.png"; }
};

/// What was not named on the command line is larger with --full.
void set_full(const CLI::App& app, Options& options) {
  const auto set = [&](const char* name, std::size_t& value, std::size_t full) {
    if (app.count(name) == 0) value = full;
  };
  set("--keys", options.keys, 40'000);
  set("--test", options.test, 10'000);
  set("--dimension", options.training.dimension, 64);
  set("--batch", options.training.batch, 2'000);
  set("--steps", options.training.steps, 150);
  options.training.report_every = 10;
}

void check(Options& options) {
  TrainingOptions& training = options.training;
  for (const auto& [name, value] :
       {std::pair("--keys", options.keys), std::pair("--held-out", options.held_out),
        std::pair("--test", options.test), std::pair("--dimension", training.dimension),
        std::pair("--batch", training.batch), std::pair("--steps", training.steps)})
    if (value == 0 || value > 60'000) throw CLI::ValidationError(name, "must lie in 1 .. 60000");
  if (options.keys + options.held_out > 60'000)
    throw CLI::ValidationError("--held-out", "and --keys are more than the 60000 training images");
  if (training.batch > options.held_out)
    throw CLI::ValidationError("--batch", "exceeds --held-out");
  if (training.attention.tail_samples < 16)
    throw CLI::ValidationError("--tail", "must be at least 16");
  for (const auto& [name, value] :
       {std::pair("--temperature", training.temperature), std::pair("--rate", training.rate)})
    if (!(value > 0.0 && value <= 1e6)) throw CLI::ValidationError(name, "must lie in (0, 1e6]");
}

std::optional<int> parse(int argc, char** argv, Options& options) {
  CLI::App app(
      "Trains the projection of a kernel classifier, q = W x and k = W x, by gradient descent on\n"
      "the log loss of held-out images whose class attention over the keys predicts: once with\n"
      "exact gradients, once with those of sampled attention, from the same start on the same\n"
      "batches. Prints and draws the loss. Made-up clusters where Fashion-MNIST is not installed.");
  TrainingOptions& training = options.training;
  const auto add_count = [&](const char* name, auto& value, const char* help) {
    app.add_option(name, value, help)->type_name("N")->check(lazygumbel_tools::whole_number);
  };
  app.add_flag("--full", options.full, "The sizes in brackets below: some minutes");
  add_count("--keys", options.keys, "Training images that are keys (default: 10000 [40000])");
  add_count("--held-out", options.held_out,
            "Further training images, of which batches are drawn\n(default: 20000)");
  add_count("--test", options.test, "Test images (default: 1000 [10000])");
  add_count("--dimension", training.dimension, "Rows of W (default: 32 [64])");
  app.add_flag("--separate", options.separate, "One W for queries, another for keys");
  add_count("--batch", training.batch, "Queries of a step (default: 1000 [2000])");
  add_count("--steps", training.steps, "Steps (default: 60 [150])");
  app.add_option("--rate", training.rate, "Of Adam")->type_name("X")->capture_default_str();
  app.add_option("--temperature", training.temperature, "Scores are <q, k> / X")
      ->type_name("X")
      ->capture_default_str();
  add_count("--tail", training.attention.tail_samples,
            "Sampled attention: draws of a query (default: 256)");
  add_count("--seed", training.seed, "Of all that is drawn (default: 1)");
  add_count("--threads", training.attention.attention.threads, "Threads (default: 1; 0: all)");
  app.add_option("--output", options.output, "Where the picture and its numbers go (default: here)")
      ->type_name("DIR");
  return lazygumbel_tools::parse(app, argc, argv, [&] {
    if (options.full) set_full(app, options);
    check(options);
    training.shared = !options.separate;
  });
}

/// `step,exact_batch,exact_test,exact_seconds,sampled_..`; no batch before the first step.
void write_numbers(const Options& options, const Training& exact, const Training& sampled) {
  std::ofstream file(options.numbers(), std::ios::binary);
  file << "step";
  for (const char* kind : {"exact", "sampled"})
    file << ',' << kind << "_batch," << kind << "_test," << kind << "_accuracy," << kind
         << "_seconds";
  file << '\n';
  for (std::size_t i = 0; i < exact.progress.size(); ++i) {
    file << exact.progress[i].step;
    for (const Training* training : {&exact, &sampled}) {
      const Progress& at = training->progress[i];
      file << ',' << (at.step == 0 ? "NaN" : text(at.batch_loss, 6)) << ',' << at.test_loss << ','
           << at.test_accuracy << ',' << at.seconds;
    }
    file << '\n';
  }
  file.close();
  if (!file) throw std::runtime_error(options.numbers().string() + ": cannot be written");
}

void print_times(const char* name, const Training& training) {
  const auto steps = static_cast<double>(training.progress.back().step);
  const auto milliseconds = [&](double seconds) {
    return right(fixed(1e3 * seconds / steps, 1), 12);
  };
  const Spent& spent = training.spent;
  std::cout << "  " << left(name, 9) << milliseconds(training.progress.back().seconds)
            << milliseconds(spent.projection) << milliseconds(spent.forward)
            << milliseconds(spent.backward)
            << right(fixed(training.progress.back().test_loss, 4), 12)
            << right(percent(training.progress.back().test_accuracy, 2), 12) << '\n';
}

int run(const Options& options) {
  std::filesystem::create_directories(options.output);
  lazygumbel_tools::require_writable({options.numbers(), options.picture()}, {});
  const TrainingOptions& training = options.training;
  Eigen::setNbThreads(
      static_cast<int>(training.attention.attention.threads));  // of the projections
  const Problem problem =
      load_problem(options.keys + options.held_out, options.test, training.seed);
  if (problem.train.size() < options.keys + options.held_out)
    throw std::runtime_error(problem.name + ": only " + std::to_string(problem.train.size()) +
                             " training images");
  const Labelled keys = problem.train.part(0, options.keys),
                 held_out = problem.train.part(options.keys, options.held_out);
  std::cout << problem.name << " (" << problem.source << "): " << keys.size()
            << " keys, batches of " << training.batch << " of " << held_out.size()
            << " held-out images, " << problem.test.size() << " test images.\n"
            << (training.shared ? "Learnt: W, q = W x and k = W x, "
                                : "Learnt: W and U, q = W x and k = U x, ")
            << training.dimension << " x " << keys.rows.cols() << "; scores <q, k> / "
            << training.temperature << ". A query's sample: " << training.attention.tail_samples
            << " draws beside the keys that count.\n\n"
            << "                         log loss                      seconds\n"
               "    step   batch exact  sampled    test exact  sampled    exact  sampled\n";

  std::vector<Progress> exact_progress;
  const Training exact = train(keys, held_out, problem.test, problem.classes, Gradients::exact,
                               training, [](const Progress&) {});
  std::size_t row = 0;
  const auto print = [&](const Progress& sampled) {
    const Progress& other = exact.progress[row++];
    const auto batch = [&](const Progress& at) {
      return at.step == 0 ? std::string("-") : fixed(at.batch_loss, 4);
    };
    std::cout << right(std::to_string(sampled.step), 8) << right(batch(other), 14)
              << right(batch(sampled), 9) << right(fixed(other.test_loss, 4), 14)
              << right(fixed(sampled.test_loss, 4), 9) << right(fixed(other.seconds, 1), 9)
              << right(fixed(sampled.seconds, 1), 9) << std::endl;
  };
  const Training sampled =
      train(keys, held_out, problem.test, problem.classes, Gradients::sampled, training, print);

  std::cout << "\n  milliseconds  a step  projection     forward    backward   test loss    "
               "accuracy\n";
  print_times("exact", exact);
  print_times("sampled", sampled);
  write_numbers(options, exact, sampled);
  std::cout << "\npicture  "
            << lazygumbel_tools::run_gnuplot(
                   LAZYGUMBEL_PLOT_DESCENT_SCRIPT, options.numbers(), options.picture(),
                   {"Gradient descent through attention: exact and sampled gradients",
                    problem.name + ", " + std::to_string(keys.size()) + " keys, batches of " +
                        std::to_string(training.batch) + ", " +
                        std::to_string(training.attention.tail_samples) + " draws a query"})
            << '\n';
  const double first = sampled.progress.front().test_loss, last = sampled.progress.back().test_loss;
  if (last < first && last <= 1.1 * exact.progress.back().test_loss) return 0;
  std::cout << "The sampled gradients did not lead where the exact ones did.\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) try {
  Options options;
  options.training.attention.accuracy.reset();  // a fixed budget
  options.training.attention.sinks = options.training.attention.window = 0;
  if (const auto code = parse(argc, argv, options)) return *code;
  return run(options);
} catch (const std::bad_alloc&) {
  std::cerr << "error: out of memory\n";
  return 1;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
