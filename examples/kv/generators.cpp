#include <algorithm>
#include <cmath>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <numbers>

#include "problem.hpp"

namespace kv_tools {

namespace {

using lazygumbel::PhiloxEngine;

/// What random numbers are for; every row has a stream of its own.
enum class Part : std::uint64_t {
  centres,
  centre_values,
  lone_keys,
  lone_places,
  keys,
  values,
  queries,
  key_choice,
  query_choice
};

class Source {
 public:
  Source(std::uint64_t seed, std::size_t d) : seed_(seed), columns_(static_cast<Eigen::Index>(d)) {}

  PhiloxEngine engine(Part part, Eigen::Index row) const {
    return PhiloxEngine(seed_,
                        static_cast<std::uint64_t>(part) << 32 | static_cast<std::uint32_t>(row));
  }

  std::uint32_t choice(Part part, Eigen::Index row, std::size_t count) const {
    PhiloxEngine of_row = engine(part, row);
    return lazygumbel::uniform_index(static_cast<std::uint32_t>(count), of_row);
  }

  /// Independent normals in every entry (Box and Muller, both of a pair).
  Matrix normals(Part part, std::size_t rows) const {
    Matrix all(static_cast<Eigen::Index>(rows), columns_);
    for (Eigen::Index i = 0; i < all.rows(); ++i) {
      PhiloxEngine of_row = engine(part, i);
      for (Eigen::Index j = 0; j < columns_; j += 2) {
        const double radius = std::sqrt(-2.0 * std::log(lazygumbel::open_uniform(of_row)));
        const double angle = 2.0 * std::numbers::pi * lazygumbel::open_uniform(of_row);
        all(i, j) = static_cast<float>(radius * std::cos(angle));
        if (j + 1 < columns_) all(i, j + 1) = static_cast<float>(radius * std::sin(angle));
      }
    }
    return all;
  }

  Matrix on_sphere(Part part, std::size_t rows) const {
    Matrix all = normals(part, rows);
    all.rowwise().normalize();
    return all;
  }

  /// Normals of vectors whose root-mean-square length is `length`.
  Matrix noise(Part part, std::size_t rows, double length) const {
    return static_cast<float>(length / std::sqrt(static_cast<double>(columns_))) *
           normals(part, rows);
  }

