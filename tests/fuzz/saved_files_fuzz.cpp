// Files that the library saves, changed, with the right checksum: see README.md here.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <lazygumbel/attention/cache/exact_kv_cache.hpp>
#include <lazygumbel/attention/subgen/sub_gen_cache.hpp>
#include <lazygumbel/attention/window/sliding_window_cache.hpp>
#include <lazygumbel/index/hnsw/hnsw_index.hpp>
#include <lazygumbel/index/ivf/ivf_index.hpp>
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <lazygumbel/random/philox.hpp>
#include <string>
#include <utility>
#include <vector>

#include "fuzz_input.hpp"

namespace lazygumbel::fuzzing {
namespace {

using Bytes = std::vector<std::uint8_t>;

RowMatrix<float> some_rows(Eigen::Index n, Eigen::Index d) {
  PhiloxEngine engine(1);
  RowMatrix<float> rows(n, d);
  for (float& x : rows.reshaped()) x = static_cast<float>(open_uniform(engine) - 0.5);
  return rows;
}

/// A right file, and what reading another one of its kind does.
struct Reader {
  Bytes good;
  std::function<void(const std::filesystem::path&)> read;
};

template <class Saved, class Use>
Reader reader_of(const Saved& saved, Use use) {
  const FuzzFile file;
  saved.save(file.path());
  std::ifstream in(file.path(), std::ios::binary);
  Bytes good{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  return {std::move(good), [use](const std::filesystem::path& path) {
            try {
              auto loaded = Saved::load(path);
              use(loaded);
            } catch (const file_error&) {
            }
          }};
}

/// What a file says that was taken must be fit for use.
template <class Index>
void search(Index& index) {
  Retrieval found;
  try {
    index.search(Vector<float>::Constant(static_cast<Eigen::Index>(index.dimension()), 0.5F), 5,
                 found);
    index.add(RowMatrix<float>::Constant(3, static_cast<Eigen::Index>(index.dimension()), 1e-3F));
  } catch (const std::invalid_argument&) {  // scores would overflow, a row is too long
  }
}

Reader made(const std::string& name) {
  const RowMatrix<float> rows = some_rows(40, 4), tokens = some_rows(60, 8);
  const HeadsView<float> view(tokens, 2);
  const RowMatrix<float> queries = some_rows(2, 8);
  const auto attend = [queries](auto& cache) {
    try {
      static_cast<void>(cache.attend(HeadsView<float>(queries, 2), {}));
    } catch (const std::invalid_argument&) {  // of another shape
    }
  };
  if (name == "quantized")
    return reader_of(ScalarQuantizedIndex<float>(RowMatrix<float>(rows)),
                     [](auto& index) { search(index); });
  if (name == "ivf") return reader_of(IvfIndex<float>(rows), [](auto& index) { search(index); });
  if (name == "hnsw") {
    HnswParameters parameters;
    parameters.M = 4;
    parameters.ef_construction = 10;
    parameters.geometry = HnswGeometry::l2_reduction;
    return reader_of(HnswIndex<float>(rows, parameters), [](auto& index) { search(index); });
  }
  const auto filled = [&](auto cache) {
    cache.append(view, view);
    return cache;
  };
  if (name == "key_values") return reader_of(filled(KeyValueCache<float>(2, 4, 4)), attend);
  if (name == "window")
    return reader_of(filled(SlidingWindowCache<float>(2, 4, 4, {.window = 16})), attend);
  SubGenOptions options;
  options.radius = 0.4;
  options.samples_per_cluster = 4;
  options.slots = 8;
  options.sinks = 2;
  options.window = 4;
  if (name == "sub_gen_slots") options.estimator = SubGenEstimator::mean_shifted;
  PhiloxEngine engine(2);
  if (name == "sub_gen" || name == "sub_gen_slots")
    return reader_of(filled(SubGenCache<float>(2, 4, 4, options, engine)), attend);
  unknown_reader(name);
}

Bytes changed(Bytes bytes, const std::uint8_t* changes, std::size_t size) {
  while (size >= 4) {
    const std::size_t at = static_cast<std::size_t>(changes[0] | changes[1] << 8) % bytes.size();
    const std::size_t count =
        (std::min)({std::size_t{changes[2]} % 9, size - 3, bytes.size() - at});
    std::memcpy(bytes.data() + at, changes + 3, count);
    changes += 3 + count;
    size -= 3 + count;
  }
  std::uint64_t checksum = 0xcbf29ce484222325;  // FNV-1a, 64 bits
  for (std::size_t i = 0; i + 8 < bytes.size(); ++i)
    checksum = (checksum ^ bytes[i]) * 0x100000001b3;
  std::memcpy(bytes.data() + bytes.size() - 8, &checksum, 8);
  return bytes;
}

}  // namespace
}  // namespace lazygumbel::fuzzing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lazygumbel::fuzzing;
  static const Reader reader = made(reader_name());
  static const FuzzFile file;
  const Bytes bytes = changed(reader.good, data, size);
  file.write(bytes.data(), bytes.size());
  reader.read(file.path());
  return 0;
}
