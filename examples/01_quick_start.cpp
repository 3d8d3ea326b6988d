/// Draw from a softmax over many vectors while looking at few of them.
///
///   01_quick_start [FILE]   FILE: .fvecs, .npy or "word v1 v2 ..." text; default: made-up vectors

#include <algorithm>
#include <cmath>
#include <datasets.hpp>
#include <iostream>
#include <lazygumbel/lazygumbel.hpp>

namespace {

// Ends the program with 1 where a number is not what it has to be: examples are tests, too.
bool close(double value, double truth, double tolerance, const char* what) {
  if (std::abs(value - truth) <= tolerance) return true;
  std::cerr << "error: " << what << " is " << value << ", should be " << truth << '\n';
  return false;
}

}  // namespace

int main(int argc, char** argv) try {
  const lazygumbel::RowMatrix<float> rows =  // n x d, one item a row
      argc > 1 ? lazygumbel_datasets::read_vectors(argv[1]).rows
               : lazygumbel_datasets::clusters(2000, 16, 1).rows;

  // [README] -------------------------------------------------------------------------------------
  const lazygumbel::ScalarQuantizedIndex<float> index(rows);  // 4-bit codes beside the rows
  const lazygumbel::LazySampler sampler(index);
  lazygumbel::PhiloxEngine engine(42);

  const lazygumbel::Vector<float> theta = rows.row(7) / 0.1F;  // a query; temperature 0.1
  const auto draw = sampler.sample(theta, engine);             // p_i ~ exp(<theta, x_i>)
  std::cout << "drew item " << draw.id << ", scoring " << draw.trace.rows_scored << " of "
            << index.size() << " items\n";

  const auto draws = sampler.sample(theta, 100'000, engine);  // more, after one retrieval
  const auto hits = std::count(draws.ids.begin(), draws.ids.end(), 7U);
  std::cout << "item 7 came up in " << static_cast<double>(hits) / 1e5 << " of the draws\n";

  const lazygumbel::Accuracy one_percent(0.01, 0.05);  // with probability 95%
  const auto log_z = lazygumbel::LogPartition(index).estimate(theta, one_percent, engine);
  std::cout << "so its probability is about " << std::exp(index.score(theta, 7) - log_z.value)
            << '\n';
  // ----------------------------------------------------------------------------------------------

  const lazygumbel::Vector<double> scores = (rows * theta).cast<double>();
  const double exact_log_z = lazygumbel::log_sum_exp(std::span(scores.data(), index.size()));
  const double p = std::exp(scores[7] - exact_log_z);
  const bool good = close(static_cast<double>(hits) / 1e5, p,
                          5.0 * std::sqrt(p * (1.0 - p) / 1e5) + 1e-3, "the share of item 7") &&
                    close(log_z.value, exact_log_z, 0.02, "log Z");
  return good ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
