#include "lazygumbel/attention/subgen/detail/sub_gen_cache_impl.hpp"

namespace lazygumbel {

template class SubGenCache<float>;
template class SubGenCache<Eigen::half>;
template class SubGenCache<Eigen::bfloat16>;

}  // namespace lazygumbel
