#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/index/retrieval.hpp"

namespace lazygumbel {

/// What a draw cost and what it rests on. Counts add up over the draws of one answer.
struct Trace {
  std::size_t head_size = 0;  ///< items retrieved, |S|
  std::size_t proposals = 0;  ///< tail items proposed
  /// Rows scored: the head, the proposals (in blocks, so a few more) and whole scans. What the
  /// index scored while searching is not in it.
  std::size_t rows_scored = 0;
  /// Tail items found above the residual bound: each proves it wrong. The law is then the softmax
  /// of the scores clipped at the bound (docs/guarantees.md); a certified bound throws instead.
  std::size_t violations = 0;
  /// Times that all items were scored: the proposals went past n, or a scan costs less than so many
  /// draws. The law is exact all the same.
  std::size_t exhaustive_scans = 0;
  double residual_bound = -std::numeric_limits<double>::infinity();  ///< gap included
  Guarantee guarantee{};
};

/// One item drawn, with its perturbed value.
struct Draw {
  item_id id = 0;
  /// max_i (y_i + G_i), G_i independent standard Gumbel, reached by `id`; equally -log of the first
  /// arrival of a race whose item i has rate exp(y_i). Independent of id; log Z + Gumbel(0, 1) in
  /// law.
  double perturbed = 0.0;
  Trace trace;
};

/// Independent draws for one theta.
struct Draws {
  std::vector<item_id> ids;
  std::vector<double> perturbed;  ///< of each draw
  Trace trace;                    ///< of all together
};

/// K items drawn without replacement (Gumbel top-k), in order.
struct RankedDraws {
  std::vector<item_id> ids;       ///< distinct
  std::vector<double> perturbed;  ///< decreasing; the K largest y_i + G_i
  Trace trace;
};

}  // namespace lazygumbel
