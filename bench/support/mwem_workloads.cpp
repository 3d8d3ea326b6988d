#include "mwem_workloads.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "datasets.hpp"
#include "lazygumbel/random/philox.hpp"
#include "lazygumbel/random/uniform.hpp"
#include "tables.hpp"

namespace bench {

namespace {

using lazygumbel::Domain;
using lazygumbel::PhiloxEngine;

double normal(PhiloxEngine& engine) {
  const double radius = std::sqrt(-2.0 * std::log(lazygumbel::open_uniform(engine)));
  return radius * std::cos(2.0 * std::numbers::pi * lazygumbel::open_uniform(engine));
}

/// Records whose attributes lean on a hidden class, so that they are dependent.
lazygumbel::Histogram made_up(const Domain& domain) {
  PhiloxEngine engine(1);
  std::vector<std::int64_t> counts(domain.size(), 0);
  std::vector<std::uint32_t> codes(domain.attributes().size());
  for (int record = 0; record < 48842; ++record) {
    const double hidden = normal(engine);
    for (std::size_t a = 0; a < codes.size(); ++a) {
      const auto size = static_cast<double>(domain.attributes()[a].size());
      const double at = 1.0 / (1.0 + std::exp(-hidden - 0.7 * normal(engine)));
      codes[a] = static_cast<std::uint32_t>((std::min)(size - 1.0, std::floor(at * size)));
    }
    ++counts[domain.cell_of(codes)];
  }
  return {domain, std::move(counts)};
}

/// The table over a public domain, or made-up records.
lazygumbel::Histogram load(const Domain& domain, std::string& why) {
  const auto csv = lazygumbel_datasets::find_shared_data("adult.csv", LAZYGUMBEL_SHARED_DATA_HINT);
  if (csv)
    return lazygumbel::Histogram::of_records(domain, lazygumbel_tables::read_table(*csv, domain));
  why = "made-up records: adult.csv not found; set LAZYGUMBEL_DATA to its folder";
  return made_up(domain);
}

/// The codes 0 .. count - 1, in `bins` ranges or one by one.
lazygumbel::Attribute codes(const std::string& name, std::int64_t count, std::uint32_t bins = 0) {
  return lazygumbel::Attribute::integers(name, 0, count - 1, bins);
}

}  // namespace

lazygumbel::Histogram adult_table(std::string& why) {
  return load(Domain({codes("education-num", 16), codes("occupation", 15), codes("relationship", 6),
                      codes("income>50K", 2)}),
              why);
}

lazygumbel::Histogram adult_wide_table(std::string& why) {
  return load(Domain({codes("age", 85, 5), codes("workclass", 9), codes("marital-status", 7),
                      codes("relationship", 6), codes("race", 5), codes("sex", 2),
                      codes("hours-per-week", 99, 3), codes("income>50K", 2)}),
              why);
}

lazygumbel::RowMatrix<float> dense_queries(const std::string& kind, const Domain& domain,
                                           std::size_t count) {
  const std::size_t attributes = domain.attributes().size(), cells = domain.size();
  std::vector<std::uint32_t> codes(cells * attributes);
  for (std::size_t x = 0; x < cells; ++x)
    domain.codes_of(x, std::span(codes).subspan(x * attributes, attributes));
  const auto size = [&](std::size_t a) { return domain.attributes()[a].size(); };

  PhiloxEngine engine(2);
  lazygumbel::RowMatrix<float> queries(static_cast<Eigen::Index>(count),
                                       static_cast<Eigen::Index>(cells));
  // On every attribute a number for each of its codes; what a cell's numbers make is the query.
  std::vector<std::vector<double>> table(attributes);
  std::vector<double> metric(attributes * attributes);
  for (Eigen::Index j = 0; j < queries.rows(); ++j) {
    double bias = 0.0, width = 0.0;
    for (std::size_t a = 0; a < attributes; ++a) {
      table[a].resize(size(a));
      if (kind == "float_dense") {
        for (double& weight : table[a]) weight = 2.0 * normal(engine);
      } else if (kind == "intervals") {
        const auto s = static_cast<std::uint32_t>(size(a));
        const auto ends =
            std::minmax(lazygumbel::uniform_index(s, engine), lazygumbel::uniform_index(s, engine));
        const std::array<std::uint32_t, 2> bounds = {ends.first, ends.second};
        for (std::uint32_t v = 0; v < s; ++v)
          table[a][v] = v >= bounds[0] && v <= bounds[1] ? 1.0 : 0.0;
      } else {
        const double centre = lazygumbel::open_uniform(engine);
        for (std::size_t v = 0; v < table[a].size(); ++v)
          table[a][v] = (static_cast<double>(v) + 0.5) / static_cast<double>(size(a)) - centre;
        for (std::size_t b = 0; b < attributes; ++b)
          metric[a * attributes + b] = 0.5 * normal(engine) + (a == b ? 1.0 : 0.0);
      }
    }
    if (kind == "float_dense") bias = normal(engine);
    if (kind == "kernels") width = 0.15 + 0.6 * lazygumbel::open_uniform(engine);
    for (std::size_t x = 0; x < cells; ++x) {
      const auto value = [&](std::size_t a) { return table[a][codes[x * attributes + a]]; };
      double result = 0.0;
      if (kind == "float_dense") {
        double score = bias;
        for (std::size_t a = 0; a < attributes; ++a) score += value(a);
        result = 1.0 / (1.0 + std::exp(-score));
      } else if (kind == "intervals") {
        result = 1.0;
        for (std::size_t a = 0; a < attributes; ++a) result *= value(a);
      } else {
        double square = 0.0;
        for (std::size_t a = 0; a < attributes; ++a) {
          double along = 0.0;
          for (std::size_t b = 0; b < attributes; ++b)
            along += metric[a * attributes + b] * value(b);
          square += along * along;
        }
        result = std::exp(-square / (2.0 * width * width));
      }
      queries(j, static_cast<Eigen::Index>(x)) = static_cast<float>(result);
    }
  }
  return queries;
}

}  // namespace bench
