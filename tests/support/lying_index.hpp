#pragma once

#include <cstddef>
#include <lazygumbel/index/mips_index.hpp>

namespace lazygumbel::testing {

/// Finds an item that does not exist, or fewer than it was asked for.
class LyingIndex {
 public:
  using scalar_type = float;
  LyingIndex(item_id found, std::size_t count, std::size_t dimension = 3, std::size_t size = 10)
      : found_(found), count_(count), dimension_(dimension), size_(size) {}
  std::size_t size() const { return size_; }
  std::size_t dimension() const { return dimension_; }
  double score(const VectorView<float>&, item_id) const { return 0.0; }
  void search(const VectorView<float>&, std::size_t, Retrieval& found) const {
    found.ids.assign(count_, found_);
    found.scores.assign(count_, 0.0);
  }

 private:
  item_id found_;
  std::size_t count_, dimension_, size_;
};

}  // namespace lazygumbel::testing
