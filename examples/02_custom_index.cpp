/// Give the sampler an index of your own: four members, ten lines.
///
///   02_custom_index [FILE]   FILE: .fvecs, .npy or "word v1 v2 ..." text; default: made-up vectors

#include <algorithm>
#include <cmath>
#include <datasets.hpp>
#include <iomanip>
#include <iostream>
#include <lazygumbel/lazygumbel.hpp>
#include <numeric>
#include <vector>

using lazygumbel::item_id;
using Query = lazygumbel::VectorView<float>;

namespace {

// [README] ---------------------------------------------------------------------------------------
struct PlainScan {
  using scalar_type = float;
  lazygumbel::RowMatrix<float> rows;

  std::size_t size() const { return static_cast<std::size_t>(rows.rows()); }
  std::size_t dimension() const { return static_cast<std::size_t>(rows.cols()); }
  double score(const Query& query, item_id id) const { return rows.row(id).dot(query); }

  void search(const Query& query, std::size_t k, lazygumbel::Retrieval& found) const {
    const lazygumbel::Vector<float> scores = rows * query;
    std::vector<item_id> ids(size());
    std::iota(ids.begin(), ids.end(), item_id{0});
    const auto kth = ids.begin() + static_cast<std::ptrdiff_t>((std::min)(k, size()));
    std::partial_sort(ids.begin(), kth, ids.end(),
                      [&](item_id a, item_id b) { return scores[a] > scores[b]; });
    found.clear();
    found.ids.assign(ids.begin(), kth);
    for (const item_id id : found.ids) found.scores.push_back(scores[id]);
  }
};
static_assert(lazygumbel::MipsIndex<PlainScan>);
// ------------------------------------------------------------------------------------------------

// `search` sets no residual_bound, so the sampler takes the smallest score returned, "assumed". An
// index that can prove a bound sets found.residual_bound and found.guarantee (docs/guarantees.md).

}  // namespace

int main(int argc, char** argv) try {
  const PlainScan index{argc > 1 ? lazygumbel_datasets::read_vectors(argv[1]).rows
                                 : lazygumbel_datasets::clusters(3000, 24, 2).rows};
  const lazygumbel::LazySampler sampler(index);
  lazygumbel::PhiloxEngine engine(7);

  constexpr std::size_t count = 200'000;
  const lazygumbel::Vector<float> theta = index.rows.row(0) / 0.1F;
  const auto draws = sampler.sample(theta, count, engine);
  std::cout << draws.trace.head_size << " of " << index.size() << " items retrieved, "
            << static_cast<double>(draws.trace.proposals) / count << " more proposed per draw\n";

  // The five most probable items: how often they should have come up, and how often they did.
  const auto best = sampler.prepare(theta).head().ids;
  const lazygumbel::Vector<double> scores = (index.rows * theta).cast<double>();
  const double log_z = lazygumbel::log_sum_exp(std::span(scores.data(), index.size()));
  bool good = true;
  std::cout << "  item  probability  drawn\n" << std::fixed;
  for (std::size_t i = 0; i < (std::min)(best.size(), std::size_t{5}); ++i) {
    const double p = std::exp(scores[best[i]] - log_z);
    const auto hits = std::count(draws.ids.begin(), draws.ids.end(), best[i]);
    const double share = static_cast<double>(hits) / count;
    std::cout << std::setw(6) << best[i] << std::setprecision(4) << std::setw(13) << p
              << std::setw(7) << share << '\n';
    good = good && std::abs(share - p) <= 5.0 * std::sqrt(p * (1.0 - p) / count) + 1e-5;
  }
  if (!good) std::cerr << "error: drawn too often or too rarely\n";
  return good ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
