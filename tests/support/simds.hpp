#pragma once

#include <lazygumbel/core/simd.hpp>
#include <vector>

namespace lazygumbel::testing {

/// The instruction sets of this machine.
inline std::vector<Simd> supported_simds() {
  std::vector<Simd> simds;
  for (const Simd simd : {Simd::portable, Simd::neon, Simd::avx2, Simd::avx512_vnni})
    if (is_supported(simd)) simds.push_back(simd);
  return simds;
}

}  // namespace lazygumbel::testing
