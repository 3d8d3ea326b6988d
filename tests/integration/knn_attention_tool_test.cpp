// Runs the built tools examples/07_knn_attention and 08_gradient_descent on small problems. All
// seeds are fixed.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <datasets.hpp>
#include <filesystem>
#include <fstream>
#include <lazygumbel/attention/exact/exact_attention.hpp>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "largest_difference.hpp"
#include "tool_test.hpp"

namespace {

namespace fs = std::filesystem;
using lazygumbel::AttentionMask;
using lazygumbel::HeadsView;
using lazygumbel_datasets::Matrix;

using lazygumbel::testing::contains;
using lazygumbel::testing::content_of;
using Result = lazygumbel::testing::ToolResult;

Matrix rows_of(Eigen::Index n, Eigen::Index d, std::uint64_t seed, float length = 1.0F) {
  return length * lazygumbel_datasets::clusters(n, d, seed, 20).rows;
}

class AttentionTool : public lazygumbel::testing::ToolTest {
 protected:
  /// Runs a tool in the folder, without Fashion-MNIST. `arguments` are for the shell.
  Result run(const std::string& arguments, const char* tool = LAZYGUMBEL_ATTENTION_TOOL) const {
    return run_tool(tool, arguments, "LAZYGUMBEL_FASHION_MNIST=none ");
  }

  /// One line on stderr that says so, nothing on stdout, no file written.
  void expect_refused(const std::string& arguments, const std::string& message, bool usage,
                      const char* tool = LAZYGUMBEL_ATTENTION_TOOL) const {
    expect_refusal(run(arguments, tool), arguments, message, usage,
                   {"o.npy", "attention_error.csv", "gradient_descent.csv"});
  }

  /// The lines of a CSV file, its header apart; "NaN" is one.
  std::vector<std::vector<double>> numbers(const std::string& name, std::size_t columns) const {
    std::istringstream lines(content_of(folder_ / name));
    std::vector<std::vector<double>> all;
    std::string line;
    std::getline(lines, line);
    EXPECT_EQ(static_cast<std::size_t>(std::count(line.begin(), line.end(), ',')) + 1, columns);
    while (std::getline(lines, line)) {
      std::istringstream fields(line);
      all.emplace_back();
      for (std::string field; std::getline(fields, field, ',');)
        all.back().push_back(std::stod(field));
      EXPECT_EQ(all.back().size(), columns) << line;
    }
    return all;
  }

  static constexpr const char* arrays = "--queries q.fvecs --keys k.fvecs --values v.fvecs ";
};

// Arrays of one's own.

TEST_F(AttentionTool, SampledOutputsOfOwnArraysMeetTheTarget) {
  const Matrix q = rows_of(200, 32, 1, 8.0F), k = rows_of(8000, 32, 2, 8.0F);
  const Matrix v = (rows_of(8000, 6, 3).array() + 0.5F).matrix();
  write("q.fvecs", q);
  write("k.fvecs", k);
  write("v.fvecs", v);
  const Result result =
      run(std::string(arrays) + "--scale 0.1 --epsilon 0.05 --one-by-one 50 --out o.npy");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  for (const char* part : {"200 queries of 1 heads, 8000 keys of 1, 32 numbers each, values of 6",
                           "All queries in one call", "50 queries one by one", "exact",
                           "top-k only", "top-k + tail", "outputs  o.npy"})
    EXPECT_TRUE(contains(result.out, part)) << part << '\n' << result.out;

  lazygumbel::AttentionOptions options;
  options.scale = 0.1;
  const Matrix exact =
      exact_attention(HeadsView<float>(q), HeadsView<float>(k), HeadsView<float>(v), options)
          .values;
  const Matrix sampled = lazygumbel_datasets::read_npy(folder_ / "o.npy");
  ASSERT_EQ(sampled.rows(), 200);
  ASSERT_EQ(sampled.cols(), 6);
  const Eigen::VectorXf errors =
      ((sampled - exact).rowwise().norm().array() / exact.rowwise().norm().array()).matrix();
  EXPECT_TRUE(errors.allFinite());
  // At most a tenth may err by more than 5%: of 200, 40 is beyond five deviations.
  EXPECT_LE((errors.array() > 0.05F).count(), 40);
  EXPECT_GT(errors.maxCoeff(), 0.0F);  // it is a sample
}

TEST_F(AttentionTool, CausalHeadsOfShortContextsAreExact) {
  const Matrix q = rows_of(30, 32, 1), k = rows_of(50, 16, 2), v = rows_of(50, 6, 3);
  write("q.fvecs", q);
  write("k.fvecs", k);
  write("v.fvecs", v);
  const Result result = run(std::string(arrays) + "--heads 4 --kv-heads 2 --causal --out o.npy");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "causal")) << result.out;
  EXPECT_FALSE(contains(result.out, "one by one")) << result.out;
  lazygumbel::AttentionOptions options;
  options.mask = AttentionMask::causal();
  const Matrix exact = exact_attention(HeadsView<float>(q, 4), HeadsView<float>(k, 2),
                                       HeadsView<float>(v, 2), options)
                           .values;
  const Matrix sampled = lazygumbel_datasets::read_npy(folder_ / "o.npy");
  ASSERT_EQ(sampled.cols(), 12);
  EXPECT_LE(lazygumbel::testing::largest_difference(sampled, exact), 1e-5);
}

