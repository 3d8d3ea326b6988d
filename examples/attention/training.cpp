#include "training.hpp"

#include <algorithm>
#include <cmath>
#include <lazygumbel/attention/exact/exact_attention.hpp>
#include <lazygumbel/attention/exact/exact_attention_backward.hpp>
#include <lazygumbel/attention/knn/knn_attention.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>

#include "measure.hpp"

namespace attention_tools {

namespace {

using lazygumbel::AttentionGradients;
using lazygumbel::AttentionOutput;
using lazygumbel::HeadsView;
using lazygumbel::KnnAttention;
using lazygumbel::PhiloxEngine;

/// Streams of one seed.
enum Stream : std::uint64_t { start_stream, key_start_stream, batch_stream, sampling_stream };

Matrix random_matrix(std::size_t rows, std::size_t columns, std::uint64_t seed, Stream stream) {
  PhiloxEngine engine(seed, stream);
  const double half_width = std::sqrt(3.0 / static_cast<double>(rows));
  Matrix entries(static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(columns));
  for (float& entry : entries.reshaped<Eigen::RowMajor>())
    entry = static_cast<float>(half_width * (2.0 * lazygumbel::open_uniform(engine) - 1.0));
  return entries;
}

/// Kingma, Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
class Adam {
 public:
  explicit Adam(double rate) : rate_(rate) {}

  void step(const Matrix& gradient, Matrix& entries) {
    constexpr float keep = 0.9F, keep_square = 0.99F, least = 1e-8F;
    if (mean_.size() == 0) {
      mean_ = Matrix::Zero(gradient.rows(), gradient.cols());
      square_ = mean_;
    }
    ++steps_;
    mean_ = keep * mean_ + (1.0F - keep) * gradient;
    square_ = keep_square * square_ + (1.0F - keep_square) * gradient.cwiseAbs2();
    const auto rate = static_cast<float>(rate_ * std::sqrt(1.0 - std::pow(keep_square, steps_)) /
                                         (1.0 - std::pow(keep, steps_)));
    entries.array() -= rate * mean_.array() / (square_.array().sqrt() + least);
  }

 private:
  double rate_;
  int steps_ = 0;
  Matrix mean_, square_;
};

/// `size` different rows of `from`.
Labelled random_batch(const Labelled& from, std::size_t size, PhiloxEngine& engine) {
  std::vector<Eigen::Index> ids(from.size());
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<Eigen::Index>(i);
  for (std::size_t i = 0; i < size; ++i)
    std::swap(
        ids[i],
        ids[i + lazygumbel::uniform_index(static_cast<std::uint32_t>(ids.size() - i), engine)]);
  ids.resize(size);
  Labelled batch{from.rows(ids, Eigen::all), {}};
  for (const Eigen::Index id : ids)
    batch.labels.push_back(from.labels[static_cast<std::size_t>(id)]);
  return batch;
}

/// The gradient of log_loss in the outputs.
Matrix loss_gradient(const Matrix& outputs, const std::vector<unsigned char>& labels) {
  Matrix gradient = Matrix::Zero(outputs.rows(), outputs.cols());
  constexpr auto certain = static_cast<float>(1.0 - uniform_share);
  const float rest = static_cast<float>(uniform_share) / static_cast<float>(outputs.cols());
  for (Eigen::Index i = 0; i < outputs.rows(); ++i) {
    const auto label = labels[static_cast<std::size_t>(i)];
    gradient(i, label) =
        -certain / ((certain * outputs(i, label) + rest) * static_cast<float>(outputs.rows()));
  }
  return gradient;
}

class Trainer {
 public:
  Trainer(const Labelled& keys, std::size_t classes, Gradients gradients,
          const TrainingOptions& options)
      : keys_(keys),
        values_(one_hot(keys.labels, classes)),
        gradients_(gradients),
        options_(options.attention),
        adam_{Adam(options.rate), Adam(options.rate)},
        engine_(options.seed, sampling_stream) {
    // Even where a batch is too small to pay for lists: this is about their gradients.
    options_.index = lazygumbel::KeyIndex::lists;
    options_.attention.scale = 1.0 / options.temperature;
    training_.projection =
        Projection::random(options.dimension, static_cast<std::size_t>(keys.rows.cols()),
                           options.shared, options.seed);
  }

