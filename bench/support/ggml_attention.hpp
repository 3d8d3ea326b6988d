#pragma once

#include <cstddef>
#include <memory>

#include "lazygumbel/core/types.hpp"

namespace bench {

/// ggml's flash attention on its CPU backend, for one head: the peer of the exact path. There are
/// definitions only where CMake found ggml (LAZYGUMBEL_BENCH_GGML).
///
/// Copies keys (n x d) and values (n x d_v) once, to floats or halves, and builds its graph once;
/// `run` copies queries in and outputs out and computes. Causal: query i of m sees the keys
/// 0 .. n - m + i. ggml knows no causal attention, only masks, 2 bytes a query and key, and skips
/// tiles that are masked throughout; causal queries go in blocks of 512, each with a mask over no
/// more keys than it sees: about m n bytes of masks when m = n, half of one mask for all. Its work
/// space is aligned to cache lines, which ggml's own allocation leaves to chance and which makes
/// many queries a third faster. They are slow where d_v is no multiple of the vector length (16
/// floats with AVX-512).
///
/// Throws std::invalid_argument unless 1 <= query_count, n = values.rows() >= 1 and, when causal,
/// query_count <= n, and d, d_v, threads >= 1. Not thread-safe.
class GgmlAttention {
 public:
  enum class Type { f32, f16 };

  GgmlAttention(const lazygumbel::RowMatrix<float>& keys,
                const lazygumbel::RowMatrix<float>& values, Type type, std::size_t query_count,
                bool causal, double scale, int threads);
  ~GgmlAttention();
  GgmlAttention(GgmlAttention&&) noexcept;
  GgmlAttention& operator=(GgmlAttention&&) noexcept;

  /// queries: query_count x d, out: query_count x d_v, rows one behind the other.
  void run(const float* queries, float* out);

 private:
  struct Graph;
  std::unique_ptr<Graph> graph_;
};

}  // namespace bench