TEST_F(AttentionTool, BadArraysAreNamed) {
  write("q.fvecs", rows_of(5, 8, 1));
  write("k.fvecs", rows_of(4, 8, 2));
  write("v.fvecs", rows_of(4, 3, 3));
  const std::string all = std::string(arrays) + "--out o.npy ";
  expect_refused("--queries q.fvecs --keys none.npy --values v.fvecs", "none.npy: no such file",
                 false);
  expect_refused(all + "--causal", "exceeds keys.tokens() = 4 under a causal mask", false);
  expect_refused(all + "--heads 3", "q.fvecs: 8 columns are no multiple of --heads 3", false);
  expect_refused(all + "--kv-heads 2", "v.fvecs: 3 columns are no multiple of --kv-heads 2", false);
  expect_refused(all + "--heads 2 --kv-heads 1", "keys.dimension()", false);
  expect_refused(std::string(arrays) + "--out k.fvecs", "would be overwritten", false);
  expect_refused(std::string(arrays) + "--out no/o.npy", "cannot be opened for writing", false);
  write("v.fvecs", rows_of(3, 3, 3));
  expect_refused(all, "values.tokens()", false);
  Matrix bad = rows_of(4, 8, 2);
  bad(1, 2) = std::numeric_limits<float>::quiet_NaN();
  write("k.fvecs", bad);
  expect_refused(all, "k.fvecs", false);
  write("k.fvecs", std::string("\x93NUMPY rubbish"));
  expect_refused(all, "k.fvecs", false);
}

TEST_F(AttentionTool, BadUsageIsNamed) {
  write("q.fvecs", rows_of(5, 8, 1));
  expect_refused("--queries q.fvecs --keys q.fvecs", "--values", true);
  expect_refused("--keys q.fvecs", "--queries", true);
  expect_refused("--causal", "goes with --queries", true);
  expect_refused("--out o.npy", "goes with --queries", true);
  expect_refused(std::string(arrays) + "--quick", "of the classifier", true);
  expect_refused(std::string(arrays) + "--temperature 1", "of the classifier", true);
  expect_refused("--epsilon 0", "--epsilon", true);
  expect_refused("--epsilon nan", "--epsilon", true);
  expect_refused("--delta 1", "must lie in (0, 1)", true);
  expect_refused("--temperature -1", "--temperature", true);
  expect_refused("--images -1", "is not a number of", true);
  expect_refused("--images 0", "at least 1", true);
  expect_refused("--one-by-one 0", "at least 1", true);
  expect_refused("--top-k 0", "at least 1", true);
  expect_refused("--training-images 100", "at least 200", true);
  expect_refused("--index tree", "tree", true);
  expect_refused("--threads 5000", "at most 1024", true);
  expect_refused("stray", "stray", true);
  const Result help = run("--help");
  EXPECT_EQ(help.code, 0);
  EXPECT_TRUE(contains(help.out, "--one-by-one")) << help.out;
}

// The classifier, on made-up clusters.

