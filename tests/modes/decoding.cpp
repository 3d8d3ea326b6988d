// Attention by codes and by lists with each instruction set, and a draw whose templates draws.cpp
// instantiates, too.

#include <lazygumbel/attention/knn/knn_attention.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <lazygumbel/random/gumbel.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>

#include "print.hpp"

namespace {

using lazygumbel::PhiloxEngine;
using lazygumbel::RowMatrix;

RowMatrix<float> gumbel_rows(Eigen::Index n, Eigen::Index d, std::uint64_t seed) {
  PhiloxEngine engine(seed, 9);
  RowMatrix<float> rows(n, d);
  for (Eigen::Index i = 0; i < rows.size(); ++i)
    rows.data()[i] = static_cast<float>(lazygumbel::gumbel(engine));
  return rows;
}

void print_output(const lazygumbel::AttentionOutput& out, const char* what) {
  for (Eigen::Index i = 0; i < out.values.size(); ++i)
    print(static_cast<double>(out.values.data()[i]));
  for (Eigen::Index i = 0; i < out.log_sum_exp.size(); ++i) print(out.log_sum_exp.data()[i]);
  end_line(what);
}

}  // namespace

void print_decoding(std::uint64_t seed) {
  constexpr Eigen::Index n = 3000, d = 16, dv = 8;
  const RowMatrix<float> keys = gumbel_rows(n, d, seed), values = gumbel_rows(n, dv, seed + 1),
                         queries = gumbel_rows(3, d, seed + 2);
  for_each_simd([&](lazygumbel::Simd simd) {
    for (const auto index : {lazygumbel::KeyIndex::codes, lazygumbel::KeyIndex::lists}) {
      lazygumbel::KnnAttentionOptions options;
      options.index = index;
      options.minimum_keys = 0;
      options.attention.simd = simd;
      lazygumbel::KnnAttention<float> attention(1, 1, d, dv, options);
      attention.append(keys, values);
      PhiloxEngine engine(seed);
      for (Eigen::Index i = 0; i < queries.rows(); ++i)
        print_output(attention.decode(queries.row(i), engine), lazygumbel::name_of(simd));
    }
  });
  const lazygumbel::ScalarQuantizedIndex<float> index(keys);
  PhiloxEngine engine(seed);
  print(lazygumbel::LazySampler(index).sample(queries.row(0).transpose(), engine).perturbed);
  end_line("draw");
}
