// A user's program: all it needs to compile and link comes with lazygumbel::faiss.
#include <faiss/IndexFlat.h>

#include <cstdio>
#include <lazygumbel/index/faiss_index.hpp>
#include <lazygumbel/lazygumbel.hpp>

int main() {
  const lazygumbel::RowMatrix<float> rows{{1, 0}, {0, 1}, {-1, 0}};
  faiss::IndexFlatIP flat(2);
  flat.add(rows.rows(), rows.data());
  const lazygumbel::FaissIndex index(flat, rows);
  const lazygumbel::LazySampler sampler(index);
  lazygumbel::PhiloxEngine engine(2024);
  const lazygumbel::Vector<float> theta{{100, 0}};  // item 0 but for one draw in e^100
  const lazygumbel::item_id drawn = sampler.sample(theta, engine).id;
  std::printf("lazygumbel %s drew item %u through FAISS\n", lazygumbel::version, drawn);
  return drawn == 0 ? 0 : 1;
}
