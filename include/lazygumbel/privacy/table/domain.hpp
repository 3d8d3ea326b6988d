#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "lazygumbel/core/errors.hpp"
#include "lazygumbel/privacy/table/attribute.hpp"

namespace lazygumbel {

/// All the records that a table could hold: the product of its attributes. A record, one code an
/// attribute, is a cell of 0 .. size() - 1 in mixed radix, the last attribute fastest:
///
///   cell = sum_a code_a stride_a,   stride_last = 1,   stride_a = stride_(a+1) size_(a+1).
///
/// PUBLIC by contract. What a private release says of a person, it says against a domain that was
/// fixed without looking at anyone: a category that is listed because somebody has it, or a bound
/// that is somebody's age, gives that person away before any noise is added, and no accountant
/// notices. So a domain must never be computed from the data, and nothing in this library offers
/// to. Take it from the questionnaire, the codebook or the law; refuse or map, by a rule just as
/// public, the records that do not fit.
///
/// Immutable; copies share everything, O(1); safe to read from many threads.
class Domain {
 public:
  /// Throws std::invalid_argument without attributes, when two have one name, and when there are
  /// more than 2^31 - 1 cells.
  template <std::same_as<double> Real = double>
  explicit Domain(std::vector<Attribute> attributes) {
    if (attributes.empty())
      detail::throw_invalid("attributes.size()", attributes.size(), "must be at least 1");
    auto state = std::make_shared<State>();
    std::unordered_set<std::string_view> names;
    for (const Attribute& attribute : attributes)
      if (!names.insert(attribute.name()).second)
        detail::throw_invalid("attribute name", attribute.name(), "must occur once");
    state->strides.resize(attributes.size());
    std::uint64_t cells = 1;  // below 2^31, and so is the size of an attribute: no overflow
    for (std::size_t a = attributes.size(); a-- > 0;) {
      state->strides[a] = static_cast<std::size_t>(cells);
      cells *= attributes[a].size();
      if (cells > Attribute::largest_size)
        detail::throw_invalid(
            "domain cells of the attributes from \"" + attributes[a].name() + "\"", cells,
            "must be at most 2^31 - 1");
    }
    state->size = static_cast<std::size_t>(cells);
    state->attributes = std::move(attributes);
    state_ = std::move(state);
  }

  /// The number of cells, 1 .. 2^31 - 1.
  std::size_t size() const noexcept { return state_->size; }

  const std::vector<Attribute>& attributes() const noexcept { return state_->attributes; }

  /// The place of the attribute of this name. Throws std::invalid_argument where there is none.
  std::size_t attribute(std::string_view name) const {
    for (std::size_t a = 0; a < attributes().size(); ++a)
      if (attributes()[a].name() == name) return a;
    detail::throw_invalid("attribute name", name, "is not in the domain");
  }

  /// cell_of adds codes[a] * strides()[a].
  std::span<const std::size_t> strides() const noexcept { return state_->strides; }

  /// The cell of a record. Throws std::invalid_argument unless there is one code an attribute, each
  /// below the attribute's size. O(attributes).
  std::size_t cell_of(std::span<const std::uint32_t> codes) const {
    require_one_each(codes.size());
    std::size_t cell = 0;
    for (std::size_t a = 0; a < codes.size(); ++a) {
      if (codes[a] >= attributes()[a].size())
        detail::throw_invalid("code of attribute \"" + attributes()[a].name() + "\"", codes[a],
                              "must be below " + detail::text_of(attributes()[a].size()));
      cell += codes[a] * strides()[a];
    }
    return cell;
  }

  /// The record of a cell: the inverse of cell_of. Throws std::invalid_argument unless cell <
  /// size() and there is room for one code an attribute. O(attributes).
  void codes_of(std::size_t cell, std::span<std::uint32_t> codes) const {
    require_one_each(codes.size());
    if (cell >= size())
      detail::throw_invalid("cell", cell, "must be below " + detail::text_of(size()));
    for (std::size_t a = 0; a < codes.size(); ++a) {
      codes[a] = static_cast<std::uint32_t>(cell / strides()[a]);
      cell %= strides()[a];
    }
  }

  /// The domain of some of the attributes, in the order given here. Throws std::invalid_argument on
  /// none, one that does not exist, or one twice.
  template <std::same_as<double> Real = double>
  Domain project(std::span<const std::size_t> attributes) const {
    std::vector<Attribute> kept;
    for (const std::size_t a : attributes) {
      require_attribute(a);
      kept.push_back(this->attributes()[a]);
    }
    return Domain(std::move(kept));
  }

  /// The same by names.
  template <std::ranges::input_range Names>
  requires std::convertible_to<std::ranges::range_reference_t<const Names>, std::string_view> Domain
  project(const Names& names)
  const {
    std::vector<std::size_t> indexes;
    for (const auto& name : names) indexes.push_back(attribute(name));
    return project(std::span<const std::size_t>(indexes));
  }
  template <std::same_as<double> Real = double>
  Domain project(std::initializer_list<std::string_view> names) const {
    return project<std::initializer_list<std::string_view>>(names);
  }

  /// For every cell, the cell of project(attributes) that it falls into: size() numbers. Throws as
  /// project does. O(size()) time and memory.
  template <std::same_as<double> Real = double>
  std::vector<std::uint32_t> projected_cells(std::span<const std::size_t> attributes) const {
    const Domain projection = project(attributes);
    std::vector<std::size_t> steps(this->attributes().size(), 0);  // 0: summed out
    for (std::size_t i = 0; i < attributes.size(); ++i)
      steps[attributes[i]] = projection.strides()[i];
    std::vector<std::uint32_t> cells{0};
    cells.reserve(size());
    // Attribute by attribute, the slowest first, every cell becomes one for each code.
    for (std::size_t a = 0; a < steps.size(); ++a) {
      const std::size_t before = cells.size(), values = this->attributes()[a].size();
      cells.resize(before * values);
      for (std::size_t i = before; i-- > 0;)  // downwards: what is read is not yet overwritten
        for (std::size_t code = values; code-- > 0;)
          cells[i * values + code] = static_cast<std::uint32_t>(cells[i] + code * steps[a]);
    }
    return cells;
  }

  /// The same attributes in the same order.
  friend bool operator==(const Domain& a, const Domain& b) {
    return a.state_ == b.state_ || a.attributes() == b.attributes();
  }

 private:
  struct State {
    std::vector<Attribute> attributes;
    std::vector<std::size_t> strides;
    std::size_t size = 0;
  };

  void require_attribute(std::size_t a) const {
    if (a >= attributes().size())
      detail::throw_invalid("attribute", a,
                            "must be below " + detail::text_of(attributes().size()));
  }
  void require_one_each(std::size_t count) const {
    if (count != attributes().size())
      detail::throw_invalid(
          "codes.size()", count,
          "must equal the number of attributes " + detail::text_of(attributes().size()));
  }

  std::shared_ptr<const State> state_;
};

}  // namespace lazygumbel
