// Rules that know nothing of the keys that no draw met, which decode_honesty_test.cpp must reject,
// and the right one, which it must not.

#include <gtest/gtest.h>

#include <cstddef>
#include <iostream>
#include <type_traits>
#include <vector>

#include "decode_honesty.hpp"

namespace lazygumbel::testing {
namespace {

namespace inner = lazygumbel::detail;

/// Keys that no draw met are taken to weigh nothing.
template <class Source>
struct Blind : Source {
  double unseen_weight(double, double, float) const { return 0.0; }
};

template <class T>
constexpr bool is_coded = std::is_base_of_v<inner::CodedScores, T>;

/// One step by HeadDecoder, without sinks and window, whose scores come from a Source.
template <class Source>
void count_steps(const HostileDecode& made, bool fixed_budget, std::size_t repeats,
                 HonestyCount& count) {
  const auto& [keys, values, queries] = made.problem;
  const KnnAttentionOptions options = honesty_options(
      is_coded<Source> ? KeyIndex::codes : KeyIndex::lists, fixed_budget, made.epsilon);
  const DecodeTruth truth = plain_decode(keys, values, queries.row(0).transpose().cast<double>());
  const Simd simd = best_simd();
  const auto& softmax = inner::select<inner::SoftmaxKernels>(simd);
  const auto d = static_cast<std::size_t>(keys.cols()),
             dv = static_cast<std::size_t>(values.cols()),
             n = static_cast<std::size_t>(keys.rows());
  const HeadsView<float> all(keys, 1), all_values(values, 1);
  std::vector<float> query(d + 64);
  inner::pad_query(queries.data(), d, softmax.width, 1.0F, query.data());
  inner::ValueBall ball;
  ball.update(all_values, 0, n, simd);
  inner::RowCodes codes(4, d);
  inner::ListedKeys<float> listed(0, d);
  if constexpr (is_coded<Source>)
    codes.append<float>(keys, 1);
  else
    listed.update(all, 0, n, simd);
  const inner::DrawRule rule(options);
  inner::HeadDecoder<float> decoder;
  for (std::size_t repeat = 0; repeat < repeats; ++repeat) {
    Source source;
    if constexpr (is_coded<Source>) {
      source.start(codes, inner::select<inner::EstimateKernels>(simd), queries.row(0).transpose(),
                   0.0F, 1e3);
      source.scan(codes, 0, codes.tiles());
    } else {
      listed.look(query.data(), source);
    }
    inner::SoftmaxState state;
    state.start(1, softmax.pad(dv));
    const auto outcome = decoder.attend({.keys = keys.data(),
                                         .values = values.data(),
                                         .key_stride = keys.cols(),
                                         .value_stride = values.cols(),
                                         .d = d,
                                         .dv = dv,
                                         .query = query.data(),
                                         .softcap = 0.0F,
                                         .largest = &state.largest[0],
                                         .sum = &state.sums[0],
                                         .certain = state.row(0),
                                         .room = static_cast<std::size_t>(state.stride()),
                                         .sink = -inner::RowEstimate::infinity,
                                         .largest_value = 1e9,
                                         .ball = ball,
                                         .limit = n / 5},
                                        options, rule, source, PhiloxEngine(repeat));
    std::vector<float> out(dv);
    decoder.estimate().write(out.data());
    const Vector<double> found =
        Eigen::Map<const Vector<float>>(out.data(), values.cols()).cast<double>();
    const double error = (found - truth.output).norm();
    count.add(outcome.good && !fixed_budget,
              outcome.good && !fixed_budget && error > made.epsilon * found.norm(),
              outcome.good && error > outcome.half_width * (1.0 + 1e-5), !outcome.good);
  }
}

template <class Source>
HonestyCount steps(hostile::Family family, bool fixed_budget) {
  HonestyCount count;
  for (std::uint64_t i = 0; i < 12; ++i)
    count_steps<Source>(family(500 + 10 * i), fixed_budget, 5, count);
  std::cout << text_of(count) << "\n";
  return count;
}

HostileDecode twelve(std::uint64_t seed) { return hostile::long_values(12, 100.0F, seed); }
HostileDecode forty(std::uint64_t seed) { return hostile::long_values(40, 30.0F, seed); }

using Coded = inner::CodedScores;
using Listed = inner::ListedScores<float>;

TEST(DecodeHonestyControl, TheRightRulePasses) {
  for (const hostile::Family family : {twelve, forty})
    for (const bool fixed : {false, true})
      for (const HonestyCount& count :
           {steps<Coded>(family, fixed), steps<Listed>(family, fixed)}) {
        EXPECT_TRUE(keeps_its_word(count, 0.1)) << text_of(count);
        EXPECT_TRUE(reports_hold(count, fixed ? 0.05 : 0.1)) << text_of(count);
      }
  const HonestyCount count = steps<Listed>(hostile::aligned_residuals, true);
  EXPECT_TRUE(reports_hold(count, 0.05)) << text_of(count);
}

TEST(DecodeHonestyControl, DrawsAloneAreRejected) {
  EXPECT_FALSE(keeps_its_word(steps<Blind<Coded>>(twelve, false), 0.1));
  EXPECT_FALSE(keeps_its_word(steps<Blind<Coded>>(forty, false), 0.1));
  EXPECT_FALSE(reports_hold(steps<Blind<Coded>>(twelve, true), 0.05));
  EXPECT_FALSE(reports_hold(steps<Blind<Listed>>(twelve, true), 0.05));
  EXPECT_FALSE(reports_hold(steps<Blind<Listed>>(hostile::aligned_residuals, true), 0.05));
}

}  // namespace
}  // namespace lazygumbel::testing
