#include "workload.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "datasets.hpp"
#include "lazygumbel/core/parallel.hpp"

namespace bench {
namespace {

namespace data = lazygumbel_datasets;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::unique_ptr<Workload> indexed(std::string name, Rows rows) {
  auto made = std::make_unique<Workload>();
  made->name = std::move(name);
  made->rows = std::move(rows);
  lazygumbel::HnswParameters parameters;
  parameters.threads = 0;
  made->build_threads = lazygumbel::usable_threads(0, 1000);
  std::fprintf(stderr, "%s: indexing %td x %td ...", made->name.c_str(), made->rows.rows(),
               made->rows.cols());
  const auto start = std::chrono::steady_clock::now();
  made->hnsw = std::make_unique<lazygumbel::HnswIndex<float>>(made->rows, parameters);
  made->build_seconds = seconds_since(start);
  std::fprintf(stderr, " %.1f s on %zu threads, %.0f MB\n", made->build_seconds,
               made->build_threads, static_cast<double>(made->hnsw->size_in_bytes()) / 1e6);
  return made;
}

/// The unit rows of a data set; empty, with the reason in `why`, when they are not there.
Rows load(const std::string& name, std::string& why) {
  if (name == "clusters") return data::clusters(quick() ? 10000 : 100000, 100, 1).rows;
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
  Queries queries(static_cast<Eigen::Index>(count), rows.cols());
  for (Eigen::Index j = 0; j < queries.rows(); ++j)
    queries.row(j) =
        rows.row(lazygumbel::uniform_index(static_cast<item_id>(rows.rows()), engine)) /
        static_cast<float>(temperature);
  return queries;
}

const lazygumbel::TuneResult& Workload::tuned(double temperature, std::size_t draws_per_theta) {
  const auto known = tuned_.find({temperature, draws_per_theta});
  if (known != tuned_.end()) {
    hnsw->set_ef(known->second.best.ef);
    return known->second;
  }
  lazygumbel::TuneOptions options;
  options.max_clipped_mass = 5e-5;  // half the target: the queries to come are others
  options.draws_per_theta = draws_per_theta;
  options.k = {8, 16, 32, 64, 128};
  options.ef = {16, 24, 32, 48, 64, 96, 128, 256};
  const Queries queries = thetas(quick() ? 100 : 500, temperature, 1);
  return tuned_[{temperature, draws_per_theta}] = lazygumbel::tune(*hnsw, queries, options);
}

Workload* workload(const std::string& name, std::string& why) {
  static std::map<std::string, std::unique_ptr<Workload>> known;
  auto& made = known[name];
  if (!made) {
    Rows rows = load(name, why);
    if (rows.rows() == 0) return nullptr;
    made = indexed(name, std::move(rows));
  }
  return made.get();
}

std::unique_ptr<Workload> prefix(std::size_t n, std::string& why) {
  static const Rows all = [&] {
    Rows rows = load("glove100k", why);
    return rows.rows() > 0 ? rows : load("clusters", why);
  }();
  return indexed("growth", all.topRows((std::min)(static_cast<Eigen::Index>(n), all.rows())));
}

}  // namespace bench
