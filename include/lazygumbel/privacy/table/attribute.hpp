#pragma once

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lazygumbel/core/errors.hpp"

namespace lazygumbel {

/// One column of a table: a name and the finite list of values that it may take, coded 0 ..
/// size() - 1. The list is public: it comes from a codebook, a law of nature or a standard, never
/// from the data (see Domain).
///
/// Immutable; copies share the labels, O(1) beside the name; safe to read from many threads.
class Attribute {
 public:
  /// A column holds at most this many different values, as a Domain at most this many cells.
  static constexpr std::size_t largest_size = 0x7fffffff;

  /// The values are `labels`, in this order; any text, compared byte by byte. O(k log k).
  /// Throws std::invalid_argument on an empty name, no labels, too many, or a repeated label.
  template <std::same_as<double> Real = double>
  static Attribute categories(std::string name, std::vector<std::string> labels) {
    Attribute attribute(std::move(name), labels.size());
    if (labels.size() > largest_size)
      detail::throw_invalid(attribute.parameter("labels.size()"), labels.size(),
                            "must be at most 2^31 - 1");
    auto categories = std::make_shared<Categories>();
    categories->labels = std::move(labels);
    categories->order.resize(attribute.size_);
    std::iota(categories->order.begin(), categories->order.end(), std::uint32_t{0});
    const auto& texts = categories->labels;
    std::sort(categories->order.begin(), categories->order.end(),
              [&](std::uint32_t a, std::uint32_t b) { return texts[a] < texts[b]; });
    for (std::size_t i = 1; i < attribute.size_; ++i)
      if (texts[categories->order[i - 1]] == texts[categories->order[i]])
        detail::throw_invalid(attribute.parameter("label"), texts[categories->order[i]],
                              "must occur once");
    attribute.categories_ = std::move(categories);
    return attribute;
  }

  /// The integers low .. high, both included, cut into `bins` ranges as equal as possible, the
  /// wider ones first: with c = high - low + 1, c mod bins ranges of ceil(c / bins) integers, then
  /// ranges of floor(c / bins). bins = 0: one code for each integer.
  /// Throws std::invalid_argument on an empty name, low > high, more bins than integers, more than
  /// 2^31 - 1 codes, or 2^63 integers and more.
  static Attribute integers(std::string name, std::int64_t low, std::int64_t high,
                            std::size_t bins = 0) {
    Attribute attribute(std::move(name), 1);
    if (low > high)
      detail::throw_invalid(attribute.parameter("high"), high, "must be at least low");
    const std::uint64_t span = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
    if (span >= std::uint64_t{1} << 63)
      detail::throw_invalid(attribute.parameter("high - low"), span, "must be below 2^63");
    const std::uint64_t count = span + 1;
    if (bins > count)
      detail::throw_invalid(attribute.parameter("bins"), bins,
                            "must be at most the number of integers " + detail::text_of(count));
    const std::uint64_t size = bins == 0 ? count : bins;
    if (size > largest_size)
      detail::throw_invalid(attribute.parameter("size"), size, "must be at most 2^31 - 1");
    attribute.size_ = static_cast<std::size_t>(size);
    attribute.low_ = low;
    attribute.high_ = high;
    attribute.width_ = count / size;
    attribute.wide_ = count % size;
    return attribute;
  }

  const std::string& name() const noexcept { return name_; }
  std::size_t size() const noexcept { return size_; }

  /// Made by `categories`; else by `integers`.
  bool is_categorical() const noexcept { return categories_ != nullptr; }

  /// The code of a value as a table spells it, or nothing where it is no value of this attribute.
  /// The whole text counts. Categories: exactly a label. Integers: a decimal integer of low ..
  /// high ("-7", "42", "042"; no "+", blanks or decimal point), or exactly the label of a code, so
  /// that code_of(label(code)) == code. O(log size()).
  template <std::same_as<double> Real = double>
  std::optional<std::uint32_t> code_of(std::string_view text) const {
    if (is_categorical()) {
      const auto& texts = categories_->labels;
      const auto found = std::lower_bound(
          categories_->order.begin(), categories_->order.end(), text,
          [&](std::uint32_t code, std::string_view wanted) {
            return texts[code].compare(wanted) < 0;  // clang 14 cannot compile < in a template
          });
      if (found == categories_->order.end() || texts[*found] != text) return std::nullopt;
      return *found;
    }
    std::int64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || value < low_ || value > high_) return std::nullopt;
    const std::uint32_t code = code_of_integer(value);
    if (stop != end && text != label(code)) return std::nullopt;
    return code;
  }

  /// The text of a code: the category, the integer, or "17-24" for a range of integers.
  /// Throws std::invalid_argument unless code < size().
  std::string label(std::uint32_t code) const {
    if (code >= size_)
      detail::throw_invalid(parameter("code"), code, "must be below " + detail::text_of(size_));
    if (is_categorical()) return categories_->labels[code];
    const std::uint64_t first = code * width_ + (std::min)(std::uint64_t{code}, wide_);
    const std::uint64_t last = first + width_ - (code < wide_ ? 0 : 1);
    if (first == last) return detail::text_of(integer(first));
    return detail::text_of(integer(first)) + "-" + detail::text_of(integer(last));
  }

  /// What code_of accepts, for messages: "an integer of 17 .. 90", "one of 9 categories".
  std::string description() const {
    if (is_categorical()) return "one of " + detail::text_of(size_) + " categories";
    return "an integer of " + detail::text_of(low_) + " .. " + detail::text_of(high_);
  }

  /// The same name and the same values in the same order.
  friend bool operator==(const Attribute& a, const Attribute& b) {
    if (a.name_ != b.name_ || a.size_ != b.size_ || a.is_categorical() != b.is_categorical())
      return false;
    if (!a.is_categorical()) return a.low_ == b.low_ && a.high_ == b.high_;
    return a.categories_ == b.categories_ || a.categories_->labels == b.categories_->labels;
  }

 private:
  struct Categories {
    std::vector<std::string> labels;
    std::vector<std::uint32_t> order;  // codes in the order of their labels
  };

  Attribute(std::string name, std::size_t size) : name_(std::move(name)), size_(size) {
    if (name_.empty()) detail::throw_invalid("attribute name", "\"\"", "must not be empty");
    if (size_ == 0) detail::throw_invalid(parameter("size"), size_, "must be at least 1");
  }

  std::string parameter(const char* what) const { return "attribute \"" + name_ + "\" " + what; }

  std::uint32_t code_of_integer(std::int64_t value) const noexcept {
    const std::uint64_t offset =
        static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(low_);
    const std::uint64_t in_wide = wide_ * (width_ + 1);
    return static_cast<std::uint32_t>(offset < in_wide ? offset / (width_ + 1)
                                                       : wide_ + (offset - in_wide) / width_);
  }

  std::int64_t integer(std::uint64_t offset) const noexcept {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(low_) + offset);
  }

  std::string name_;
  std::size_t size_;
  std::shared_ptr<const Categories> categories_;  // null: integers
  std::int64_t low_ = 0, high_ = 0;
  std::uint64_t width_ = 1, wide_ = 0;  // codes below wide_ hold width_ + 1 integers, others width_
};

}  // namespace lazygumbel
