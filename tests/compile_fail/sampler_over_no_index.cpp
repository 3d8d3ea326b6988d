// A sampler takes any MipsIndex and nothing else; the error names the concept, not its insides.
// expect: MipsIndex
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>

#ifdef SHOULD_FAIL
struct Index {  // all of a MipsIndex but its scores
  using scalar_type = float;
  std::size_t size() const;
  std::size_t dimension() const;
  void search(const lazygumbel::VectorView<float>&, std::size_t, lazygumbel::Retrieval&) const;
};
#else
using Index = lazygumbel::FlatIndex<float>;
#endif

using Sampler = lazygumbel::LazySampler<Index>;

std::size_t size_of(const Sampler& sampler) { return sizeof sampler; }
