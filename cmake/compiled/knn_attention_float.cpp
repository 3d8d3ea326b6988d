#include "lazygumbel/attention/cache/detail/exact_kv_cache_impl.hpp"
#include "lazygumbel/attention/knn/detail/decode/sampled_decode_impl.hpp"
#include "lazygumbel/attention/knn/detail/knn_attention_impl.hpp"

namespace lazygumbel {

template class KeyValueCache<float>;
template class detail::SampledDecoder<float>;
template class KnnAttention<float>;

}  // namespace lazygumbel
