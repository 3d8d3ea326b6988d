#include "lazygumbel/attention/cache/detail/exact_kv_cache_impl.hpp"
#include "lazygumbel/attention/knn/detail/decode/sampled_decode_impl.hpp"
#include "lazygumbel/attention/knn/detail/knn_attention_impl.hpp"

namespace lazygumbel {

template class KeyValueCache<Eigen::bfloat16>;
template class detail::SampledDecoder<Eigen::bfloat16>;
template class KnnAttention<Eigen::bfloat16>;

}  // namespace lazygumbel
