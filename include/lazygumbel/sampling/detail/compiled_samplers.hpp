#pragma once

#include <cstddef>
#include <vector>

#include "lazygumbel/index/flat_index.hpp"
#include "lazygumbel/index/quantized/scalar_quantized_index.hpp"
#include "lazygumbel/random/philox.hpp"
#include "lazygumbel/sampling/envelope.hpp"
#include "lazygumbel/sampling/lazy_sampler.hpp"

/// \file
/// The samplers that the compiled library holds: over the indexes that most programs draw from,
/// with PhiloxEngine. Included at the end of lazy_sampler.hpp where LAZYGUMBEL_COMPILED is set, and
/// by the library's source, which defines LAZYGUMBEL_EXTERN to nothing. Others are instantiated
/// where they are used, as without the library.

#ifndef LAZYGUMBEL_EXTERN
#define LAZYGUMBEL_EXTERN extern
#endif

#define LAZYGUMBEL_COMPILED_SAMPLERS(Index)                                              \
  LAZYGUMBEL_EXTERN template class Envelope<Index>;                                      \
  LAZYGUMBEL_EXTERN template Draw Envelope<Index>::sample(PhiloxEngine&, Trace&) const;  \
  LAZYGUMBEL_EXTERN template RankedDraws Envelope<Index>::sample_without_replacement(    \
      std::size_t, PhiloxEngine&) const;                                                 \
  LAZYGUMBEL_EXTERN template class LazySampler<Index>;                                   \
  LAZYGUMBEL_EXTERN template Draw LazySampler<Index>::sample(                            \
      const VectorView<Index::scalar_type>&, PhiloxEngine&) const;                       \
  LAZYGUMBEL_EXTERN template Draws LazySampler<Index>::sample(                           \
      const VectorView<Index::scalar_type>&, std::size_t, PhiloxEngine&) const;          \
  LAZYGUMBEL_EXTERN template RankedDraws LazySampler<Index>::sample_without_replacement( \
      const VectorView<Index::scalar_type>&, std::size_t, PhiloxEngine&) const;          \
  LAZYGUMBEL_EXTERN template std::vector<Draw> LazySampler<Index>::sample_batch(         \
      const MatrixView<Index::scalar_type>&, PhiloxEngine&, std::size_t) const

namespace lazygumbel {

LAZYGUMBEL_COMPILED_SAMPLERS(FlatIndex<float>);
LAZYGUMBEL_COMPILED_SAMPLERS(FlatIndex<double>);
LAZYGUMBEL_COMPILED_SAMPLERS(ScalarQuantizedIndex<float>);
LAZYGUMBEL_COMPILED_SAMPLERS(ScalarQuantizedIndex<double>);

}  // namespace lazygumbel

#undef LAZYGUMBEL_COMPILED_SAMPLERS
