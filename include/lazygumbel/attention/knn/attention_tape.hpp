#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lazygumbel/attention/exact/attention_output.hpp"
#include "lazygumbel/attention/exact/detail/attention_plan.hpp"

namespace lazygumbel {

/// What a sampled forward pass leaves for its gradients: which keys met which queries with what
/// weight, and the outputs. Filled by KnnAttention::forward, read by KnnAttention::backward; about
/// 4 bytes for each key of a block, and an output's memory.
struct AttentionTape {
  std::vector<detail::PlanSegment> segments;
  std::vector<std::uint32_t> order;  ///< queries by the number of keys that they see
  AttentionOutput output;
  std::size_t keys = 0;  ///< of the forward pass
};

}  // namespace lazygumbel
