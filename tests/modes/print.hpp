#pragma once

#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <lazygumbel/core/simd.hpp>

/// \file
/// What the files of the program share: numbers printed to the last bit, instruction sets.

/// The number to the last bit.
inline void print(double x) { std::printf("%a ", x); }

inline void end_line(const char* what) { std::printf("%s\n", what); }

/// Calls use(simd) for each instruction set that this processor supports.
template <class Use>
void for_each_simd(Use&& use) {
  using lazygumbel::Simd;
  for (const Simd simd : {Simd::portable, Simd::neon, Simd::avx2, Simd::avx512_vnni})
    if (lazygumbel::is_supported(simd)) use(simd);
}

void print_draws(std::uint64_t seed);
void print_decoding(std::uint64_t seed);
