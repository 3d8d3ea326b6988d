#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <lazygumbel/attention/subgen/detail/sub_gen_sketch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "honesty.hpp"
#include "sub_gen_laws.hpp"

/// \file
/// Streams on which samples of clusters are silent about what matters, and whether the reports of a
/// SubGenCache hold on them.

namespace lazygumbel::testing {

/// A stream with one query, and what a cache keeps of it.
struct SubGenFamily {
  std::string name;
  SubGenProblem problem;
  SubGenOptions options;
};

inline constexpr SubGenEstimator sub_gen_estimators[] = {
    SubGenEstimator::plain, SubGenEstimator::self_normalised, SubGenEstimator::mean_shifted,
    SubGenEstimator::stratified, SubGenEstimator::centred};

/// One cluster of t samples; 64 slots; nothing exactly.
inline SubGenOptions one_cluster(std::size_t t) {
  SubGenOptions options;
  options.radius = std::numeric_limits<double>::infinity();
  options.samples_per_cluster = t;
  options.slots = 64;
  options.sinks = options.window = 0;
  return options;
}

/// Keys at 0 but for `rare` of them, evenly spread, at distance `width` in the direction of the
/// query of norm 1. Values of norm 1 on the sphere; of the rare keys `of_rare` times a fixed one.
inline SubGenProblem rare_problem(Eigen::Index n, Eigen::Index rare, float width, float of_rare,
                                  std::uint64_t seed) {
  SubGenProblem p = flat_problem(n, 1, 1.0, 0.0, seed);
  set_norms(p.values, 1.0);
  p.keys.setZero();
  p.queries.setZero();
  p.queries(0, 0) = 1.0F;
  for (Eigen::Index i = 0; i < rare; ++i) {
    const Eigen::Index at = (2 * i + 1) * n / (2 * rare);
    p.keys(at, 0) = width;
    p.values.row(at) << of_rare, 0.0F, 0.0F;
  }
  return p;
}

/// Clusters of radius 1.
inline SubGenOptions clustered_sub_gen() {
  SubGenOptions options = one_cluster(32);
  options.radius = 1.0;
  return options;
}

/// Half of the weight lies on a token whose value differs from all others, which are equal.
inline SubGenProblem needle_of_its_own() {
  SubGenProblem p = separated_problem(600, 1, 2.0, 58);
  p.values.setOnes();
  return with_needle(std::move(p), 200, 0.0, 2.0);
}

/// What clusters hide: keys or values that matter and that most samples do not hold.
inline std::vector<SubGenFamily> hiding_families() {
  SubGenOptions bounded = one_cluster(16);
  bounded.radius = 0.5;
  bounded.max_clusters = 12;
  return {
      {"wide cluster, scores of deviation 2.5", flat_problem(1500, 1, 2.5, 1.0, 51),
       one_cluster(64)},
      {"wide cluster, scores of deviation 3.5", flat_problem(1500, 1, 3.5, 1.0, 52),
       one_cluster(64)},
      {"as many clusters as there may be", flat_problem(1500, 1, 3.0, 1.0, 53), bounded},
      {"a needle in a wide cluster",
       with_needle(flat_problem(1500, 1, 0.5, 1.0, 54), 700, 1.0, 2.0), one_cluster(64)},
      {"one heavy key in 30", rare_problem(1500, 50, 4.0F, -2.0F, 55), one_cluster(32)},
      {"one heavy key in 10", rare_problem(1500, 150, 4.0F, -2.0F, 56), one_cluster(32)},
      {"a needle with a value of its own", needle_of_its_own(), clustered_sub_gen()},
      {"one large value in 75", rare_problem(1500, 20, 0.0F, -50.0F, 57), one_cluster(32)},
  };
}

/// Where clusters are narrow or scores flat, so that samples tell.
inline std::vector<SubGenFamily> telling_families() {
  const SubGenOptions clustered = clustered_sub_gen();
  return {
      {"separated clusters, rho 0.5", separated_problem(600, 1, 0.5, 61), clustered},
      {"separated clusters, rho 2", separated_problem(600, 1, 2.0, 62), clustered},
      {"a needle of its own", with_needle(separated_problem(600, 1, 2.0, 63), 200, 1.0, 2.0),
       clustered},
      {"flat, deviation 0.1", flat_problem(1500, 1, 0.1, 1.0, 64), one_cluster(64)},
      {"flat, deviation 0.5", flat_problem(1500, 1, 0.5, 1.0, 65), one_cluster(64)},
  };
}

/// Of caches of many seeds: error, and error of log Z; medians of what they state, and of what is.
struct SubGenCounts {
  HonestyCount output, log_z;
  double stated = 0.0, actual = 0.0;
};

inline double median_of(std::vector<double> all) {
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  std::nth_element(all.begin(), middle, all.end());
  return *middle;
}

/// answer(seed) gives the row of a cache with this seed.
template <class Answer>
SubGenCounts count_reports(const SubGenProblem& p, std::size_t runs, Answer&& answer) {
  const SubGenTruth is(p, 0);
  SubGenCounts counts;
  std::vector<double> stated, actual;
  for (std::size_t run = 0; run < runs; ++run) {
    const AttentionOutput out = answer(run);
    const AttentionRow& row = out.rows[0];
    const Vector<double> o = out.values.row(0).transpose().cast<double>();
    const double off = (o - is.o).norm();
    const bool exact = row.path == AttentionPath::exact;
    counts.output.add(false, false,
                      off > static_cast<double>(row.error) * o.norm() + 1e-5 * is.o.norm(), exact);
    counts.log_z.add(false, false,
                     std::abs(out.log_sum_exp(0, 0) - std::log(is.z)) >
                         static_cast<double>(row.log_z_error) + 1e-5,
                     exact);
    stated.push_back(static_cast<double>(row.error));
    actual.push_back(off / o.norm());
  }
  counts.stated = median_of(std::move(stated));
  counts.actual = median_of(std::move(actual));
  return counts;
}

inline SubGenCounts count_reports(SubGenFamily family, SubGenEstimator estimator, std::size_t runs,
                                  std::uint64_t seed) {
  family.options.estimator = estimator;
  return count_reports(family.problem, runs, [&](std::size_t run) {
    return sub_gen_cache(family.problem, family.options, seed * 1'000'000 + run)
        .attend(family.problem.queries, unscaled());
  });
}

/// The same of reports that take what samples show for all that there is, `factor` times.
inline SubGenCounts count_trusting_reports(SubGenFamily family, SubGenEstimator estimator,
                                           std::size_t runs, std::uint64_t seed,
                                           double factor = 1.0) {
  family.options.estimator = estimator;
  const SubGenProblem& p = family.problem;
  const auto d = static_cast<std::size_t>(p.keys.cols()),
             dv = static_cast<std::size_t>(p.values.cols());
  const double quantile = normal_quantile(1.0 - family.options.error_probability);
  std::vector<float> query(lazygumbel::detail::query_room(d, 16));
  const AttentionOptions options = unscaled();
  lazygumbel::detail::pad_query(
      p.queries.data(), d,
      lazygumbel::detail::select<lazygumbel::detail::SoftmaxKernels>(options.simd).width, 1.0,
      query.data());
  return count_reports(p, runs, [&](std::size_t run) {
    lazygumbel::detail::SubGenSketch<float> sketch(d, dv, family.options, PhiloxEngine(seed, run));
    for (Eigen::Index i = 0; i < p.tokens(); ++i) {
      sketch.prepare(p.keys.row(i).data());
      sketch.add(p.keys.row(i).data(), p.values.row(i).data());
    }
    lazygumbel::detail::SketchWork work;
    auto row =
        sketch.estimate(query.data(), static_cast<double>(p.queries.row(0).norm()), options, work);
    row.normaliser.hidden = {};
    AttentionOutput out;
    out.values.resize(1, p.values.cols());
    double square = 0.0;
    for (std::size_t c = 0; c < dv; ++c) {
      out.values(0, static_cast<Eigen::Index>(c)) = static_cast<float>(work.output[c]);
      square += work.output[c] * work.output[c];
    }
    out.log_sum_exp.setConstant(1, 1, row.log_sum);
    out.rows.push_back(
        {.error = static_cast<float>(factor * sketch.error(row, work.output, 1.0, quantile, work) /
                                     std::sqrt(square)),
         .path = AttentionPath::sampled,
         .log_z_error = static_cast<float>(factor * sketch.log_error(row, 1.0, quantile))});
    return out;
  });
}

}  // namespace lazygumbel::testing
