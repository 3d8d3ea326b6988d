#include "lazygumbel/index/ivf/detail/ivf_index_impl.hpp"

namespace lazygumbel {

template class IvfIndex<float>;
template class IvfIndex<double>;
template class CertifiedIvfView<float>;
template class CertifiedIvfView<double>;

}  // namespace lazygumbel
