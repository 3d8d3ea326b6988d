#pragma once

#include <cstddef>

#include "lazygumbel/core/detail/lanes.hpp"
#include "lazygumbel/core/simd.hpp"

/// \file
/// Kernels: loops written once and compiled for every instruction set. A family of them is two
/// headers.
///
/// x_kernels.hpp has what their users see, and no more: the arguments, a table, and at its end the
/// other header. Where LAZYGUMBEL_COMPILED says that a library holds the kernels, that is left out,
/// and the table declared to be elsewhere.
///
///     struct XKernels {
///       void (*scale)(float* x, std::size_t n, float factor);
///       template <class Set>
///       static constexpr XKernels of() noexcept;
///     };
///
/// x_kernels_impl.hpp has the loops, templates over an instruction set and always inlined, and what
/// the table of a set holds. `Set::run<loop>` is the loop inside a function that carries the set.
///
///     template <class Set>
///     LAZYGUMBEL_INLINE void scale(float* x, std::size_t n, float factor) { ... Set::width ... }
///
///     template <class Set>
///     constexpr XKernels XKernels::of() noexcept {
///       return {Set::template run<scale<Set>>};
///     }
///
/// `select<XKernels>(simd).scale(x, n, 2.0F)` then runs it.
///
/// To add a kernel: a member of a table, its loop, its entry in `of`. To add a table: those two
/// headers, and `select<XKernels>` declared at the end of the first and instantiated in
/// cmake/compiled/. To add an instruction set: an enumerator of Simd and its test in is_supported,
/// one line and one case below, and specialisations of what is written for each set by hand
/// (CodeDots, HalfLanes, ..; the primary templates are portable).

namespace lazygumbel::detail {

/// An instruction set: how many floats its registers hold, and functions that carry it. A
/// function's result and arguments are those of the pointer that it is assigned to.
#define LAZYGUMBEL_INSTRUCTION_SET(Name, enumerator, lanes, attributes) \
  struct Name {                                                         \
    static constexpr Simd simd = Simd::enumerator;                      \
    static constexpr std::size_t width = lanes;                         \
    using Floats = Lanes<lanes>::Floats;                                \
    template <auto loop, class Result, class... Arguments>              \
    attributes static Result run(Arguments... arguments) {              \
      return loop(arguments...);                                        \
    }                                                                   \
  }

LAZYGUMBEL_INSTRUCTION_SET(Portable, portable, 4, );
#ifdef LAZYGUMBEL_X86_KERNELS
LAZYGUMBEL_INSTRUCTION_SET(Avx2, avx2, 8, LAZYGUMBEL_AVX2);
LAZYGUMBEL_INSTRUCTION_SET(Avx512, avx512_vnni, 16, LAZYGUMBEL_AVX512);
#elif defined(LAZYGUMBEL_NEON_KERNELS)
LAZYGUMBEL_INSTRUCTION_SET(Neon, neon, 4, );
#endif
#undef LAZYGUMBEL_INSTRUCTION_SET

/// The table of one instruction set, for kernels that call others.
template <class Table, class Set>
inline constexpr Table table_of = Table::template of<Set>();

template <class Table>
const Table& select(Simd simd) noexcept {
  switch (simd) {
#ifdef LAZYGUMBEL_X86_KERNELS
    case Simd::avx512_vnni:
      return table_of<Table, Avx512>;
    case Simd::avx2:
      return table_of<Table, Avx2>;
#elif defined(LAZYGUMBEL_NEON_KERNELS)
    case Simd::neon:
      return table_of<Table, Neon>;
#endif
    default:
      return table_of<Table, Portable>;
  }
}

}  // namespace lazygumbel::detail
