#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace lazygumbel::detail {

/// Work memory that many threads borrow and give back, so that none is allocated twice for nothing:
/// fresh memory of 100 kB costs more page faults than a search has cache misses. Borrowing takes an
/// uncontended lock. What is copied or assigned to starts empty, since objects may refer to what
/// their owner was before.
template <class T>
class Pool {
 public:
  Pool() = default;
  Pool(const Pool&) noexcept {}
  Pool& operator=(const Pool&) noexcept {
    idle_.clear();
    return *this;
  }

  /// Makes `count` objects ahead: as many may then be borrowed at a time without any allocation.
  template <class Make>
  void fill(std::size_t count, Make&& make) {
    idle_.reserve(count);
    while (idle_.size() < count) idle_.push_back(std::make_unique<T>(make()));
  }

  /// Calls use(object) with an object that nobody else has; `make()` makes the first ones. An
  /// object whose use throws is not kept.
  template <class Make, class Use>
  decltype(auto) borrow(Make&& make, Use&& use) const {
    std::unique_ptr<T> object = take();
    if (!object) object = std::make_unique<T>(make());
    struct GiveBack {
      const Pool& pool;
      std::unique_ptr<T>& object;
      int exceptions = std::uncaught_exceptions();
      ~GiveBack() {
        if (std::uncaught_exceptions() > exceptions) return;
        try {
          const std::lock_guard lock(pool.guard_);
          pool.idle_.push_back(std::move(object));
        } catch (...) {  // no room in the list: the object is freed
        }
      }
    } give_back{*this, object};
    return use(*object);
  }

 private:
  std::unique_ptr<T> take() const {
    const std::lock_guard lock(guard_);
    if (idle_.empty()) return nullptr;
    std::unique_ptr<T> object = std::move(idle_.back());
    idle_.pop_back();
    return object;
  }

  mutable std::mutex guard_;
  mutable std::vector<std::unique_ptr<T>> idle_;
};

}  // namespace lazygumbel::detail
