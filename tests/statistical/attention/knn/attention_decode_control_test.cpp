// Wrong estimators of a decoding step, which the tests of attention_decode_test.cpp must reject,
// and the right one, which they must not.

#include <gtest/gtest.h>

#include <algorithm>
#include <lazygumbel/attention/knn/detail/decode/sampled_decode.hpp>
#include <vector>

#include "decode_problems.hpp"
#include "statistics.hpp"

namespace lazygumbel::testing {
namespace {

enum class Defect { none, head_in_tail, distinct_draws, one_sided };

/// One query of one kv head, attended to as SampledDecoder does without sinks and window.
class Step {
 public:
  Step(const DecodeProblem& problem, std::size_t draws, Defect defect)
      : problem_(problem),
        draws_(draws),
        defect_(defect),
        d_(static_cast<std::size_t>(problem.keys.cols())),
        dv_(static_cast<std::size_t>(problem.values.cols())),
        query_(d_ + 16),
        codes_(4, d_) {
    codes_.append<float>(problem.keys, 1);
    lazygumbel::detail::pad_query(problem.queries.data(), d_, width(), 1.0F, query_.data());
    scan(scores_);
    scan(found_);
    found_.take_largest(draws, 0, head_);
    if (defect != Defect::head_in_tail) scores_.take_largest(draws, 0, head_);
    scores_.weigh();
  }

  void run(std::uint64_t seed) {
    PhiloxEngine engine(seed);
    std::vector<float> certain(room(), 0.0F);
    double sum = 0.0;
    for (const item_id id : head_) {
      const double weight = std::exp(
          problem_.keys.row(id).cast<double>().dot(problem_.queries.row(0).cast<double>()));
      sum += weight;
      for (std::size_t c = 0; c < dv_; ++c)
        certain[c] +=
            static_cast<float>(weight) * problem_.values(id, static_cast<Eigen::Index>(c));
    }
    row_.start(dv_, room(), 0.0, sum, certain.data(), -lazygumbel::detail::RowEstimate::infinity,
               scores_.unit(), scores_.total());
    std::vector<item_id> ids(draws_);
    std::vector<double> intensities(draws_);
    std::vector<float> weights(draws_ + 16);
    scores_.draw(draws_, false, engine, ids.data(), intensities.data());
    if (defect_ == Defect::distinct_draws) {
      std::size_t kept = 0;
      for (std::size_t i = 0; i < ids.size(); ++i)
        if (i == 0 || ids[i] != ids[i - 1]) {
          ids[kept] = ids[i];
          intensities[kept++] = intensities[i];
        }
      ids.resize(kept);
    }
    const auto rows = [&](const RowMatrix<float>& all) {
      return lazygumbel::detail::GatheredRows<float>{
          all.data(), all.cols(), static_cast<std::size_t>(all.cols()), ids.data(), ids.size()};
    };
    row_.add(kernels(), rows(problem_.keys), rows(problem_.values), query_.data(), 0.0F,
             intensities.data(), weights.data());
    row_.settle();
  }

  double log_sum() const { return row_.log_sum(); }
  Vector<double> output() const {
    std::vector<float> out(dv_);
    row_.write(out.data());
    return Eigen::Map<const Vector<float>>(out.data(), static_cast<Eigen::Index>(dv_))
        .cast<double>();
  }
  double half_width(double delta) {
    const double level = defect_ == Defect::one_sided ? 2.0 * delta : delta;
    return row_.met_half_width(level, normal_quantile(1.0 - level), kernels());
  }

 private:
  static std::size_t width() {
    return lazygumbel::detail::select<lazygumbel::detail::SoftmaxKernels>(best_simd()).width;
  }
  std::size_t room() const {
    return lazygumbel::detail::select<lazygumbel::detail::SoftmaxKernels>(best_simd()).pad(dv_);
  }
  static const lazygumbel::detail::GatherKernels<float>& kernels() {
    return lazygumbel::detail::select<lazygumbel::detail::GatherKernels<float>>(best_simd());
  }
  void scan(lazygumbel::detail::CodedScores& scores) const {
    scores.start(codes_,
                 lazygumbel::detail::select<lazygumbel::detail::EstimateKernels>(best_simd()),
                 problem_.queries.row(0).transpose(), 0.0F, 1e3);
    scores.scan(codes_, 0, codes_.tiles());
  }

  const DecodeProblem& problem_;
  std::size_t draws_;
  Defect defect_;
  std::size_t d_, dv_;
  std::vector<float> query_;
  lazygumbel::detail::RowCodes codes_;
  lazygumbel::detail::CodedScores scores_, found_;
  std::vector<item_id> head_;
  lazygumbel::detail::RowEstimate row_;
};

/// The largest |z| of the means of Z^ and N^, and how often |o^ - o| exceeds its half-width.
struct Verdict {
  double largest_z = 0.0;
  std::uint64_t runs = 0, misses = 0;
};

Verdict judge(Defect defect, double sigma, std::size_t dv, double delta) {
  const DecodeProblem problem = gaussian_decode(2048, 32, dv, sigma, 1, 31);
  const DecodeTruth truth =
      plain_decode(problem.keys, problem.values, problem.queries.row(0).transpose().cast<double>());
  Step step(problem, 128, defect);
  Verdict verdict;
  std::vector<std::vector<double>> seen(dv + 1);
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    step.run(seed);
    const double z = std::exp(step.log_sum() - truth.log_sum);
    const Vector<double> out = step.output();
    seen[dv].push_back(z);
    for (std::size_t c = 0; c < dv; ++c) seen[c].push_back(z * out[static_cast<Eigen::Index>(c)]);
    ++verdict.runs;
    verdict.misses += (out - truth.output).norm() > step.half_width(delta);
  }
  for (std::size_t c = 0; c <= dv; ++c) {
    const double mean = c == dv ? 1.0 : truth.output[static_cast<Eigen::Index>(c)];
    verdict.largest_z = std::max(verdict.largest_z, std::abs(z_of_mean(seen[c], mean)));
  }
  return verdict;
}

TEST(AttentionDecodeControl, TheRightEstimatorPasses) {
  const Verdict seen = judge(Defect::none, 2.5, 4, 0.1);
  EXPECT_LT(seen.largest_z, 4.9);
  EXPECT_GT(binomial_at_least(seen.misses, seen.runs, 0.12), 1e-5) << seen.misses;
  const Verdict one = judge(Defect::none, 1.5, 1, 0.1);
  EXPECT_GT(binomial_at_least(one.misses, one.runs, 0.12), 1e-5) << one.misses;
}

TEST(AttentionDecodeControl, ATailThatIncludesTheHeadIsRejected) {
  EXPECT_GT(judge(Defect::head_in_tail, 2.5, 4, 0.1).largest_z, 20.0);
}

TEST(AttentionDecodeControl, DistinctDrawsCountedOnceAreRejected) {
  EXPECT_GT(judge(Defect::distinct_draws, 2.5, 4, 0.1).largest_z, 20.0);
}

TEST(AttentionDecodeControl, AOneSidedQuantileIsRejected) {
  const Verdict seen = judge(Defect::one_sided, 1.5, 1, 0.1);
  EXPECT_LT(binomial_at_least(seen.misses, seen.runs, 0.12), 1e-9) << seen.misses;
}

}  // namespace
}  // namespace lazygumbel::testing
