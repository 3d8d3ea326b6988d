#include "workload.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <numbers>

#include "datasets.hpp"
#include "lazygumbel/core/parallel.hpp"

namespace bench {
namespace {

namespace data = lazygumbel_datasets;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <class Index, class Build>
Built<Index>& build(Built<Index>& built, const Workload& data, const char* what,
                    std::size_t threads, Build&& make) {
  if (built.index) return built;
  built.build_threads = lazygumbel::usable_threads(threads, 1000);
  std::fprintf(stderr, "%s: %s over %td x %td ...", data.name().c_str(), what, data.rows().rows(),
               data.rows().cols());
  const auto start = std::chrono::steady_clock::now();
  built.index = std::make_unique<Index>(make());
  built.build_seconds = seconds_since(start);
  std::fprintf(stderr, " %.2f s on %zu threads, %.0f MB\n", built.build_seconds,
               built.build_threads, static_cast<double>(built.index->size_in_bytes()) / 1e6);
  return built;
}

/// Independent standard normal rows, unit-normalised.
Rows gaussian(Eigen::Index n, Eigen::Index d) {
  lazygumbel::PhiloxEngine engine(7);
  Rows rows(n, d);
  for (Eigen::Index i = 0; i < rows.size(); ++i) {
    const double radius = std::sqrt(-2.0 * std::log(lazygumbel::open_uniform(engine)));
    const double angle = 2.0 * std::numbers::pi * lazygumbel::open_uniform(engine);
    rows.data()[i] = static_cast<float>(radius * std::cos(angle));
  }
  data::normalise_rows(rows);
  return rows;
}

/// The unit rows of a data set; empty, with the reason in `why`, when they are not there.
Rows load(const std::string& name, std::string& why) {
  if (name == "clusters") return data::clusters(quick() ? 10000 : 100000, 100, 1).rows;
  if (name == "gaussian") return gaussian(quick() ? 10000 : 100000, 100);
  Rows rows;
  if (name == "glove100k") {
    const auto path = data::find_shared_data("glove-100d-100k.fvecs", LAZYGUMBEL_SHARED_DATA_HINT);
    if (!path) {
      why = "glove-100d-100k.fvecs not found; set LAZYGUMBEL_DATA to its folder";
      return rows;
    }
    rows = data::read_vectors(*path).rows;
    data::normalise_rows(rows);
  } else {
    if (!data::fashion_mnist_path()) {
      why = "Fashion-MNIST not found; install Debian's dataset-fashion-mnist";
      return rows;
    }
    rows = data::load_fashion_mnist().rows;
  }
  if (quick()) rows.conservativeResize((std::min)(rows.rows(), Eigen::Index{10000}), rows.cols());
  return rows;
}

}  // namespace

bool quick() { return std::getenv("LAZYGUMBEL_BENCH_QUICK") != nullptr; }

Queries Workload::thetas(std::size_t count, double temperature, std::uint64_t stream) const {
  lazygumbel::PhiloxEngine engine(20, stream);
  Queries queries(static_cast<Eigen::Index>(count), rows_.cols());
  for (Eigen::Index j = 0; j < queries.rows(); ++j)
    queries.row(j) =
        rows_.row(lazygumbel::uniform_index(static_cast<item_id>(rows_.rows()), engine)) /
        static_cast<float>(temperature);
  return queries;
}

Built<lazygumbel::HnswIndex<float>>& Workload::hnsw() {
  return build(hnsw_, *this, "HNSW", 0, [&] {
    lazygumbel::HnswParameters parameters;
    parameters.threads = 0;
    return lazygumbel::HnswIndex<float>(rows_, parameters);
  });
}

Built<lazygumbel::ScalarQuantizedIndex<float>>& Workload::quantized() {
  return build(quantized_, *this, "codes", 1,
               [&] { return lazygumbel::ScalarQuantizedIndex<float>::over(view()); });
}

Built<lazygumbel::IvfIndex<float>>& Workload::ivf() {
  return build(ivf_, *this, "IVF", 1, [&] { return lazygumbel::IvfIndex<float>(rows_); });
}

Workload* workload(const std::string& name, std::string& why) {
  static std::map<std::string, std::unique_ptr<Workload>> known;
  auto& made = known[name];
  if (!made) {
    Rows rows = load(name, why);
    if (rows.rows() == 0) return nullptr;
    made = std::make_unique<Workload>(name, std::move(rows));
  }
  return made.get();
}

std::unique_ptr<Workload> prefix(std::size_t n, std::string& why) {
  static const Rows all = [&] {
    Rows rows = load("glove100k", why);
    return rows.rows() > 0 ? rows : load("clusters", why);
  }();
  return std::make_unique<Workload>(
      "growth", all.topRows((std::min)(static_cast<Eigen::Index>(n), all.rows())));
}

}  // namespace bench
