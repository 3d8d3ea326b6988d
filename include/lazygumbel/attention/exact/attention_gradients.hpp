#pragma once

#include "lazygumbel/core/types.hpp"

namespace lazygumbel {

/// Estimated errors |g^ - g| / |g^| in the Frobenius norm, one a gradient. A value near or above 1
/// means that the gradient is mostly noise. 0 when exact.
struct GradientErrors {
  double queries = 0.0, keys = 0.0, values = 0.0;
  /// Whether they allow for keys that no draw met. False when anything was drawn by a fixed budget:
  /// they are then what the draws show, and a few heavy keys may be missing in them.
  bool covers_unseen = true;
};

/// Gradients of a loss through the attention of m queries of H heads over n keys of KV heads. Each
/// has the shape of what it is a gradient of, heads side by side.
struct AttentionGradients {
  RowMatrix<float> queries;     ///< m x (H d); a query that sees no key has 0
  RowMatrix<float> keys;        ///< n x (KV d): the sum over the query heads that share the head
  RowMatrix<float> values;      ///< n x (KV dv), likewise
  Vector<double> sink_logits;   ///< H; empty without sinks
  double residual_logit = 0.0;  ///< of sliding windows; 0 elsewhere
  GradientErrors errors;        ///< of gradients from a sample
};

}  // namespace lazygumbel
