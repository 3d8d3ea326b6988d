#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <lazygumbel/index/flat_index.hpp>
#include <lazygumbel/index/hnsw/hnsw_index.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <optional>
#include <type_traits>

#include "input.hpp"
#include "options.hpp"

/// \file
/// An index over the first n rows, n growing: every size on the way to the whole costs nothing
/// extra. Both classes have grow_to(n), seconds() spent building, and bytes().

namespace demo {

class GrowingHnsw {
 public:
  using Index = lazygumbel::HnswIndex<float>;
  static constexpr const char* name = "HNSW";

  GrowingHnsw(const Matrix& rows, const Options& options) : rows_(rows) {
    parameters_.seed = options.seed;
    parameters_.threads = options.threads;
    parameters_.norm_bound = static_cast<double>(rows.rowwise().norm().maxCoeff()) * (1.0 + 1e-6);
  }

  Index& grow_to(std::size_t n, const lazygumbel::Progress& progress) {
    const auto start = std::chrono::steady_clock::now();
    const std::size_t before = index_ ? index_->size() : 0;
    const auto more =
        rows_.middleRows(static_cast<Eigen::Index>(before), static_cast<Eigen::Index>(n - before));
    if (index_)
      index_->add(more, parameters_.threads, progress);
    else
      index_.emplace(more, parameters_, progress);
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return *index_;
  }

  double seconds() const { return seconds_; }
  std::size_t bytes() const { return index_->size_in_bytes(); }

 private:
  const Matrix& rows_;
  lazygumbel::HnswParameters parameters_;
  std::optional<Index> index_;
  double seconds_ = 0.0;
};

/// An index that reads the rows where they are and is made anew for each n.
template <class IndexOver>
class GrowingView {
 public:
  using Index = IndexOver;
  static constexpr bool is_flat = std::is_same_v<Index, lazygumbel::FlatIndex<float>>;
  static constexpr const char* name = is_flat ? "flat" : "coded";

  GrowingView(const Matrix& rows, const Options&) : rows_(rows) {}

  Index& grow_to(std::size_t n, const lazygumbel::Progress&) {
    const auto start = std::chrono::steady_clock::now();
    index_.emplace(Index::over({rows_.data(), static_cast<Eigen::Index>(n), rows_.cols(),
                                Eigen::OuterStride<>(rows_.cols())}));
    seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return *index_;
  }

  double seconds() const { return seconds_; }
  std::size_t bytes() const {  // beside the rows
    if constexpr (is_flat)
      return 0;
    else
      return index_->size_in_bytes();
  }

 private:
  const Matrix& rows_;
  std::optional<Index> index_;
  double seconds_ = 0.0;
};

using GrowingFlat = GrowingView<lazygumbel::FlatIndex<float>>;
using GrowingCodes = GrowingView<lazygumbel::ScalarQuantizedIndex<float>>;

}  // namespace demo
