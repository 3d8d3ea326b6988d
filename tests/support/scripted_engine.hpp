#pragma once

#include <cstddef>
#include <initializer_list>
#include <limits>
#include <stdexcept>
#include <vector>

namespace lazygumbel::testing {

inline constexpr std::uint64_t all_ones = 0xffffffffffffffff;

/// A BitGenerator that gives out a list of words, then throws: for golden values at the branches
/// that a real engine hardly ever takes. Word is std::uint32_t or std::uint64_t.
template <class Word>
class ScriptedEngine {
 public:
  using result_type = Word;
  ScriptedEngine(std::initializer_list<Word> words) : words_(words) {}
  static constexpr Word(min)() { return 0; }
  static constexpr Word(max)() { return std::numeric_limits<Word>::max(); }
  Word operator()() {
    if (used_ == words_.size()) throw std::logic_error("the script is at its end");
    return words_[used_++];
  }
  /// Words given out so far.
  std::size_t used() const { return used_; }

 private:
  std::vector<Word> words_;
  std::size_t used_ = 0;
};

}  // namespace lazygumbel::testing