TEST_F(AttentionTool, ClassifierWritesItsCurves) {
  const std::string arguments =
      "--training-images 5000 --images 30 --one-by-one 8 --temperature 0.05";
  const Result result = run(arguments);
  ASSERT_EQ(result.code, 0) << result.out << result.err;
  for (const char* part : {"made-up clusters", "5000 keys, 30 queries, 784 numbers each",
                           "Temperature 0.05", "All 30 queries in one call", "8 queries one by one",
                           "points of accuracy", "error against rows: ", "time against keys:  "})
    EXPECT_TRUE(contains(result.out, part)) << part << '\n' << result.out;
  const auto errors = numbers("attention_error.csv", 6);
  ASSERT_EQ(errors.size(), 12U);  // budgets 32 .. 1024 at two temperatures
  for (std::size_t i = 0; i < errors.size(); ++i) {
    EXPECT_NEAR(errors[i][0], i < 6 ? 0.05 : 0.25, 1e-9);
    EXPECT_EQ(errors[i][1], static_cast<double>(32 << i % 6));
    for (const std::size_t column : {2, 4}) {
      EXPECT_GT(errors[i][column], 0.0);
      EXPECT_LE(errors[i][column], 5000.0);
    }
  }
  // More rows, less error; at the higher temperature a tail beats as many top keys.
  EXPECT_LT(errors[5][3], errors[0][3]);
  EXPECT_LT(errors[5][5], errors[0][5]);
  EXPECT_LT(errors[11][5], errors[11][3]);
  const auto times = numbers("attention_time.csv", 5);
  ASSERT_EQ(times.size(), 4U);
  EXPECT_EQ(times[0][0], 500.0);
  EXPECT_EQ(times[3][0], 5000.0);
  for (const auto& line : times)
    for (const double value : line) EXPECT_GT(value, 0.0);

  const std::string first = content_of(folder_ / "attention_error.csv");
  run(arguments);
  EXPECT_EQ(content_of(folder_ / "attention_error.csv"), first);  // the seed decides
  run(arguments + " --seed 2");
  EXPECT_NE(content_of(folder_ / "attention_error.csv"), first);
}

TEST_F(AttentionTool, ClassifierChoosesItsTemperature) {
  const Result result = run("--training-images 1000 --images 20 --one-by-one 5 --output made");
  ASSERT_EQ(result.code, 0) << result.out << result.err;
  EXPECT_TRUE(contains(result.out, "chosen by log loss on 100 training images")) << result.out;
  EXPECT_TRUE(fs::exists(folder_ / "made" / "attention_time.csv"));
}

TEST_F(AttentionTool, PartOfTheDataSetIsNamed) {
  fs::create_directory(folder_ / "none");
  write("none/train-images-idx3-ubyte.gz",
        std::string("\0\0\x08\x03\0\0\0\1\0\0\0\1\0\0\0\1a", 17));
  expect_refused("", "train-labels-idx1-ubyte.gz: no such file", false);
  write("none/train-labels-idx1-ubyte.gz", std::string("\0\0\x08\x01\0\0\0\2ab", 10));
  expect_refused("", "train has 1 images, but 2 labels", false);
}

// Gradient descent.

TEST_F(AttentionTool, GradientDescentLowersTheLossBothWays) {
  for (const std::string separate : {"", " --separate"}) {
    const Result result =
        run("--keys 5000 --held-out 400 --test 100 --batch 100 --steps 10 --dimension 8" + separate,
            LAZYGUMBEL_DESCENT_TOOL);
    ASSERT_EQ(result.code, 0) << result.out << result.err;
    const auto curves = numbers("gradient_descent.csv", 9);
    ASSERT_EQ(curves.size(), 3U);  // 0, 5, 10
    EXPECT_EQ(curves[0][2], curves[0][6]);
    EXPECT_LT(curves[2][2], curves[0][2]);
    EXPECT_LT(curves[2][6], curves[0][6]);
    EXPECT_NEAR(curves[2][2], curves[2][6], 0.2 * curves[2][2]);
  }
}

TEST_F(AttentionTool, BadUsageOfGradientDescentIsNamed) {
  const auto expect = [&](const std::string& arguments, const std::string& message) {
    expect_refused(arguments, message, true, LAZYGUMBEL_DESCENT_TOOL);
  };
  expect("--keys 0", "must lie in 1 .. 60000");
  expect("--keys 50000", "more than the 60000");
  expect("--batch 30000", "exceeds --held-out");
  expect("--tail 15", "at least 16");
  expect("--rate 0", "--rate");
  expect("--temperature nan", "--temperature");
  expect("--steps -1", "is not a number of");
}

}  // namespace
