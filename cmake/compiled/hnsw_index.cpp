#include "lazygumbel/index/hnsw/detail/hnsw_index_impl.hpp"

namespace lazygumbel {

template class HnswIndex<float>;
template class HnswIndex<double>;

}  // namespace lazygumbel
