#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <lazygumbel/privacy/workload/box_workload.hpp>
#include <lazygumbel/privacy/workload/dense_workload.hpp>
#include <lazygumbel/random/philox.hpp>
#include <stdexcept>
#include <vector>

#include "message_of.hpp"
#include "workload_checks.hpp"
#include "workloads.hpp"

// Scans, which are faster than `answers` and less exact: within scan_error of sums in long double.

namespace lazygumbel::testing {
namespace {

/// The largest |scan - <q, w>| / scan_error.
template <class Scalar>
double check_scan(const DenseWorkload<Scalar>& workload, const std::vector<double>& weights) {
  std::vector<double> out(workload.size(), -7.0), answers(workload.size());
  scan_answers(workload, weights, out);
  workload.answers(weights, answers);
  const double l1 = l1_of(weights), allowed = scan_error(workload, l1);
  EXPECT_GE(allowed, workload.answers_error(l1));
  double largest = 0.0;
  const auto rows = workload.rows();
  for (std::size_t j = 0; j < out.size(); ++j) {
    long double sum = 0.0L;
    for (std::size_t x = 0; x < weights.size(); ++x)
      sum += static_cast<long double>(
                 rows(static_cast<Eigen::Index>(j), static_cast<Eigen::Index>(x))) *
             static_cast<long double>(weights[x]);
    const long double error = std::abs(static_cast<long double>(out[j]) - sum);
    if (error == 0.0L) continue;
    largest = std::max(largest, static_cast<double>(error / static_cast<long double>(allowed)));
  }
  return largest;
}

template <class Scalar>
void check_dense_scans() {
  std::uint64_t seed = 1;
  for (const std::size_t cells : {1U, 2U, 17U, 255U, 256U, 257U, 512U, 1000U, 3001U})
    for (const double upper : {1e-6, 1.0, 1e9})
      for (const double total : {1e-9, 1.0, 1e9}) {
        ++seed;
        const double lower = seed % 3 == 0 ? 0.0 : seed % 3 == 1 ? -upper : 0.5 * upper;
        const DenseWorkload<Scalar> workload(random_queries<Scalar>(20, cells, lower, upper, seed));
        auto weights = random_weights(cells, total, seed % 2 == 0 ? 1.0 : 20.0, seed);
        EXPECT_LE(check_scan(workload, weights), 1.0);
        for (std::size_t x = 0; x < cells; x += 3) weights[x] = -weights[x];
        EXPECT_LE(check_scan(workload, weights), 1.0);
      }
}

TEST(DenseScan, WithinItsError) {
  check_dense_scans<float>();
  check_dense_scans<double>();
}

// Equal numbers whose every partial sum is rounded the same way: the bound is not idle.
TEST(DenseScan, ItsErrorIsNotIdle) {
  const DenseWorkload<float> workload(RowMatrix<float>::Constant(1, 256, 1.0F));
  const double worst = check_scan(workload, std::vector<double>(256, 1.0 + 0x1.7p-24));
  EXPECT_GT(worst, 1e-3);
  EXPECT_LE(worst, 1.0);
}

// Products below the least normal number lose bits that no relative error accounts for.
TEST(DenseScan, TinyQueries) {
  for (const float q : {1e-30F, 1e-33F, 1e-36F, 1e-38F})
    for (const double w : {1e-12, 1e-10, 1e-8, 1e-5}) {
      const DenseWorkload<float> workload(RowMatrix<float>::Constant(3, 5, q));
      EXPECT_LE(check_scan(workload, std::vector<double>(5, w * (1.0 + 1e-3))), 1.0)
          << "q = " << q << ", w = " << w;
    }
}

// Without a scan of its own a workload is scanned by `answers`, at its error.
TEST(DenseScan, OtherWorkloadsAreAnswered) {
  const IntegerWorkload integers({{1, 0, -1}, {1, 1, 1}}, {-1, 1});
  std::vector<double> out(2);
  scan_answers(integers, std::vector<double>{1.5, 2.0, 4.0}, out);
  EXPECT_EQ(out, (std::vector<double>{-2.5, 7.5}));
  EXPECT_EQ(scan_error(integers, 7.5), integers.answers_error(7.5));
  PhiloxEngine engine(1);
  const Domain domain = domain_of_sizes({5, 7});
  const BoxWorkload boxes = BoxWorkload::random(domain, 40, engine);
  std::vector<double> scanned(40), answered(40);
  const auto weights = random_weights(35, 100.0, 2.0, 2);
  scan_answers(boxes, weights, scanned);
  boxes.answers(weights, answered);
  EXPECT_EQ(scanned, answered);
  EXPECT_EQ(scan_error(boxes, 100.0), boxes.answers_error(100.0));
  // Integral workloads are exact on integers.
  const auto counts = integer_weights(35, 1000, 3);
  scan_answers(boxes, counts, scanned);
  std::vector<double> query(35);
  for (item_id j = 0; j < 40; ++j) {
    boxes.query(j, query);
    double sum = 0.0;
    for (std::size_t x = 0; x < 35; ++x) sum += query[x] * counts[x];
    ASSERT_EQ(scanned[j], sum);
  }
}

TEST(DenseScan, Refusals) {
  const DenseWorkload<float> workload(RowMatrix<float>::Ones(3, 2));
  std::vector<double> two(2), three(3);
  EXPECT_EQ(message_of<std::invalid_argument>([&] { workload.scan(three, three); }),
            "lazygumbel: weights.size() = 3: must equal cells() = 2");
  EXPECT_EQ(message_of<std::invalid_argument>([&] { workload.scan(two, two); }),
            "lazygumbel: out.size() = 2: must equal size() = 3");
}

}  // namespace
}  // namespace lazygumbel::testing