  Training& training() { return training_; }

  double step(const Labelled& batch) {
    Projection& w = training_.projection;
    Spent& spent = training_.spent;
    Matrix q, k;
    spent.projection += seconds_of([&] {
      q.noalias() = batch.rows * w.queries.transpose();
      k.noalias() = keys_.rows * w.of_keys().transpose();
    });

    AttentionOutput output;
    AttentionGradients gradients;
    if (gradients_ == Gradients::exact) {
      const auto& attention = options_.attention;
      spent.forward += seconds_of([&] {
        output = exact_attention(HeadsView<float>(q), HeadsView<float>(k),
                                 HeadsView<float>(values_), attention);
      });
      spent.backward += seconds_of([&] {
        const Matrix loss = loss_gradient(output.values, batch.labels);
        exact_attention_backward(HeadsView<float>(q), HeadsView<float>(k),
                                 HeadsView<float>(values_), attention, output,
                                 HeadsView<float>(loss), gradients);
      });
    } else {
      const KnnAttention<float> attention(1, 1, static_cast<std::size_t>(q.cols()),
                                          static_cast<std::size_t>(values_.cols()), options_);
      lazygumbel::AttentionTape tape;
      spent.forward +=
          seconds_of([&] { output = attention.forward(q, k, values_, engine_, &tape); });
      spent.backward += seconds_of([&] {
        const Matrix loss = loss_gradient(output.values, batch.labels);
        gradients = attention.backward(q, k, values_, tape, loss);
      });
    }

    spent.projection += seconds_of([&] {
      Matrix of_queries = gradients.queries.transpose() * batch.rows;
      const Matrix of_keys = gradients.keys.transpose() * keys_.rows;
      if (w.shared()) of_queries += of_keys;
      adam_[0].step(of_queries, w.queries);
      if (!w.shared()) adam_[1].step(of_keys, w.keys);
    });
    return log_loss(output.values, batch.labels);
  }

  void test(const Labelled& test, Progress& progress) const {
    const Projection& w = training_.projection;
    const Matrix q = test.rows * w.queries.transpose(), k = keys_.rows * w.of_keys().transpose();
    const Matrix outputs = exact_attention(HeadsView<float>(q), HeadsView<float>(k),
                                           HeadsView<float>(values_), options_.attention)
                               .values;
    progress.test_loss = log_loss(outputs, test.labels);
    progress.test_accuracy = accuracy(outputs, test.labels);
  }

 private:
  const Labelled& keys_;
  Matrix values_;
  Gradients gradients_;
  lazygumbel::KnnAttentionOptions options_;
  Adam adam_[2];
  PhiloxEngine engine_;
  Training training_;
};

}  // namespace

Projection Projection::random(std::size_t d, std::size_t columns, bool shared, std::uint64_t seed) {
  return {random_matrix(d, columns, seed, start_stream),
          shared ? Matrix() : random_matrix(d, columns, seed, key_start_stream)};
}

Training train(const Labelled& keys, const Labelled& held_out, const Labelled& test,
               std::size_t classes, Gradients gradients, const TrainingOptions& options,
               const std::function<void(const Progress&)>& report) {
  Trainer trainer(keys, classes, gradients, options);
  PhiloxEngine batches(options.seed, batch_stream);
  Progress progress;
  progress.batch_loss = std::nan("");
  const auto note = [&] {
    trainer.test(test, progress);
    trainer.training().progress.push_back(progress);
    report(progress);
  };
  note();
  while (progress.step < options.steps) {
    const Labelled batch = random_batch(held_out, options.batch, batches);
    progress.seconds += seconds_of([&] { progress.batch_loss = trainer.step(batch); });
    ++progress.step;
    if (progress.step % options.report_every == 0 || progress.step == options.steps) note();
  }
  return std::move(trainer.training());
}

}  // namespace attention_tools
