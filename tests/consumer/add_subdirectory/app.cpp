// A user's program that meets the usual templates, compiled with a user's warnings as errors.
#include <cstdint>
#include <cstdio>
#include <lazygumbel/lazygumbel.hpp>
#include <vector>

namespace {

using namespace lazygumbel;

double draw(const RowMatrix<float>& rows) {
  PhiloxEngine engine(1);
  const ScalarQuantizedIndex<float> index(rows);
  const Vector<float> theta = rows.row(3) * 4.0F;
  const Accuracy one_tenth(0.1, 0.1);
  return LazySampler(index).sample(theta, engine).perturbed +
         LogPartition(index).estimate(theta, one_tenth, engine).value;
}

double attend(const RowMatrix<float>& rows) {
  PhiloxEngine engine(2);
  const HeadsView<float> keys(rows), query(rows.topRows(1));
  KnnAttention<float> attention(1, 1, 4, 4);
  attention.append(keys, keys);
  return attention.decode(query, engine).log_sum_exp(0, 0);
}

double publish() {
  const Domain domain(
      {Attribute::integers("age", 17, 90, 10), Attribute::categories("sex", {"female", "male"})});
  const Histogram table(domain, std::vector<std::int64_t>(domain.size(), 5));
  const auto workload = MarginalWorkload::all(domain, 2);
  SystemEngine engine;
  return release(table, workload, Budget::pure(1.0), engine).table().total();
}

}  // namespace

int main() {
  const RowMatrix<float> rows = RowMatrix<float>::Random(1000, 4);
  const double drawn = draw(rows), attended = attend(rows), published = publish();
  std::printf("lazygumbel %s: %g, %g, %g\n", version, drawn, attended, published);
  return attended > 0.0 && published > 0.0 ? 0 : 1;
}
