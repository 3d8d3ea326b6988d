#include <gtest/gtest.h>

#include <lazygumbel/attention/subgen/detail/sub_gen_sketch.hpp>

#include "reservoir_laws.hpp"
#include "sub_gen_laws.hpp"

// SubGenCache against its formulas, each test refused at p < 1e-6: z-tests of the means of Z^ and
// N^ and of their squared errors over 4,000 seeds for each of 4 queries, chi-square tests of which
// keys and values are kept, binomial tests of how often an error exceeds its report. About 300
// tests, false alarm 3e-4 for the file. Found with probability 0.9: a variance that is 10% off
// (asserted), a bias of 10% of one estimate's standard deviation, reports that fail 7.5 times in
// 100 and not 5.

namespace lazygumbel::testing {
namespace {

constexpr std::size_t sub_gen_runs = 4000;
constexpr double sub_gen_t = 8.0, sub_gen_s = 64.0, sub_gen_radius = 1.0, sub_gen_rho = 1.5;
const std::vector<Eigen::Index> cut_once{}, cut_twice{100, 220};

SubGenOptions sketch_only(SubGenEstimator estimator) {
  SubGenOptions options;
  options.radius = sub_gen_radius;
  options.samples_per_cluster = static_cast<std::size_t>(sub_gen_t);
  options.slots = static_cast<std::size_t>(sub_gen_s);
  options.sinks = options.window = 0;
  options.estimator = estimator;
  return options;
}

constexpr SubGenEstimator all_estimators[] = {
    SubGenEstimator::plain, SubGenEstimator::self_normalised, SubGenEstimator::mean_shifted,
    SubGenEstimator::stratified, SubGenEstimator::centred};

template <class Formula>
std::vector<double> of_each(const SubGenRuns& sample, Formula&& formula) {
  std::vector<double> values;
  for (std::size_t i = 0; i < sample.queries(); ++i) values.push_back(formula(sample.truth(i)));
  return values;
}

TEST(SubGenLaw, TheStreamHasTheClustersThatItSays) {
  const SubGenProblem p = separated_problem(300, 4, sub_gen_rho, 1);
  EXPECT_EQ(sub_gen_cache(p, sketch_only(SubGenEstimator::plain), 1).clusters(0), p.clusters);
  EXPECT_EQ(sub_gen_cache(p, sketch_only(SubGenEstimator::plain), 1, cut_twice).clusters(0),
            p.clusters);
}

TEST(SubGenLaw, MeansAndVariances) {
  const SubGenProblem p = separated_problem(300, 4, sub_gen_rho, 1);
  std::uint64_t seed = 0;
  for (const SubGenEstimator estimator : all_estimators)
    for (const auto& cuts : {cut_once, cut_twice}) {
      const SubGenRuns sample = run_caches(p, sketch_only(estimator), sub_gen_runs, ++seed, cuts);
      const std::string what = name_of(estimator) + std::string(cuts.empty() ? "" : ", merged");
      EXPECT_GE(sample.p_of_normalisers(), law_threshold) << what;
      const auto variances = of_each(
          sample, [&](const SubGenTruth& is) { return is.normaliser_variance(p, sub_gen_t); });
      EXPECT_GE(sample.p_of_normaliser_errors(variances), law_threshold) << what;
      for (std::size_t i = 0; i < sample.queries(); ++i)
        EXPECT_LT(variances[i],
                  sample.truth(i).sinh_bound(p, sub_gen_radius, sub_gen_rho, sub_gen_t));
      if (estimator == SubGenEstimator::self_normalised) continue;  // a ratio: biased by 1 / s
      EXPECT_GE(sample.p_of_numerators(), law_threshold) << what;
      // Slots from a mixture, and a product of two means.
      if (estimator == SubGenEstimator::mean_shifted || estimator == SubGenEstimator::centred)
        continue;
      EXPECT_LT(sample.smallest_defect(), 0.11) << what;
      EXPECT_GE(sample.p_of_numerator_errors(of_each(sample,
                                                     [&](const SubGenTruth& is) {
                                                       return estimator == SubGenEstimator::plain
                                                                  ? is.plain_variance(p, sub_gen_s)
                                                                  : is.stratified_variance(
                                                                        p, sub_gen_t);
                                                     })),
                law_threshold)
          << what;
    }
}

// With t samples of weights w and values v, errors of `centred` are those of the mean of
// (w - W_c)(v - o) in place of w (v - o), to first order: here within a tenth, with t = 32.
TEST(SubGenLaw, MeanValuesTakeAwayWhatWeightsShare) {
  const SubGenProblem p = separated_problem(600, 4, 0.7, 1);
  SubGenOptions options = sketch_only(SubGenEstimator::centred);
  options.samples_per_cluster = 32;
  std::vector<double> errors(4);
  for (std::size_t run = 0; run < sub_gen_runs; ++run) {
    const AttentionOutput out =
        sub_gen_cache(p, options, 40'000 + run).attend(p.queries, unscaled());
    for (Eigen::Index i = 0; i < p.m(); ++i)
      errors[static_cast<std::size_t>(i)] +=
          (out.values.row(i).transpose().cast<double>() - SubGenTruth(p, i).o).squaredNorm() /
          static_cast<double>(sub_gen_runs);
  }
  for (std::size_t i = 0; i < errors.size(); ++i) {
    const SubGenTruth is(p, static_cast<Eigen::Index>(i));
    EXPECT_NEAR(errors[i] / is.ratio_variance(p, 32.0, true), 1.0, 0.1);
    EXPECT_LT(errors[i], 0.5 * is.ratio_variance(p, 32.0, false));
  }
}

TEST(SubGenLaw, MeansWhereValuesFollowKeys) {
  SubGenProblem p = separated_problem(300, 4, 3.0, 1);
  p.values = p.keys.leftCols(3);
  for (const SubGenEstimator estimator :
       {SubGenEstimator::plain, SubGenEstimator::stratified, SubGenEstimator::centred})
    for (const auto& cuts : {cut_once, cut_twice})
      EXPECT_GE(run_caches(p, sketch_only(estimator), sub_gen_runs, 60, cuts).p_of_numerators(),
                law_threshold)
          << name_of(estimator);
}

TEST(SubGenLaw, TokensKeptExactlyAddToBoth) {
  const SubGenProblem p = separated_problem(300, 4, sub_gen_rho, 5);
  for (const SubGenEstimator estimator : {SubGenEstimator::plain, SubGenEstimator::mean_shifted,
                                          SubGenEstimator::stratified, SubGenEstimator::centred}) {
    SubGenOptions options = sketch_only(estimator);
    options.sinks = 3;
    options.window = 40;
    for (const auto& cuts : {cut_once, cut_twice}) {
      const SubGenRuns sample = run_caches(p, options, sub_gen_runs / 2, 20, cuts);
      EXPECT_GE(sample.p_of_normalisers(), law_threshold) << name_of(estimator);
      EXPECT_GE(sample.p_of_numerators(), law_threshold) << name_of(estimator);
    }
  }
}

TEST(SubGenLaw, BoundsHold) {
  // Of Z^: at least its standard deviation; of N^ of `plain`: that on average, with the noise of
  // the estimate of |p| in it.
  const SubGenProblem p = separated_problem(300, 4, sub_gen_rho, 1);
  std::vector<double> ratios;
  for (std::size_t run = 0; run < 200; ++run) {
    const auto bounds = sub_gen_cache(p, sketch_only(SubGenEstimator::plain), 500 + run)
                            .bounds(p.queries, unscaled());
    for (std::size_t i = 0; i < bounds.size(); ++i) {
      const SubGenTruth is(p, static_cast<Eigen::Index>(i));
      EXPECT_GE(bounds[i].normaliser, std::sqrt(is.normaliser_variance(p, sub_gen_t)));
      ratios.push_back(std::pow(bounds[i].numerator, 2) /
                       (is.plain_variance(p, sub_gen_s) + is.o.squaredNorm() / sub_gen_s));
    }
  }
  const auto [mean, variance] = mean_and_variance(ratios);
  EXPECT_NEAR(mean, 1.0, 0.05);
  EXPECT_LT(std::sqrt(variance), 0.2);
}

TEST(SubGenLaw, MergedEstimatesAreThoseOfOneCache) {
  // Both samples in 20 bins of their common quantiles.
  const SubGenProblem p = separated_problem(300, 4, sub_gen_rho, 1);
  for (const SubGenEstimator estimator : all_estimators) {
    const SubGenRuns whole = run_caches(p, sketch_only(estimator), sub_gen_runs, 31),
                     merged = run_caches(p, sketch_only(estimator), sub_gen_runs, 32, cut_twice);
    const auto expect_alike = [&](const std::vector<double>& a, const std::vector<double>& b) {
      std::vector<double> both = a;
      both.insert(both.end(), b.begin(), b.end());
      std::sort(both.begin(), both.end());
      const auto bins = [&](const std::vector<double>& values) {
        Counter counter(20);
        for (const double x : values)
          counter.add(static_cast<std::size_t>(std::lower_bound(both.begin(), both.end(), x) -
                                               both.begin()) *
                      20 / both.size());
        return counter;
      };
      EXPECT_GE(two_sample_p_value(bins(a).counts(), bins(b).counts()), law_threshold)
          << name_of(estimator);
    };
    for (std::size_t i = 0; i < whole.queries(); ++i) {
      expect_alike(whole.normalisers(i), merged.normalisers(i));
      for (std::size_t c = 0; c < 3; ++c)
        expect_alike(whole.numerators(i, c), merged.numerators(i, c));
    }
  }
}

/// A sketch of tokens 0 .. 11 in two clusters, token j with the value j + 1.
class SmallSketch {
 public:
  SmallSketch(SubGenEstimator estimator, const std::vector<int>& owners, PhiloxEngine engine)
      : owners_(owners), options_(), sketch_(2, 1, options_of(estimator), engine) {}

  void add(std::size_t from, std::size_t to) {
    for (std::size_t j = from; j < to; ++j) {
      const float key[] = {owners_[j] == 0 ? 0.0F : 10.0F, 0.01F * static_cast<float>(j)};
      const float value = static_cast<float>(j + 1);
      sketch_.prepare(key);
      sketch_.add(key, &value);
    }
  }
  void merge(const SmallSketch& later) { sketch_.merge(later.sketch_); }
  const lazygumbel::detail::SubGenSketch<float>& sketch() const { return sketch_; }

 private:
  static SubGenOptions options_of(SubGenEstimator estimator) {
    SubGenOptions options;
    options.radius = 1.0;
    options.samples_per_cluster = options.slots = 2;
    options.estimator = estimator;
    return options;
  }
  const std::vector<int>& owners_;
  SubGenOptions options_;
  lazygumbel::detail::SubGenSketch<float> sketch_;
};

struct Arrivals {
  std::vector<int> owners;        // cluster of each of 12 tokens, 6 of each
  std::vector<std::size_t> cuts;  // where another sketch begins, to be merged
  std::size_t continued = 12;     // from here on, tokens are added again
};

const Arrivals arrivals[] = {
    {{0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1}, {}},        {{0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1}, {5}},
    {{0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1}, {3, 8}},     // the second one comes later
    {{1, 0, 0, 0, 0, 1, 1, 0, 1, 1, 1, 0}, {2, 3}, 9},  // and it goes on
    {{0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0}, {4}, 8},
};

template <class Cell>
Counter count_sketches(const Arrivals& a, SubGenEstimator estimator, std::size_t cells,
                       std::size_t draws, std::uint64_t seed, Cell&& cell) {
  std::uint64_t stream = 0;
  return count_draws(cells, draws, [&] {
    SmallSketch whole(estimator, a.owners, PhiloxEngine(seed, stream++));
    whole.add(0, a.cuts.empty() ? a.continued : a.cuts[0]);
    for (std::size_t k = 0; k < a.cuts.size(); ++k) {
      SmallSketch later(estimator, a.owners, PhiloxEngine(seed, stream++));
      later.add(a.cuts[k], k + 1 < a.cuts.size() ? a.cuts[k + 1] : a.continued);
      whole.merge(later);
    }
    whole.add(a.continued, 12);
    return cell(whole.sketch());
  });
}

TEST(SubGenLaw, WhichKeysAreKept) {
  // The sets of 2 of 6 of both clusters, together, with the values beside them.
  const std::vector<double> pair = set_law(2, 6);
  std::vector<double> law;
  for (const double a : pair)
    for (const double b : pair) law.push_back(a * b);
  std::vector<Counter> counters;
  for (std::size_t k = 0; k < std::size(arrivals); ++k) {
    const Arrivals& a = arrivals[k];
    std::vector<std::size_t> number(12), count(2);  // of a token in its cluster
    for (std::size_t j = 0; j < 12; ++j) number[j] = count[static_cast<std::size_t>(a.owners[j])]++;
    counters.push_back(count_sketches(
        a, SubGenEstimator::stratified, law.size(), 100'000, 600 + k, [&](const auto& sketch) {
          std::size_t masks[2] = {0, 0};
          const auto& clusters = sketch.clusters();
          for (const auto& cluster : clusters.clusters())
            for (const std::uint32_t row : cluster.rows) {
              const auto j = static_cast<std::size_t>(*clusters.values().row(row)) - 1;
              EXPECT_EQ(clusters.keys().row(row)[1], 0.01F * static_cast<float>(j));
              masks[a.owners[j]] |= std::size_t{1} << number[j];
            }
          return masks[0] * 64 + masks[1];
        }));
    expect_law(counters.back(), law, std::to_string(k));
    EXPECT_GE(two_sample_p_value(counters[0].counts(), counters.back().counts()), law_threshold);
  }
}

TEST(SubGenLaw, WhichValuesAreKept) {
  // Both slots, by the squares of the values.
  std::vector<double> squares;
  for (int j = 1; j <= 12; ++j) squares.push_back(j * j);
  for (std::size_t k = 0; k < std::size(arrivals); ++k)
    expect_law(count_sketches(arrivals[k], SubGenEstimator::plain, 144, 100'000, 700 + k,
                              [&](const auto& sketch) {
                                const auto& values = sketch.slots().values();
                                return (static_cast<std::size_t>(*values.row(0)) - 1) * 12 +
                                       static_cast<std::size_t>(*values.row(1)) - 1;
                              }),
               slot_law(2, squares), std::to_string(k));
}

TEST(SubGenLaw, ANeedleSurvivesInSlotsAsOftenAsItShould) {
  // All values of norm 1 but for one token with nearly all of the weight, of norm 1 or 2.
  constexpr Eigen::Index n = 100;
  for (const double norm : {1.0, 2.0}) {
    SubGenProblem p = separated_problem(n, 1, sub_gen_rho, 9);
    p.values.row(n / 2).setOnes();
    set_norms(p.values, 1.0);
    p = with_needle(std::move(p), 40, 7.0, norm);
    SubGenOptions options = sketch_only(SubGenEstimator::plain);
    options.slots = 32;
    for (const auto& cuts : {cut_once, std::vector<Eigen::Index>{30, 60}}) {
      std::uint64_t kept = 0, unseen = 0;
      for (std::size_t run = 0; run < sub_gen_runs; ++run) {
        const AttentionOutput out =
            sub_gen_cache(p, options, 800'000 + run, cuts).attend(p.queries, unscaled());
        const bool survives = static_cast<double>(out.values.row(0).norm()) > 0.5;
        kept += survives;
        // What is missed is reported: an error of |o| = norm, relative to an output near 0.
        unseen += !survives &&
                  static_cast<double>(out.rows[0].error * out.values.row(0).norm()) < 0.99 * norm;
      }
      const double chance = norm * norm / (norm * norm + n - 1);
      const double survives = 1.0 - std::pow(1.0 - chance, 32.0);
      const double counts = static_cast<double>(kept);
      EXPECT_GE(z_test_p_value((counts - sub_gen_runs * survives) /
                               std::sqrt(sub_gen_runs * survives * (1.0 - survives))),
                law_threshold)
          << counts / sub_gen_runs << " for " << survives;
      EXPECT_EQ(unseen, 0u);
    }
    // Beside the samples of its cluster it always does.
    const Vector<double> o = SubGenTruth(p, 0).o;
    for (std::size_t run = 0; run < 200; ++run) {
      options.estimator = run % 2 == 0 ? SubGenEstimator::stratified : SubGenEstimator::centred;
      const AttentionOutput out =
          sub_gen_cache(p, options, 900'000 + run).attend(p.queries, unscaled());
      EXPECT_LT((out.values.row(0).transpose().cast<double>() - o).norm(), 2e-3 * norm);
      EXPECT_LT(out.rows[0].error, 2e-3F);
    }
  }
}

// In one cluster, keys that are all the same but for a few: a sample of equal weights says nothing.
TEST(SubGenLaw, RareNeighboursAreReported) {
  for (const Eigen::Index rare : {20, 100}) {
    SubGenProblem p = flat_problem(2000, 1, 1.0, 1.0, 41);
    p.keys.setZero();
    p.queries.setZero();
    p.queries(0, 0) = 1.0F;
    for (Eigen::Index i = 0; i < rare; ++i) p.keys(7 + i * (2000 / rare - 1), 0) = 1.0F;
    SubGenOptions options = sketch_only(SubGenEstimator::centred);
    options.samples_per_cluster = 32;
    options.radius = 2.0;
    const std::uint64_t count = count_misses(p, options, sub_gen_runs / 4, 3000)[0];
    EXPECT_GE(binomial_at_least(count, sub_gen_runs / 4, options.error_probability), law_threshold)
        << rare << ": " << count << " of " << sub_gen_runs / 4;
  }
}

TEST(SubGenLaw, ErrorsExceedTheirReportsAsSeldomAsStated) {
  SubGenOptions clustered = sketch_only(SubGenEstimator::plain), whole = clustered;
  clustered.samples_per_cluster = 32;
  clustered.sinks = whole.sinks = 2;
  clustered.window = whole.window = 20;
  whole.samples_per_cluster = 64;
  whole.radius = std::numeric_limits<double>::infinity();
  const SubGenProblem separated = separated_problem(600, 2, 2.0, 11);
  struct Case {
    const char* name;
    SubGenProblem problem;
    SubGenOptions options;
  };
  const Case cases[] = {
      {"separated", separated, clustered},
      {"needle of half the weight", with_needle(separated, 200, 0.0, 2.0), clustered},
      {"needle of all the weight", with_needle(separated, 200, 4.0, 2.0), clustered},
      {"needle of small weight", with_needle(separated, 200, -3.0, 2.0), clustered},
      {"flat, mean 0", flat_problem(1500, 2, 0.5, 0.0, 21), whole},
      {"flat, mean 1", flat_problem(1500, 2, 1.0, 1.0, 22), whole},
  };
  for (const Case& c : cases)
    for (const SubGenEstimator estimator : all_estimators) {
      SubGenOptions options = c.options;
      options.estimator = estimator;
      const auto misses = count_misses(c.problem, options, sub_gen_runs / 2, 1000);
      for (const std::uint64_t count : misses)
        EXPECT_GE(binomial_at_least(count, sub_gen_runs / 2, options.error_probability),
                  law_threshold)
            << c.name << ", " << name_of(estimator) << ": " << count << " of " << sub_gen_runs / 2;
    }
}

}  // namespace
}  // namespace lazygumbel::testing
