// Draws over every index, with each instruction set.

#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/hnsw/hnsw_index.hpp>
#include <lazygumbel/index/ivf/ivf_index.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>

#include "print.hpp"

namespace {

using lazygumbel::PhiloxEngine;
using lazygumbel::RowMatrix;

template <class Scalar>
RowMatrix<Scalar> made_up_rows(Eigen::Index n, Eigen::Index d, std::uint64_t seed) {
  PhiloxEngine engine(seed, 7);
  RowMatrix<Scalar> rows(n, d);
  for (Eigen::Index i = 0; i < rows.size(); ++i)
    rows.data()[i] = static_cast<Scalar>(4.0 * lazygumbel::open_uniform(engine) - 2.0);
  return rows;
}

template <class Index, class Scalar>
void print_draws_of(const Index& index, const RowMatrix<Scalar>& thetas, std::uint64_t seed,
                    const char* what) {
  const lazygumbel::LazySampler sampler(index);
  PhiloxEngine engine(seed);
  for (Eigen::Index j = 0; j < thetas.rows(); ++j) {
    const auto draw = sampler.sample(thetas.row(j).transpose(), engine);
    print(static_cast<double>(draw.id));
    print(draw.perturbed);
    const auto many = sampler.sample(thetas.row(j).transpose(), 20, engine);
    for (const double perturbed : many.perturbed) print(perturbed);
    const auto ranked = sampler.sample_without_replacement(thetas.row(j).transpose(), 5, engine);
    for (const double perturbed : ranked.perturbed) print(perturbed);
  }
  for (const auto& draw : sampler.sample_batch(thetas, engine, 2)) print(draw.perturbed);
  end_line(what);
}

template <class Scalar>
void print_all(std::uint64_t seed) {
  const RowMatrix<Scalar> rows = made_up_rows<Scalar>(700, 12, seed),
                          thetas = made_up_rows<Scalar>(5, 12, seed + 1);
  print_draws_of(lazygumbel::FlatIndex<Scalar>(rows), thetas, seed, "flat");
  for_each_simd([&](lazygumbel::Simd simd) {
    for (const int bits : {4, 8})
      print_draws_of(lazygumbel::ScalarQuantizedIndex<Scalar>(rows, {.bits = bits, .simd = simd}),
                     thetas, seed, lazygumbel::name_of(simd));
  });
  const lazygumbel::IvfIndex<Scalar> ivf(rows);
  print_draws_of(ivf, thetas, seed, "ivf");
  print_draws_of(ivf.certified(), thetas, seed, "certified ivf");
  print_draws_of(lazygumbel::HnswIndex<Scalar>(rows), thetas, seed, "hnsw");
}

}  // namespace

void print_draws(std::uint64_t seed) { print_all<float>(seed); }
