#pragma once

#include <atomic>
#include <memory>
#include <utility>

namespace lazygumbel::detail {

/// An object that a const function makes for later calls, on whichever thread is first. Reading
/// costs one load. `get` and `publish` are thread-safe; copying, moving and `reset` are not. Copies
/// start empty.
template <class T>
class Published {
 public:
  Published() = default;
  Published(const Published&) noexcept {}
  Published(Published&& other) noexcept : object_(other.object_.exchange(nullptr)) {}
  Published& operator=(const Published& other) noexcept {
    if (this != &other) reset();
    return *this;
  }
  Published& operator=(Published&& other) noexcept {
    if (this != &other) delete object_.exchange(other.object_.exchange(nullptr));
    return *this;
  }
  ~Published() { reset(); }

  /// The object; nullptr before there is one.
  const T* get() const noexcept { return object_.load(std::memory_order_acquire); }

  /// Keeps `object`, unless another thread came first; returns the one that is kept.
  const T& publish(std::unique_ptr<const T> object) const noexcept {
    const T* kept = nullptr;
    if (object_.compare_exchange_strong(kept, object.get(), std::memory_order_acq_rel))
      return *object.release();
    return *kept;
  }

  void reset() noexcept { delete object_.exchange(nullptr); }

 private:
  mutable std::atomic<const T*> object_{nullptr};
};

}  // namespace lazygumbel::detail
