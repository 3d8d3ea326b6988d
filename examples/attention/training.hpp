#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <lazygumbel/attention/knn/knn_attention_options.hpp>
#include <span>
#include <vector>

#include "problem.hpp"

namespace attention_tools {

/// How a step's gradients are computed: over all keys, or over those that sampled attention took.
enum class Gradients { exact, sampled };

/// What is learnt: q = queries x and k = keys x, each d x 784. Shared: `keys` is empty, k = queries
/// x.
struct Projection {
  Matrix queries, keys;

  /// Independent uniform entries of mean 0 and variance 1 / d: inner products are kept on average.
  static Projection random(std::size_t d, std::size_t columns, bool shared, std::uint64_t seed);
  bool shared() const { return keys.size() == 0; }
  const Matrix& of_keys() const { return shared() ? queries : keys; }
};

struct TrainingOptions {
  std::size_t dimension = 32, batch = 1000, steps = 60, report_every = 5;
  double temperature = 0.1, rate = 0.01;  ///< of scores; of Adam
  bool shared = true;
  std::uint64_t seed = 1;
  lazygumbel::KnnAttentionOptions attention{};  ///< its scale is set from the temperature
};

/// One point of the curves.
struct Progress {
  std::size_t step = 0;     ///< steps done
  double batch_loss = 0.0;  ///< log loss of the step's batch, by the attention it was trained with
  double test_loss = 0.0;   ///< of the test images, by exact attention
  double test_accuracy = 0.0;
  double seconds = 0.0;  ///< of all steps so far; tests are not in it
};

/// Where the time of the steps went, seconds.
struct Spent {
  double projection = 0.0, forward = 0.0, backward = 0.0;
};

struct Training {
  std::vector<Progress> progress;  ///< before the first step, then every `report_every`
  Spent spent;
  Projection projection;
};

/// Learns the projection by gradient descent (Adam) on the log loss of batches of `held_out`, whose
/// classes attention over `keys` predicts. The start and the batches depend on the seed alone.
Training train(const Labelled& keys, const Labelled& held_out, const Labelled& test,
               std::size_t classes, Gradients gradients, const TrainingOptions& options,
               const std::function<void(const Progress&)>& report);

}  // namespace attention_tools
