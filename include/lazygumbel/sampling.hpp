#pragma once

/// \file
/// Draws from a softmax over many vectors and estimates of its sums: engines, indexes, samplers,
/// estimators. The door is LazySampler:
///
///   lazygumbel::ScalarQuantizedIndex<float> index(rows);  // n x d, row-major
///   lazygumbel::LazySampler sampler(index);
///   lazygumbel::PhiloxEngine engine(42);
///   auto draw = sampler.sample(theta, engine);            // p_i ~ exp(<theta, x_i>)

#include "lazygumbel/core/config.hpp"
#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/core/log_sum_exp.hpp"
#include "lazygumbel/core/parallel.hpp"
#include "lazygumbel/core/parameters.hpp"
#include "lazygumbel/core/simd.hpp"
#include "lazygumbel/core/storage_scalar.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/core/version.hpp"
#include "lazygumbel/estimation/estimate.hpp"
#include "lazygumbel/estimation/from_draws.hpp"
#include "lazygumbel/estimation/log_partition.hpp"
#include "lazygumbel/estimation/normal_quantile.hpp"
#include "lazygumbel/estimation/softmax_expectation.hpp"
#include "lazygumbel/index/checked_search.hpp"
#include "lazygumbel/index/flat_index.hpp"
#include "lazygumbel/index/gap.hpp"
#include "lazygumbel/index/gap_calibration.hpp"
#include "lazygumbel/index/hnsw/hnsw_index.hpp"
#include "lazygumbel/index/hnsw/hnsw_parameters.hpp"
#include "lazygumbel/index/hnsw/mips_to_l2.hpp"
#include "lazygumbel/index/ivf/ivf_index.hpp"
#include "lazygumbel/index/ivf/ivf_parameters.hpp"
#include "lazygumbel/index/ivf/kmeans.hpp"
#include "lazygumbel/index/mips_index.hpp"
#include "lazygumbel/index/projected_index.hpp"
#include "lazygumbel/index/quantized/quantized_tail.hpp"
#include "lazygumbel/index/quantized/scalar_quantized_index.hpp"
#include "lazygumbel/index/recall.hpp"
#include "lazygumbel/index/retrieval.hpp"
#include "lazygumbel/index/tail.hpp"
#include "lazygumbel/random/categorical.hpp"
#include "lazygumbel/random/engine.hpp"
#include "lazygumbel/random/exact_bernoulli.hpp"
#include "lazygumbel/random/gumbel.hpp"
#include "lazygumbel/random/philox.hpp"
#include "lazygumbel/random/poisson_race.hpp"
#include "lazygumbel/random/ratio.hpp"
#include "lazygumbel/random/secure_engine.hpp"
#include "lazygumbel/random/uniform.hpp"
#include "lazygumbel/sampling/choose_index.hpp"
#include "lazygumbel/sampling/draw.hpp"
#include "lazygumbel/sampling/envelope.hpp"
#include "lazygumbel/sampling/exhaustive.hpp"
#include "lazygumbel/sampling/lazy_sampler.hpp"
#include "lazygumbel/sampling/reservoirs/uniform_reservoir.hpp"
#include "lazygumbel/sampling/reservoirs/weighted_reservoir.hpp"
#include "lazygumbel/sampling/tune.hpp"