 private:
  std::uint64_t seed_;
  Eigen::Index columns_;
};

constexpr double noise_length = 0.3;

std::string made_up(std::size_t n, std::size_t d, std::size_t m, std::uint64_t seed) {
  return std::to_string(n) + " made-up tokens of " + std::to_string(d) + " numbers, " +
         std::to_string(m) + " queries (seed " + std::to_string(seed) + ")";
}

/// Of 0 .. count - 1, j with probability proportional to 1 / (j + 1)^2, or all alike.
std::uint32_t pick(const Source& from, Eigen::Index row, std::size_t count, bool uneven) {
  if (!uneven) return from.choice(Part::key_choice, row, count);
  const auto share = [](std::size_t j) { return 1.0 / static_cast<double>((j + 1) * (j + 1)); };
  double sum = 0.0;
  for (std::size_t j = 0; j < count; ++j) sum += share(j);
  PhiloxEngine engine = from.engine(Part::key_choice, row);
  double left = sum * lazygumbel::open_uniform(engine);
  std::uint32_t j = 0;
  while (j + 1 < count && (left -= share(j)) > 0.0) ++j;
  return j;
}

/// Each of the `parts` parts of the stream has centres of its own, as many as any other part.
void put_clusters(const Source& from, const Matrix& centres, std::size_t parts, std::size_t n,
                  bool uneven, Problem& problem) {
  const std::size_t own = static_cast<std::size_t>(centres.rows()) / parts;
  const Matrix means = from.normals(Part::centre_values, static_cast<std::size_t>(centres.rows()));
  problem.keys = from.noise(Part::keys, n, noise_length);
  problem.values = 0.5F * from.normals(Part::values, n);
  for (std::size_t token = 0; token < n; ++token) {
    const auto i = static_cast<Eigen::Index>(token);
    const auto centre =
        static_cast<Eigen::Index>(token * parts / n * own + pick(from, i, own, uneven));
    problem.keys.row(i) += centres.row(centre);
    problem.values.row(i) += means.row(centre);
  }
  problem.keys.rowwise().normalize();
}

}  // namespace

Problem clustered(std::size_t n, std::size_t d, std::size_t m, std::uint64_t seed) {
  constexpr std::size_t count = 128, parts = 16;
  const Source from(seed, d);
  const Matrix centres = from.on_sphere(Part::centres, count);
  Problem problem{.name = "clustered",
                  .caption = "128 clusters, small and large, that come and go",
                  .source = made_up(n, d, m, seed),
                  .scale = 9.0};
  put_clusters(from, centres, parts, n, true, problem);
  problem.queries = from.noise(Part::queries, m, noise_length);
  for (Eigen::Index i = 0; i < problem.queries.rows(); ++i)
    problem.queries.row(i) += centres.row(from.choice(Part::query_choice, i, count));
  problem.queries.rowwise().normalize();
  return problem;
}

Problem flat(std::size_t n, std::size_t d, std::size_t m, std::uint64_t seed) {
  const Source from(seed, d);
  return {.name = "flat",
          .caption = "small scores, values of mean 0",
          .source = made_up(n, d, m, seed),
          .keys = from.on_sphere(Part::keys, n),
          .values = from.normals(Part::values, n),
          .queries = from.on_sphere(Part::queries, m),
          .scale = 0.25 * std::sqrt(static_cast<double>(d))};
}

Problem needles(std::size_t n, std::size_t d, std::size_t m, std::uint64_t seed) {
  constexpr std::size_t clusters = 64, count = 32;
  constexpr double length = 1.5;
  const Source from(seed, d);
  Problem problem{.name = "needles",
                  .caption = "queries want one of 32 lone keys among 64 clusters",
                  .source = made_up(n, d, m, seed)};
  put_clusters(from, from.on_sphere(Part::centres, clusters), 1, n, false, problem);
  const Matrix lone = from.on_sphere(Part::lone_keys, count);
  for (Eigen::Index i = 0; i < lone.rows(); ++i) {
    const std::size_t begin = static_cast<std::size_t>(i) * n / count,
                      end = (static_cast<std::size_t>(i) + 1) * n / count;
    const auto token =
        static_cast<Eigen::Index>(begin + from.choice(Part::lone_places, i, end - begin));
    problem.keys.row(token) = static_cast<float>(length) * lone.row(i);
  }
  problem.queries = from.noise(Part::queries, m, 0.1);
  for (Eigen::Index i = 0; i < problem.queries.rows(); ++i)
    problem.queries.row(i) += lone.row(from.choice(Part::query_choice, i, count));
  // e^(1.5 scale) = 9 n E e^(scale <query, key of a cluster>), where the product has variance 1 /
  // d.
  const double log_others = std::log(9.0 * static_cast<double>(n)), first = log_others / length;
  problem.scale =
      (log_others + (std::min)(first * first / (2.0 * static_cast<double>(d)), first / 2.0)) /
      length;
  return problem;
}

Problem unclusterable(std::size_t n, std::size_t d, std::size_t m, std::uint64_t seed) {
  const Source from(seed, d);
  Problem problem{.name = "unclusterable",
                  .caption = "Gaussian keys, scores of deviation 2",
                  .source = made_up(n, d, m, seed),
                  .keys = from.normals(Part::keys, n),
                  .queries = from.normals(Part::queries, m),
                  .scale = 2.0 / std::sqrt(static_cast<double>(d))};
  problem.values = problem.keys;
  return problem;
}

}  // namespace kv_tools
