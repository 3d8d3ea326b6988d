#ifndef LAZYGUMBEL_EXAMPLES_SUPPORT_NOTED_ENGINE_HPP
#define LAZYGUMBEL_EXAMPLES_SUPPORT_NOTED_ENGINE_HPP

#include <lazygumbel/random/secure_engine.hpp>
#include <utility>

namespace lazygumbel_tools {

/// An engine that notes in a flag that it was drawn from. A mechanism charges its budget, then
/// draws its noise, then tells something: a flag that is still false means that nothing private has
/// come out yet, whatever went wrong.
template <class Engine>
class NotedEngine {
 public:
  using result_type = typename Engine::result_type;

  /// The flag must outlive the engine.
  explicit NotedEngine(bool& drawn, Engine engine = Engine())
      : engine_(std::move(engine)), drawn_(&drawn) {}

  static constexpr result_type(min)() noexcept { return (Engine::min)(); }
  static constexpr result_type(max)() noexcept { return (Engine::max)(); }

  result_type operator()() {
    const result_type word = engine_();
    *drawn_ = true;
    return word;
  }

 private:
  Engine engine_;
  bool* drawn_;
};

}  // namespace lazygumbel_tools

namespace lazygumbel {

template <class Engine>
inline constexpr bool is_secure_engine<lazygumbel_tools::NotedEngine<Engine>> =
    is_secure_engine<Engine>;

}  // namespace lazygumbel

#endif  // LAZYGUMBEL_EXAMPLES_SUPPORT_NOTED_ENGINE_HPP
