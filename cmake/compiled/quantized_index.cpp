#include "lazygumbel/index/detail/flat_index_impl.hpp"
#include "lazygumbel/index/flat_index.hpp"
#include "lazygumbel/index/quantized/detail/scalar_quantized_index_impl.hpp"

namespace lazygumbel {

template class FlatIndex<float>;
template class FlatIndex<double>;
template class ScalarQuantizedIndex<float>;
template class ScalarQuantizedIndex<double>;

}  // namespace lazygumbel
