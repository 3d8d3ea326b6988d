#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/attention/exact/exact_attention.hpp>
#include <lazygumbel/attention/exact/exact_attention_backward.hpp>
#include <limits>

#include "attention_gradient_reference.hpp"
#include "indexes.hpp"

namespace lazygumbel::testing {

/// Gaussian inputs of one attention, keys and values stored as T.
template <class T>
struct AttentionInputs {
  RowMatrix<float> queries, gradients;
  RowMatrix<T> keys, values;
  std::size_t heads, kv_heads;

  AttentionInputs(std::size_t m, std::size_t n, std::size_t d, std::size_t dv,
                  std::size_t heads_ = 1, std::size_t kv_heads_ = 1, std::uint64_t seed = 1)
      : queries(gaussian_rows<float>(m, heads_ * d, seed)),
        gradients(gaussian_rows<float>(m, heads_ * dv, seed + 1)),
        keys(gaussian_rows<float>(n, kv_heads_ * d, seed + 2).template cast<T>()),
        values(gaussian_rows<float>(n, kv_heads_ * dv, seed + 3).template cast<T>()),
        heads(heads_),
        kv_heads(kv_heads_) {}

  HeadsView<float> q() const { return {queries, heads}; }
  HeadsView<float> g() const { return {gradients, heads}; }
  HeadsView<T> k() const { return {keys, kv_heads}; }
  HeadsView<T> v() const { return {values, kv_heads}; }

  AttentionProblem problem(const AttentionOptions& options) const {
    AttentionProblem p{queries.template cast<double>(),
                       keys.template cast<double>(),
                       values.template cast<double>(),
                       {},
                       heads,
                       kv_heads,
                       1.0,
                       options.softcap,
                       options.mask};
    p.scale = options.scale.value_or(1.0 / std::sqrt(static_cast<double>(p.d())));
    p.sinks.assign(options.sink_logits.begin(), options.sink_logits.end());
    return p;
  }
  AttentionGradients backward(const AttentionOptions& options) const {
    AttentionGradients out;
    exact_attention_backward(q(), k(), v(), options, exact_attention(q(), k(), v(), options), g(),
                             out);
    return out;
  }
};

/// The rows of a view elsewhere: head after head, NaN between rows, the tokens in order or, with a
/// negative stride, reversed.
template <class T>
class ScatteredRows {
 public:
  ScatteredRows(const HeadsView<T>& of, bool reversed)
      : tokens_(of.tokens()), heads_(of.heads()), d_(of.dimension()), reversed_(reversed) {
    rows_.setConstant(static_cast<Eigen::Index>(tokens_ * heads_),
                      static_cast<Eigen::Index>(d_ + gap),
                      static_cast<T>(std::numeric_limits<float>::quiet_NaN()));
    for (std::size_t i = 0; i < tokens_; ++i)
      for (std::size_t h = 0; h < heads_; ++h)
        std::copy_n(of.row(i, h), d_, const_cast<T*>(view().row(i, h)));
  }

  HeadsView<T> view() const {
    const auto stride = static_cast<std::ptrdiff_t>(d_ + gap);
    return {rows_.data() + (reversed_ ? (tokens_ - 1) * (d_ + gap) : 0),
            tokens_,
            heads_,
            d_,
            reversed_ ? -stride : stride,
            static_cast<std::ptrdiff_t>(tokens_) * stride};
  }

 private:
  static constexpr std::size_t gap = 3;
  RowMatrix<T> rows_;
  std::size_t tokens_, heads_, d_;
  bool reversed_;
};

/// |g - r| / |r|, of rounding: about 1e-7 a sum, 3e-7 an exponential, 1e-6 where terms cancel.
template <class A, class B>
double relative_error(const A& gradient, const B& reference) {
  const double norm = reference.norm();
  const double error = (gradient.template cast<double>() - reference).norm();
  return norm > 0.0 ? error / norm : error;
}

}  // namespace lazygumbel::testing
