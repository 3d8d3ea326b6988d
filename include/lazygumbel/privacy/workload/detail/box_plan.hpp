#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "lazygumbel/core/detail/cache_line.hpp"
#include "lazygumbel/core/types.hpp"
#include "lazygumbel/privacy/workload/detail/box_kernels.hpp"

namespace lazygumbel::detail {

/// The value sets of m boxes: one record of bytes a box, for each attribute its set.
struct BoxSets {
  explicit BoxSets(std::vector<std::size_t> attribute_sizes) : sizes(std::move(attribute_sizes)) {
    for (const std::size_t size : sizes) {
      offsets.push_back(record_bytes);
      record_bytes += set_bytes(size);
    }
  }

  std::size_t count() const noexcept { return bytes.size() / record_bytes; }
  const std::uint8_t* set(std::size_t box, std::size_t attribute) const noexcept {
    return bytes.data() + box * record_bytes + offsets[attribute];
  }
  bool contains(std::size_t box, std::size_t attribute, std::size_t value) const noexcept {
    return (set(box, attribute)[value / 8] >> (value % 8) & 1) != 0;
  }

  std::vector<std::size_t> sizes, offsets;  // of the attributes, and of their sets in a record
  std::size_t record_bytes = 0;
  std::vector<std::uint8_t> bytes;
};

/// The set of the product of some attributes, the last fastest, for one box: set_bytes of the
/// product of the sizes. O(product).
inline void product_set(const BoxSets& sets, std::size_t box,
                        std::span<const std::size_t> attributes, std::uint8_t* out) {
  if (attributes.size() == 1) {
    std::memcpy(out, sets.set(box, attributes[0]), set_bytes(sets.sizes[attributes[0]]));
    return;
  }
  std::size_t product = 1;
  for (const std::size_t a : attributes) product *= sets.sizes[a];
  std::memset(out, 0, set_bytes(product));
  for (std::size_t cell = 0; cell < product; ++cell) {
    bool inside = true;
    std::size_t rest = cell;
    for (std::size_t i = attributes.size(); i-- > 0 && inside; rest /= sets.sizes[attributes[i]])
      inside = sets.contains(box, attributes[i], rest % sets.sizes[attributes[i]]);
    if (inside) out[cell / 8] = static_cast<std::uint8_t>(out[cell / 8] | 1u << (cell % 8));
  }
}

/// All the boxes' sums over a weight tensor, by staged contraction. Attributes become axes: in the
/// order of their numbers of distinct sets, the fewest first, the small ones at the end taken
/// together. Sorted by their sets on the axes, the boxes are the leaves of a trie: a node at depth
/// l sums the tensor of its parent over its set of values of axis l, once for all boxes below. The
/// last two axes, a matrix, are left to each box. Where a node has many children, they share the
/// sums of all subsets of four values, so that a child adds a row for four values instead of one
/// for each.
///
/// The sum of a box is a tree of additions of its cells: each takes part in fewer than |X|.
template <std::same_as<double> Real>  // a template: core/detail/later.hpp
class BasicBoxPlan {
 public:
  explicit BasicBoxPlan(const BoxSets& sets) {
    order_axes(sets);
    sort_boxes(sets);
  }

  /// out[j] = sum of `weights` over box j. O(nodes and boxes times what is left of the tensor).
  void sums(const double* weights, const BoxKernels& kernels, double* out) const {
    Scratch scratch{kernels, out, {}, {}, {}};
    std::size_t most_rows = 0;
    for (const Axis& axis : axes_) {
      scratch.tensors.push_back(cache_line_array<Real>(axis.size * axis.child_length));
      scratch.tables.emplace_back();
      most_rows = (std::max)(most_rows, axis.size);
    }
    scratch.rows.resize(most_rows);
    double* const tensor = scratch.tensors[0].get();
    std::memset(tensor, 0, sizeof(double) * axes_[0].size * axes_[0].child_length);
    place(weights, 0, tensor);
    contract(0, tensor, 0, axes_.size() == 2 ? boxes_.size() : axes_[0].children.size() - 1,
             scratch);
  }

 private:
  static constexpr std::size_t joined_size = 16;   // attributes are taken together up to here
  static constexpr std::size_t few_children = 16;  // below: no tables

