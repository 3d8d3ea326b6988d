/// log Z and an expectation under the softmax, to a stated accuracy, from a fraction of the items.
///
///   03_log_partition [FILE]   FILE: .fvecs, .npy or "word v1 v2 ..." text; default: made-up
///   vectors

#include <cmath>
#include <datasets.hpp>
#include <iostream>
#include <lazygumbel/lazygumbel.hpp>

int main(int argc, char** argv) try {
  const lazygumbel::RowMatrix<float> rows = argc > 1
                                                ? lazygumbel_datasets::read_vectors(argv[1]).rows
                                                : lazygumbel_datasets::clusters(50'000, 16, 3).rows;
  const lazygumbel::FlatIndex<float> index(rows);
  const lazygumbel::Vector<float> theta = rows.row(0) / 0.5F;
  lazygumbel::PhiloxEngine engine(3);

  // [README] -------------------------------------------------------------------------------------
  // Within 3% of Z, and within 0.05 of the mean, with probability 95% each. The mean of the items,
  // E_p[x], is the gradient of log Z in theta.
  const lazygumbel::Accuracy z_target(0.03, 0.05);
  const lazygumbel::Accuracy mean_target(0.05, 0.05, lazygumbel::ErrorScale::absolute);
  const auto log_z = lazygumbel::LogPartition(index).estimate(theta, z_target, engine);
  const auto mean =
      lazygumbel::SoftmaxExpectation(index).estimate(theta, rows, mean_target, engine);
  // ----------------------------------------------------------------------------------------------

  const lazygumbel::Vector<double> scores = (rows * theta).cast<double>();
  const double exact_log_z = lazygumbel::log_sum_exp(std::span(scores.data(), index.size()));
  const lazygumbel::Vector<double> exact_mean =
      lazygumbel::SoftmaxExpectation(index).exact(theta, rows).value;
  const double error = (mean.value - exact_mean).norm();
  std::cout << "log Z = " << log_z.value << " in [" << log_z.lower << ", " << log_z.upper
            << "], exact " << exact_log_z << "; " << log_z.trace.head_size << " best + "
            << log_z.trace.samples << " sampled of " << index.size() << " items\n"
            << "|E[x]| = " << mean.value.norm() << ", error " << error << " (claimed: at most "
            << mean.error_norm << "); " << mean.trace.head_size << " best + " << mean.trace.samples
            << " sampled\n";

  // Twice the target: a miss by more has a probability below 1e-4.
  if (std::abs(std::expm1(log_z.value - exact_log_z)) <= 2 * z_target.epsilon() &&
      error <= 2 * mean_target.epsilon())
    return 0;
  std::cerr << "error: farther from the exact values than the accuracy asked for\n";
  return 1;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
