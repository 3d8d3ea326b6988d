#ifdef LAZYGUMBEL_BENCH_GGML

#include "ggml_attention.hpp"

#include <ggml-alloc.h>
#include <ggml-cpp.h>
#include <ggml-cpu.h>
#include <ggml.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

namespace {

using lazygumbel::RowMatrix;
using lazygumbel::detail::throw_invalid;

constexpr std::int64_t causal_block = 512;

template <class Pointer>
Pointer required(Pointer made, const char* what) {
  if (!made) throw std::runtime_error(std::string("ggml: no ") + what);
  return made;
}

void set(ggml_tensor* tensor, const RowMatrix<float>& rows) {
  if (tensor->type == GGML_TYPE_F32) {
    ggml_backend_tensor_set(tensor, rows.data(), 0, ggml_nbytes(tensor));
    return;
  }
  std::vector<ggml_fp16_t> halves(static_cast<std::size_t>(rows.size()));
  ggml_fp32_to_fp16_row(rows.data(), halves.data(), rows.size());
  ggml_backend_tensor_set(tensor, halves.data(), 0, ggml_nbytes(tensor));
}

/// Query i of a block of m sees the keys 0 .. n - m + i.
void set_causal(ggml_tensor* mask) {
  const std::int64_t n = mask->ne[0], m = mask->ne[1];
  const ggml_fp16_t hidden = ggml_fp32_to_fp16(-std::numeric_limits<float>::infinity());
  std::vector<ggml_fp16_t> row(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < m; ++i) {
    std::fill(row.begin(), row.end(), hidden);
    std::fill_n(row.begin(), n - m + i + 1, ggml_fp32_to_fp16(0.0F));
    ggml_backend_tensor_set(mask, row.data(), static_cast<std::size_t>(i) * mask->nb[1],
                            mask->nb[1]);
  }
}

}  // namespace

struct GgmlAttention::Graph {
  struct alignas(64) CacheLine {
    std::uint8_t bytes[64];
  };

  ggml_context_ptr context;
  ggml_backend_buffer_ptr buffer;
  ggml_cgraph* graph = nullptr;
  ggml_tensor* queries = nullptr;
  std::vector<ggml_tensor*> outputs;  ///< of the blocks
  ggml_cplan plan{};
  std::vector<CacheLine> work;
};

GgmlAttention::GgmlAttention(const RowMatrix<float>& keys, const RowMatrix<float>& values,
                             Type type, std::size_t query_count, bool causal, double scale,
                             int threads)
    : graph_(std::make_unique<Graph>()) {
  if (keys.size() == 0) throw_invalid("keys.size()", keys.size(), "must be at least 1");
  if (values.rows() != keys.rows() || values.cols() == 0)
    throw_invalid("values.rows()", values.rows(), "must be keys.rows(), and rows not empty");
  if (query_count == 0 || (causal && query_count > static_cast<std::size_t>(keys.rows())))
    throw_invalid("query_count", query_count, "must be at least 1 and, if causal, at most n");
  if (threads < 1) throw_invalid("threads", threads, "must be at least 1");

  Graph& g = *graph_;
  const std::int64_t n = keys.rows(), d = keys.cols(), m = static_cast<std::int64_t>(query_count);
  const std::int64_t block = causal ? (std::min)(m, causal_block) : m;
  const auto blocks = static_cast<std::size_t>((m + block - 1) / block);
  const std::size_t tensors = 3 + 5 * blocks;
  g.context.reset(required(ggml_init({.mem_size = tensors * ggml_tensor_overhead() +
                                                  ggml_graph_overhead_custom(2 * tensors, false),
                                      .mem_buffer = nullptr,
                                      .no_alloc = true}),
                           "context"));
  ggml_context* context = g.context.get();

  const ggml_type stored = type == Type::f32 ? GGML_TYPE_F32 : GGML_TYPE_F16;
  ggml_tensor* k = ggml_new_tensor_2d(context, stored, d, n);
  ggml_tensor* v = ggml_new_tensor_2d(context, stored, values.cols(), n);
  g.queries = ggml_new_tensor_2d(context, GGML_TYPE_F32, d, m);
  g.graph = ggml_new_graph_custom(context, 2 * tensors, false);
  std::vector<ggml_tensor*> masks;
  for (std::int64_t first = 0; first < m; first += block) {
    const std::int64_t count = (std::min)(block, m - first);
    const std::int64_t seen = causal ? n - m + first + count : n;
    if (causal && count > 1)  // a last query sees everything
      masks.push_back(ggml_new_tensor_2d(context, GGML_TYPE_F16, seen, count));
    g.outputs.push_back(ggml_flash_attn_ext(
        context,
        ggml_view_2d(context, g.queries, d, count, g.queries->nb[1],
                     static_cast<std::size_t>(first) * g.queries->nb[1]),
        ggml_view_2d(context, k, d, seen, k->nb[1], 0),
        ggml_view_2d(context, v, values.cols(), seen, v->nb[1], 0),
        causal && count > 1 ? masks.back() : nullptr, static_cast<float>(scale), 0.0F, 0.0F));
    ggml_build_forward_expand(g.graph, g.outputs.back());
  }
  g.buffer.reset(required(
      ggml_backend_alloc_ctx_tensors_from_buft(context, ggml_backend_cpu_buffer_type()), "memory"));
  set(k, keys);
  set(v, values);
  for (ggml_tensor* mask : masks) set_causal(mask);

  g.plan = ggml_graph_plan(g.graph, threads, nullptr);
  g.work.resize(g.plan.work_size / sizeof(Graph::CacheLine) + 1);
  g.plan.work_data = g.work.data()->bytes;
}

GgmlAttention::~GgmlAttention() = default;
GgmlAttention::GgmlAttention(GgmlAttention&&) noexcept = default;
GgmlAttention& GgmlAttention::operator=(GgmlAttention&&) noexcept = default;

void GgmlAttention::run(const float* queries, float* out) {
  Graph& g = *graph_;
  ggml_backend_tensor_set(g.queries, queries, 0, ggml_nbytes(g.queries));
  if (ggml_graph_compute(g.graph, &g.plan) != GGML_STATUS_SUCCESS)
    throw std::runtime_error("ggml: computing failed");
  for (ggml_tensor* block : g.outputs) {
    ggml_backend_tensor_get(block, out, 0, ggml_nbytes(block));
    out += ggml_nelements(block);
  }
}

}  // namespace bench

#endif  // LAZYGUMBEL_BENCH_GGML
