#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <vector>

#include "lazygumbel/attention/exact/detail/product_kernels.hpp"
#include "lazygumbel/attention/exact/heads_view.hpp"
#include "lazygumbel/core/simd.hpp"

namespace lazygumbel::detail {

/// A ball that holds the values of the first rows of one kv head. Its centre is the mean of the
/// first 2^i of them, i as large as there are rows for, so that where values hardly differ it is
/// small, however long they are, and that it does not matter in what portions rows came.
class ValueBall {
 public:
  std::size_t size() const noexcept { return count_; }
  /// dv floats; none before the first row.
  const std::vector<float>& centre() const noexcept { return centre_; }
  /// At least |v - centre| of each row.
  double radius() const noexcept { return radius_; }

  /// At least |v - x| of each row. Precondition: x has dv numbers.
  double radius_about(const float* near, const std::vector<double>& offset) const noexcept {
    double sum = 0.0;
    for (std::size_t c = 0; c < centre_.size(); ++c) {
      const double difference =
          static_cast<double>(near[c]) - static_cast<double>(centre_[c]) + offset[c];
      sum += difference * difference;
    }
    return radius_ + std::sqrt(sum) * (1.0 + 1e-9);
  }

  /// Takes in the rows before `end`. O(dv) a row, amortised.
  template <StorageScalar T>
  void update(const HeadsView<T>& values, std::size_t kv, std::size_t end, Simd simd) {
    if (end <= count_) return;
    const std::size_t dv = values.dimension();
    if (const std::size_t first = std::bit_floor(end); first != centred_) {
      std::vector<double> sums(dv, 0.0);
      for_each_row(values, kv, 0, first, simd, [&](const float* row) {
        for (std::size_t c = 0; c < dv; ++c) sums[c] += static_cast<double>(row[c]);
      });
      centre_.resize(dv);
      for (std::size_t c = 0; c < dv; ++c)
        centre_[c] = static_cast<float>(sums[c] / static_cast<double>(first));
      centred_ = first;
      radius_ = 0.0;
      count_ = 0;
    }
    double largest = 0.0;  // of the squares, which fit: norms are at most 1e30
    for_each_row(values, kv, count_, end, simd, [&](const float* row) {
      double sum = 0.0;
      for (std::size_t c = 0; c < dv; ++c) {
        const double difference = static_cast<double>(row[c]) - static_cast<double>(centre_[c]);
        sum += difference * difference;
      }
      largest = (std::max)(largest, sum);
    });
    radius_ = (std::max)(radius_, std::sqrt(largest) * (1.0 + 1e-9));
    count_ = end;
  }

 private:
  template <StorageScalar T, class Use>
  static void for_each_row(const HeadsView<T>& values, std::size_t kv, std::size_t from,
                           std::size_t to, Simd simd, Use&& use) {
    const std::size_t dv = values.dimension();
    if constexpr (std::same_as<T, float>) {
      for (std::size_t row = from; row < to; ++row) use(values.row(row, kv));
    } else {
      constexpr std::size_t together = 256;
      std::vector<float> rows(together * dv);
      for (std::size_t at = from; at < to; at += together) {
        const std::size_t count = (std::min)(together, to - at);
        select<StorageKernels<T>>(simd).widen(values.row(at, kv), values.token_stride(), count, dv,
                                              rows.data(), dv);
        for (std::size_t i = 0; i < count; ++i) use(rows.data() + i * dv);
      }
    }
  }

  std::vector<float> centre_;
  double radius_ = 0.0;
  std::size_t count_ = 0, centred_ = 0;
};

}  // namespace lazygumbel::detail