  struct Axis {
    std::vector<std::size_t> attributes;
    std::size_t size = 1, bytes = 1;
    std::size_t offset = 0;             // of its set in a sorted record
    std::size_t child_length = 1;       // numbers of the tensor without this axis
    std::vector<std::size_t> children;  // child i of the level has the next level's
                                        // children[i] .. children[i + 1] - 1
    std::vector<std::uint8_t> sets;     // of the children, `bytes` each
  };

  struct Scratch {
    const BoxKernels& kernels;
    double* out;
    std::vector<CacheLineArray<Real>> tensors, tables;  // by axis; tables where they are wanted
    std::vector<const double*> rows;
  };

  void order_axes(const BoxSets& sets) {
    const std::size_t attributes = sets.sizes.size();
    std::vector<std::size_t> distinct(attributes), order(attributes);
    std::unordered_set<std::string_view> seen;
    for (std::size_t a = 0; a < attributes; ++a) {
      seen.clear();
      for (std::size_t box = 0; box < sets.count(); ++box)
        seen.emplace(reinterpret_cast<const char*>(sets.set(box, a)), set_bytes(sets.sizes[a]));
      distinct[a] = seen.size();
    }
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return std::pair(distinct[a], sets.sizes[b]) < std::pair(distinct[b], sets.sizes[a]);
    });

    // From the last: columns, rows, then the axes that are contracted.
    for (std::size_t i = attributes; i-- > 0;) {
      const std::size_t a = order[i];
      const bool join = !axes_.empty() &&
                        (sets.sizes[a] == 1 || axes_.back().size == 1 ||
                         (axes_.size() <= 2 && axes_.back().size * sets.sizes[a] <= joined_size));
      if (!join) axes_.emplace_back();
      axes_.back().attributes.insert(axes_.back().attributes.begin(), a);
      axes_.back().size *= sets.sizes[a];
    }
    if (axes_.size() == 1) axes_.emplace_back();  // one row
    std::reverse(axes_.begin(), axes_.end());

