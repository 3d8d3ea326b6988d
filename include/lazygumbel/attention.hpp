#pragma once

/// \file
/// Attention that looks at few keys (KnnAttention) and at all of them (exact_attention), forward
/// and backward; caches of keys and values, sliding windows, SubGen, random walks.

#include "lazygumbel/attention/cache/exact_kv_cache.hpp"
#include "lazygumbel/attention/cache/kv_cache.hpp"
#include "lazygumbel/attention/cache/space_lower_bound.hpp"
#include "lazygumbel/attention/exact/attention_gradients.hpp"
#include "lazygumbel/attention/exact/attention_mask.hpp"
#include "lazygumbel/attention/exact/attention_options.hpp"
#include "lazygumbel/attention/exact/attention_output.hpp"
#include "lazygumbel/attention/exact/exact_attention.hpp"
#include "lazygumbel/attention/exact/exact_attention_backward.hpp"
#include "lazygumbel/attention/exact/heads_view.hpp"
#include "lazygumbel/attention/knn/attention_tape.hpp"
#include "lazygumbel/attention/knn/knn_attention.hpp"
#include "lazygumbel/attention/knn/knn_attention_options.hpp"
#include "lazygumbel/attention/subgen/sub_gen_cache.hpp"
#include "lazygumbel/attention/subgen/sub_gen_options.hpp"
#include "lazygumbel/attention/walks/attention_draws.hpp"
#include "lazygumbel/attention/walks/random_walk.hpp"
#include "lazygumbel/attention/walks/walk_steps.hpp"
#include "lazygumbel/attention/window/residual_mass.hpp"
#include "lazygumbel/attention/window/sliding_window_attention.hpp"
#include "lazygumbel/attention/window/sliding_window_backward.hpp"
#include "lazygumbel/attention/window/sliding_window_cache.hpp"
#include "lazygumbel/attention/window/sliding_window_options.hpp"
