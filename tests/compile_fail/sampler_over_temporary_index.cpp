// A sampler refers to its index, so an index that is gone at the end of the line is refused.
// expect: deleted
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>

using Index = lazygumbel::FlatIndex<float>;

std::size_t items_of(const lazygumbel::RowMatrix<float>& rows) {
#ifdef SHOULD_FAIL
  const lazygumbel::LazySampler<Index> sampler(Index{rows});
#else
  const Index index{rows};
  const lazygumbel::LazySampler<Index> sampler(index);
#endif
  return sampler.index().size();
}
