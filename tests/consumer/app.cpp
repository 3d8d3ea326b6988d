// A user's program: all it needs to compile and link comes with lazygumbel::lazygumbel.
#include <cstdio>
#include <lazygumbel/lazygumbel.hpp>

int main() {
  const lazygumbel::FlatIndex<float> index(lazygumbel::RowMatrix<float>{{1, 0}, {0, 1}, {-1, 0}});
  const lazygumbel::LazySampler sampler(index);
  lazygumbel::PhiloxEngine engine(2024);
  const lazygumbel::Vector<float> theta{{100, 0}};  // item 0 but for one draw in e^100
  const lazygumbel::item_id drawn = sampler.sample(theta, engine).id;
  std::printf("lazygumbel %s drew item %u\n", lazygumbel::version, drawn);
  return drawn == 0 ? 0 : 1;
}
