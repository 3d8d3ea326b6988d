#pragma once

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <system_error>

namespace lazygumbel::detail {

/// How many forks lie between the first process and this one, counted from the first call on: the
/// one thing that an engine must know about its process, since a child that goes on with its
/// parent's buffer repeats the parent's numbers. One relaxed load a call; asking the kernel for the
/// process id would cost a system call a number. Throws std::system_error when the handler cannot
/// be registered.
inline std::uint64_t fork_generation() {
  static std::atomic<std::uint64_t> generation{0};
  static const bool registered = [] {
    const int error = pthread_atfork(
        nullptr, nullptr, +[] { generation.fetch_add(1, std::memory_order_relaxed); });
    if (error != 0)
      throw std::system_error(error, std::generic_category(), "lazygumbel: pthread_atfork");
    return true;
  }();
  static_cast<void>(registered);
  return generation.load(std::memory_order_relaxed);
}

/// Hands out the random words of `Source` one by one from a buffer of 512. A word is wiped when it
/// is given out and all when the engine goes, so that nobody who reads the memory later finds past
/// numbers. Move-only: a copy would repeat numbers; what was moved from fills its buffer anew.
///
/// Source: `static void fill(void* begin, std::size_t bytes)`, which throws when it cannot, and
/// `static void wipe(void* begin, std::size_t bytes) noexcept`, which no optimiser removes.
template <class Source>
class BufferedEngine {
 public:
  using result_type = std::uint64_t;
  static constexpr std::size_t capacity = 512;

  BufferedEngine() : generation_(fork_generation()) {}
  BufferedEngine(BufferedEngine&& other) noexcept : generation_(other.generation_) { take(other); }
  BufferedEngine& operator=(BufferedEngine&& other) noexcept {
    if (this == &other) return *this;
    Source::wipe(words_.data(), sizeof words_);
    generation_ = other.generation_;
    take(other);
    return *this;
  }
  ~BufferedEngine() { Source::wipe(words_.data(), sizeof words_); }

  static constexpr result_type(min)() noexcept { return 0; }
  static constexpr result_type(max)() noexcept { return (std::numeric_limits<result_type>::max)(); }

  result_type operator()() {
    const std::uint64_t generation = fork_generation();
    if (left_ == 0 || generation != generation_) refill(generation);
    const result_type word = words_[--left_];
    static_cast<volatile result_type&>(words_[left_]) = 0;
    return word;
  }

 private:
  void refill(std::uint64_t generation) {
    left_ = 0;  // stays so when the source throws
    Source::fill(words_.data(), sizeof words_);
    left_ = capacity;
    generation_ = generation;
  }

  void take(BufferedEngine& other) noexcept {
    words_ = other.words_;
    left_ = other.left_;
    other.left_ = 0;
    Source::wipe(other.words_.data(), sizeof other.words_);
  }

  std::array<result_type, capacity> words_{};
  std::size_t left_ = 0;  // words_[0 .. left_) are still to be given out
  std::uint64_t generation_;
};

}  // namespace lazygumbel::detail
