#pragma once

namespace lazygumbel {

/// The currency in which a release is paid. In both the costs of mechanisms that are run one after
/// the other, each chosen by what the others have shown, add up.
enum class Accountant {
  pure,  ///< epsilon: pure differential privacy, delta = 0 [Dwork, McSherry, Nissim, Smith 2006]
  zcdp   ///< rho: zero-concentrated differential privacy [Bun, Steinke 2016]; see zcdp.hpp
};

/// "pure" or "zcdp".
constexpr const char* name_of(Accountant accountant) noexcept {
  return accountant == Accountant::pure ? "pure" : "zcdp";
}

}  // namespace lazygumbel
