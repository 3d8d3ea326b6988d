#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/core/log_sum_exp.hpp>
#include <lazygumbel/index/mips_index.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "indexes.hpp"
#include "statistics.hpp"

/// \file
/// What the law tests share: exact laws, counting, and the one verdict that tests and negative
/// controls use. A law is refused when its p-value is below 1e-6, which is also the false-alarm
/// rate of one test; seeds are fixed, so a test that passes keeps passing until the code changes.

namespace lazygumbel::testing {

inline constexpr double law_threshold = 1e-6;

inline std::vector<double> softmax(std::span<const double> scores) {
  const double log_z = log_sum_exp(scores);
  std::vector<double> p;
  for (const double y : scores) p.push_back(std::exp(y - log_z));
  return p;
}

/// All n scores, each by index.score.
template <MipsIndex Index>
std::vector<double> scores_of(const Index& index,
                              const VectorView<typename Index::scalar_type>& theta) {
  std::vector<double> scores;
  for (std::size_t i = 0; i < index.size(); ++i)
    scores.push_back(static_cast<double>(index.score(theta, static_cast<item_id>(i))));
  return scores;
}

template <MipsIndex Index>
std::vector<double> softmax_of(const Index& index,
                               const VectorView<typename Index::scalar_type>& theta) {
  return softmax(scores_of(index, theta));
}

/// The softmax of the scores clipped at `bound` outside the head: the law of a draw whose bound is
/// too low.
inline std::vector<double> clipped_softmax(std::vector<double> scores,
                                           std::span<const item_id> head, double bound) {
  std::vector<bool> in_head(scores.size(), false);
  for (const item_id id : head) in_head[id] = true;
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (!in_head[i]) scores[i] = std::min(scores[i], bound);
  return softmax(scores);
}

/// How often each of `cells` outcomes came.
class Counter {
 public:
  explicit Counter(std::size_t cells) : counts_(cells) {}
  void add(std::size_t cell) { ++counts_.at(cell); }
  template <class Ids>
  void add_all(const Ids& ids) {
    for (const auto id : ids) add(id);
  }
  const std::vector<std::uint64_t>& counts() const { return counts_; }
  double p_value(const std::vector<double>& law) const { return chi_square_p_value(counts_, law); }

 private:
  std::vector<std::uint64_t> counts_;
};

/// `draws` outcomes of draw() in a Counter.
template <class DrawId>
Counter count_draws(std::size_t cells, std::size_t draws, DrawId&& draw) {
  Counter counter(cells);
  for (std::size_t i = 0; i < draws; ++i) counter.add(draw());
  return counter;
}

/// The verdict: the sample may come from `law`.
inline void expect_law(const Counter& counter, const std::vector<double>& law,
                       const std::string& what) {
  EXPECT_GE(counter.p_value(law), law_threshold) << what;
}

/// The verdict of a negative control: the same test refuses.
inline void expect_rejected(const Counter& counter, const std::vector<double>& law,
                            const std::string& what) {
  EXPECT_LT(counter.p_value(law), law_threshold) << what << " was not noticed";
}

// Ordered draws without replacement: the exact law over ordered pairs, triples, permutations.

/// Cells of ordered K-tuples of n items, id_1 n^(K-1) + ... + id_K; n^K cells, most impossible for
/// small n.
inline std::size_t tuple_cell(std::span<const item_id> ids, std::size_t n) {
  std::size_t cell = 0;
  for (const item_id id : ids) cell = cell * n + id;
  return cell;
}

/// P(i_1, ..., i_K) = prod_r p_{i_r} / (1 - p_{i_1} - ... - p_{i_{r-1}}), 0 on repeated items.
inline std::vector<double> ordered_law(const std::vector<double>& p, std::size_t K) {
  const std::size_t n = p.size();
  std::size_t cells = 1;
  for (std::size_t r = 0; r < K; ++r) cells *= n;
  std::vector<double> law(cells);
  for (std::size_t cell = 0; cell < cells; ++cell) {
    std::vector<item_id> ids(K);
    for (std::size_t r = K, rest = cell; r-- > 0; rest /= n)
      ids[r] = static_cast<item_id>(rest % n);
    double probability = 1.0;
    std::vector<bool> used(n, false);
    for (const item_id id : ids) {
      double left = 0.0;  // summed, not 1 minus: exact when little is left
      for (std::size_t i = 0; i < n; ++i) left += used[i] ? 0.0 : p[i];
      if (used[id]) {
        probability = 0.0;
        break;
      }
      probability *= p[id] / left;
      used[id] = true;
    }
    law[cell] = probability;
  }
  return law;
}

/// `draws` tuples of K ids from draw(), which returns a container of ids.
template <class DrawIds>
Counter count_tuples(std::size_t n, std::size_t K, std::size_t draws, DrawIds&& draw) {
  std::size_t cells = 1;
  for (std::size_t r = 0; r < K; ++r) cells *= n;
  Counter counter(cells);
  for (std::size_t i = 0; i < draws; ++i) {
    const auto ids = draw();
    counter.add(tuple_cell(std::span<const item_id>(ids.data(), K), n));
  }
  return counter;
}

/// Fails unless call() throws an Error whose message has all the parts.
template <class Error, class Call>
void expect_throws(Call&& call, std::initializer_list<const char*> parts) {
  try {
    call();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    for (const char* const part : parts)
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << "\"" << error.what() << "\" lacks \"" << part << "\"";
  }
}

}  // namespace lazygumbel::testing