    strides_.resize(attributes);
    sizes_ = sets.sizes;
    std::size_t length = 1;
    for (std::size_t l = axes_.size(); l-- > 0;) {
      Axis& axis = axes_[l];
      axis.bytes = set_bytes(axis.size);
      axis.child_length = length;
      std::size_t stride = length;
      for (std::size_t i = axis.attributes.size(); i-- > 0;) {
        strides_[axis.attributes[i]] = stride;
        stride *= sets.sizes[axis.attributes[i]];
      }
      length *= l + 1 == axes_.size() ? 8 * axis.bytes : axis.size;
    }
    axes_.back().size = 8 * axes_.back().bytes;  // padded with columns of zeros
    std::size_t offset = 0;
    for (Axis& axis : axes_) {
      axis.offset = offset;
      offset += axis.bytes;
    }
  }

  void sort_boxes(const BoxSets& sets) {
    const std::size_t bytes = axes_.back().offset + axes_.back().bytes;
    std::vector<std::uint8_t> records(sets.count() * bytes);
    for (std::size_t box = 0; box < sets.count(); ++box)
      for (const Axis& axis : axes_) {
        std::uint8_t* const set = records.data() + box * bytes + axis.offset;
        if (axis.attributes.empty())
          *set = 1;
        else
          product_set(sets, box, axis.attributes, set);
      }
    const auto record = [&](item_id box) { return records.data() + box * bytes; };
    boxes_.resize(sets.count());
    std::iota(boxes_.begin(), boxes_.end(), item_id{0});
    std::sort(boxes_.begin(), boxes_.end(), [&](item_id a, item_id b) {
      const int compared = std::memcmp(record(a), record(b), bytes);
      return compared != 0 ? compared < 0 : a < b;
    });

    const std::size_t levels = axes_.size() - 2, kept = bytes - axes_[levels].offset;
    for (std::size_t i = 0; i < boxes_.size(); ++i) {
      const std::uint8_t* const current = record(boxes_[i]);
      for (std::size_t l = 0; l < levels; ++l) {
        Axis& axis = axes_[l];
        if (i > 0 && std::memcmp(current, record(boxes_[i - 1]), axis.offset + axis.bytes) == 0)
          continue;
        axis.children.push_back(l + 1 == levels ? i
                                                : axes_[l + 1].sets.size() / axes_[l + 1].bytes);
        axis.sets.insert(axis.sets.end(), current + axis.offset,
                         current + axis.offset + axis.bytes);
      }
      matrix_sets_.insert(matrix_sets_.end(), current + bytes - kept, current + bytes);
    }
    for (std::size_t l = 0; l < levels; ++l)
      axes_[l].children.push_back(l + 1 == levels ? boxes_.size()
                                                  : axes_[l + 1].sets.size() / axes_[l + 1].bytes);
  }

  /// The weights, the last attribute fastest, into the order of the axes.
  const double* place(const double* weights, std::size_t attribute, double* tensor) const {
    const std::size_t stride = strides_[attribute];
    for (std::size_t value = 0; value < sizes_[attribute]; ++value) {
      if (attribute + 1 == sizes_.size())
        tensor[value * stride] = *weights++;
      else
        weights = place(weights, attribute + 1, tensor + value * stride);
    }
    return weights;
  }

  /// Does the children first .. last - 1 of level l, whose parent's tensor this is; the boxes first
  /// .. last - 1 where only the matrix is left.
  void contract(std::size_t l, const double* tensor, std::size_t first, std::size_t last,
                Scratch& scratch) const {
    const Axis& axis = axes_[l];
    const BoxKernels& kernels = scratch.kernels;
    const double* tables = nullptr;
    if (last - first > few_children) {
      auto& memory = scratch.tables[l];
      if (!memory) memory = cache_line_array<Real>(32 * axis.bytes * axis.child_length);
      kernels.build_tables(tensor, axis.size, axis.child_length, memory.get());
      tables = memory.get();
    }

    if (l + 2 == axes_.size()) {
      const std::size_t column_bytes = axes_.back().bytes, bytes = axis.bytes + column_bytes;
      const std::uint8_t* const sets = matrix_sets_.data() + first * bytes;
      if (tables != nullptr)
        return kernels.sum_boxes(
            tables, {sets, boxes_.data() + first, last - first, axis.bytes, column_bytes},
            scratch.out);
      for (std::size_t i = 0; i < last - first; ++i)
        scratch.out[boxes_[first + i]] =
            kernels.sum_box(tensor, axis.child_length, sets + i * bytes, axis.bytes,
                            sets + i * bytes + axis.bytes, column_bytes);
      return;
    }

    for (std::size_t child = first; child < last; ++child) {
      const std::size_t rows =
          list_rows(axis, tables != nullptr ? tables : tensor, tables != nullptr,
                    axis.sets.data() + child * axis.bytes, scratch.rows.data());
      const double* contracted = scratch.rows[0];
      if (rows != 1) {
        contracted = scratch.tensors[l + 1].get();
        kernels.sum_rows(scratch.rows.data(), rows, axis.child_length,
                         scratch.tensors[l + 1].get());
      }
      contract(l + 1, contracted, axis.children[child], axis.children[child + 1], scratch);
    }
  }

  /// The rows of the tensor, or of its tables, whose sum is that over the set; how many.
  static std::size_t list_rows(const Axis& axis, const double* matrix, bool is_table,
                               const std::uint8_t* set, const double** rows) {
    std::size_t count = 0;
    for (std::size_t byte = 0; byte < axis.bytes; ++byte)
      if (is_table) {
        const unsigned halves[] = {set[byte] & 15u, set[byte] >> 4 & 15u};
        for (std::size_t half = 0; half < 2; ++half)
          if (halves[half] != 0)
            rows[count++] = matrix + (16 * (2 * byte + half) + halves[half]) * axis.child_length;
      } else {
        for (unsigned bits = set[byte]; bits != 0; bits &= bits - 1)
          rows[count++] = matrix + (8 * byte + static_cast<std::size_t>(std::countr_zero(bits))) *
                                       axis.child_length;
      }
    return count;
  }

  std::vector<Axis> axes_;                    // at least two: the last are rows and columns
  std::vector<std::size_t> sizes_, strides_;  // of the attributes, strides in the tensor
  std::vector<item_id> boxes_;                // sorted
  std::vector<std::uint8_t> matrix_sets_;     // of the sorted boxes: rows, columns
};

using BoxPlan = BasicBoxPlan<double>;

}  // namespace lazygumbel::detail
