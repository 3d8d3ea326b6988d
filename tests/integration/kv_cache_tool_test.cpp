// Runs the built tool examples/09_kv_cache on small problems. All seeds are fixed.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <datasets.hpp>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tool_test.hpp"

namespace {

namespace fs = std::filesystem;
using lazygumbel_datasets::Matrix;

using lazygumbel::testing::contains;
using lazygumbel::testing::content_of;
using Result = lazygumbel::testing::ToolResult;

Matrix rows_of(Eigen::Index n, Eigen::Index d, std::uint64_t seed) {
  return lazygumbel_datasets::clusters(n, d, seed, 20).rows;
}

using Numbers = std::map<std::string, double>;  // of one line, by column

constexpr std::size_t caches = 7, sizes = 6, lines_of_a_problem = 1 + caches * sizes;

class KvCacheTool : public lazygumbel::testing::ToolTest {
 protected:
  /// Runs the tool in the folder, where it finds no data. `arguments` are for the shell.
  Result run(const std::string& arguments) const {
    return run_tool(LAZYGUMBEL_KV_CACHE_TOOL, arguments, "LAZYGUMBEL_DATA=none ");
  }

  /// One line on stderr that says so, nothing on stdout, no file written.
  void expect_refused(const std::string& arguments, const std::string& message, bool usage) const {
    expect_refusal(run(arguments), arguments, message, usage, {"kv_cache.csv"});
  }

  /// By "problem cache" the lines from the smallest size to the largest.
  std::map<std::string, std::vector<Numbers>> numbers(const fs::path& path) const {
    std::istringstream lines(content_of(folder_ / path));
    const auto split = [](const std::string& line) {
      std::istringstream fields(line);
      std::vector<std::string> all;
      for (std::string field; std::getline(fields, field, ',');) all.push_back(field);
      return all;
    };
    std::string line;
    std::getline(lines, line);
    const auto header = split(line);
    std::map<std::string, std::vector<Numbers>> all;
    while (std::getline(lines, line)) {
      const auto fields = split(line);
      EXPECT_EQ(fields.size(), header.size()) << line;
      Numbers& at = all[fields[0] + ' ' + fields[1]].emplace_back();
      for (std::size_t i = 2; i < fields.size(); ++i) at[header[i]] = std::stod(fields[i]);
    }
    return all;
  }

  /// The numbers of a run, times apart.
  std::string without_times(const fs::path& path) const {
    std::istringstream lines(content_of(folder_ / path));
    std::string all;
    for (std::string line; std::getline(lines, line);) {
      for (int column = 0; column < 2; ++column) line.resize(line.rfind(','));
      all += line + '\n';
    }
    return all;
  }
};

TEST_F(KvCacheTool, EveryStreamShowsWhoFails) {
  const std::string arguments = "--n 8192 --d 32 --most-queries 32";
  const Result result = run(arguments);
  ASSERT_EQ(result.code, 0) << result.out << result.err;
  for (const char* part :
       {"clustered: ", "flat: ", "needles: ", "unclusterable: ",
        "8192 made-up tokens of 32 numbers", "SubGen, plain", "SubGen, self-normalised",
        "SubGen, stratified", "SubGen, centred", "uniform sample", "window, unmasked",
        "lower bound", "(from the keys)", "error against memory: "})
    EXPECT_TRUE(contains(result.out, part)) << part << '\n' << result.out;

  auto all = numbers("kv_cache.csv");
  ASSERT_EQ(all.size(), 4 * (1 + caches));
  for (const auto& [name, lines] : all) {
    const bool exact = name.ends_with(" exact"), window = contains(name, " window");
    ASSERT_EQ(lines.size(), exact ? 1U : sizes) << name;
    for (const Numbers& line : lines) {
      EXPECT_GT(line.at("bytes"), 0.0) << name;
      EXPECT_GT(line.at("append_us"), 0.0) << name;
      EXPECT_GT(line.at("attend_us"), 0.0) << name;
      EXPECT_GE(line.at("high_error"), line.at("median_error")) << name;
      // Of n d bits, and of W d for windows; n / 200 .. n / 5 of the tokens.
      const double tokens = window ? std::floor(8192 * line.at("budget")) : 8192.0;
      EXPECT_NEAR(line.at("lower_bound_bytes"), tokens * 32 / 8.0, 32.0) << name;
      if (window) {
        EXPECT_LE(line.at("error_of_own_model"), 1e-5) << name;
        EXPECT_TRUE(std::isnan(line.at("reported_error")));
        EXPECT_TRUE(std::isnan(line.at("within_reported")));
      }
      if (exact) {
        EXPECT_LE(line.at("high_error"), 1e-5) << name;
        EXPECT_EQ(line.at("reported_error"), 0.0) << name;
        EXPECT_NEAR(line.at("of_exact"), 1.0, 1e-3);
      }
      // The smallest ones hold the least that options allow, and some words of their own.
      if (line.at("budget") >= 0.05 && !exact) {
        EXPECT_NEAR(line.at("of_exact") / line.at("budget"), 1.0, 0.6) << name;
      }
    }
    if (!exact) {
      EXPECT_LT(lines.front().at("bytes"), lines.back().at("bytes")) << name;
    }
  }
  const auto error = [&](const std::string& name) {
    return all.at(name).back().at("median_error");
  };
  // Of those that hold a fifth: windows miss what came before; strata find the small clusters.
  EXPECT_GT(error("clustered window"), 0.5);
  EXPECT_GT(error("clustered window_unmasked"), 0.5);
  EXPECT_LT(error("clustered sub_gen_stratified"), error("clustered uniform"));
  EXPECT_LT(error("clustered sub_gen_stratified"), 0.2);
  EXPECT_LT(error("clustered sub_gen"), 0.5 * error("clustered sub_gen_stratified"));
  // Nobody samples a sum that cancels; the mean of all values is most of it.
  for (const char* cache :
       {"sub_gen_plain", "sub_gen_self_normalised", "sub_gen_stratified", "uniform", "window"})
    EXPECT_GT(error("flat " + std::string(cache)), 0.8) << cache;
  EXPECT_LT(error("flat window_unmasked"), 0.4);
  EXPECT_LT(error("flat sub_gen"), 0.5 * error("flat sub_gen_stratified"));
  // A lone key is a cluster, and its value known, with strata alone.
  EXPECT_LT(error("needles sub_gen_stratified"), 0.05);
  EXPECT_LT(error("needles sub_gen"), 0.05);
  for (const char* cache : {"sub_gen_plain", "sub_gen_self_normalised", "uniform", "window"})
    EXPECT_GT(error("needles " + std::string(cache)), 0.5) << cache;
  // Without clusters, strata are no better than no strata.
  EXPECT_GT(error("unclusterable sub_gen_stratified"), 0.8 * error("unclusterable uniform"));

  const std::string first = without_times("kv_cache.csv");
  run(arguments + " --threads 2");
  EXPECT_EQ(without_times("kv_cache.csv"), first);  // the seed decides
  run(arguments + " --seed 2");
  EXPECT_NE(without_times("kv_cache.csv"), first);
}

TEST_F(KvCacheTool, OwnArrays) {
  write("k.fvecs", rows_of(2000, 24, 1));
  write("v.fvecs", rows_of(2000, 6, 2));
  write("q.fvecs", rows_of(50, 24, 3));
  const Result result =
      run("--keys k.fvecs --values v.fvecs --queries q.fvecs --scale 8 --radius 0.5 "
          "--most-queries 20 --output made");
  ASSERT_EQ(result.code, 0) << result.out << result.err;
  for (const char* part : {"2000 tokens of 24 and 6 numbers from k.fvecs and v.fvecs",
                           "20 of 50 queries", "scores 8 <query, key>", "radius of clusters 0.5\n"})
    EXPECT_TRUE(contains(result.out, part)) << part << '\n' << result.out;
  const auto all = numbers("made/kv_cache.csv");
  EXPECT_EQ(all.size(), 1 + caches);
  EXPECT_NEAR(all.at("arrays exact")[0].at("bytes"), 2000 * (24 + 6) * 4, 1000.0);

  // Keys as queries; the default scale; infinity and 0 are radii.
  for (const char* radius : {"inf", "0"}) {
    const Result itself =
        run("--keys k.fvecs --values v.fvecs --most-queries 10 --radius " + std::string(radius));
    ASSERT_EQ(itself.code, 0) << itself.err;
    EXPECT_TRUE(contains(itself.out, "10 of 2000 queries (the keys)")) << itself.out;
    EXPECT_TRUE(contains(itself.out, "scores 0.2041 <query, key>")) << itself.out;
  }
}

TEST_F(KvCacheTool, ValuesOfZeroAreNoError) {
  write("k.fvecs", rows_of(400, 8, 1));
  write("v.fvecs", Matrix(Matrix::Zero(400, 4)));
  const Result result = run("--keys k.fvecs --values v.fvecs --most-queries 5");
  ASSERT_EQ(result.code, 0) << result.out << result.err;
  for (const auto& [name, lines] : numbers("kv_cache.csv"))
    for (const Numbers& line : lines) {
      EXPECT_EQ(line.at("high_error"), 0.0) << name;
      if (!contains(name, "window")) {
        EXPECT_EQ(line.at("within_reported"), 1.0) << name;
      }
    }
}

TEST_F(KvCacheTool, EqualKeysAreOneCluster) {
  write("k.fvecs", Matrix(Matrix::Constant(400, 8, 0.5F)));
  write("v.fvecs", rows_of(400, 4, 1));
  const Result result = run("--keys k.fvecs --values v.fvecs --most-queries 5");
  ASSERT_EQ(result.code, 0) << result.out << result.err;
  EXPECT_TRUE(contains(result.out, "radius of clusters 0 (from the keys)")) << result.out;
  EXPECT_LT(numbers("kv_cache.csv").at("arrays window_unmasked").back().at("high_error"), 1.0);
}

TEST_F(KvCacheTool, WordsOfAText) {
  std::string vectors, list, text;
  const Matrix rows = rows_of(40, 10, 7);
  for (int word = 0; word < 40; ++word) {
    const std::string name = "w" + std::to_string(word);
    list += name + '\n';
    vectors += name;
    for (Eigen::Index j = 0; j < 10; ++j) vectors += ' ' + std::to_string(3.0F * rows(word, j));
    vectors += '\n';
  }
  // 960 known words, a third with a capital letter, and 40 that are not known.
  for (int i = 0; i < 1000; ++i)
    text += i % 25 == 0 ? std::string("nobody,\n")
                        : (i % 3 == 0 ? "W" : "w") + std::to_string(i * i % 37) + ' ';
  write("text.txt", text);
  write("vectors.txt", vectors);
  write("rows.fvecs", rows);
  write("rows.words", list);
  for (const char* glove : {"vectors.txt", "rows.fvecs"}) {
    const Result result = run("--text text.txt --most-queries 60 --glove " + std::string(glove));
    ASSERT_EQ(result.code, 0) << result.out << result.err;
    for (const char* part :
         {"text: 900 words of text.txt", "10 numbers, of unit length",
          "900 tokens, then 60 queries", "without 80 of 1040 words", "scores 10 <query, key>"})
      EXPECT_TRUE(contains(result.out, part)) << part << '\n' << result.out;
    const auto all = numbers("kv_cache.csv");
    EXPECT_EQ(all.size(), 1 + caches);
    // Few words that are repeated: clusters of equal keys and values, of which samples tell all.
    EXPECT_LT(all.at("text sub_gen_stratified").back().at("high_error"), 1e-3);
  }
}

TEST_F(KvCacheTool, TextWithoutVectorsIsSkipped) {
  write("text.txt", std::string("some words"));
  const Result result = run("--text text.txt --quick --most-queries 4");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "The text is skipped: no vectors of words.")) << result.out;
  EXPECT_EQ(numbers("kv_cache.csv").size(), 4 * (1 + caches));
}

TEST_F(KvCacheTool, BadFilesAreNamed) {
  const std::string both = "--keys k.fvecs --values v.fvecs ";
  write("k.fvecs", rows_of(400, 8, 1));
  write("v.fvecs", rows_of(300, 4, 2));
  write("q.fvecs", rows_of(5, 9, 2));
  expect_refused(both, "v.fvecs: 300 rows, but k.fvecs has 400", false);
  expect_refused("--keys none.npy --values v.fvecs", "none.npy: no such file", false);
  write("v.fvecs", rows_of(400, 4, 2));
  expect_refused(both + "--queries q.fvecs", "q.fvecs: 9 columns, but k.fvecs has 8", false);
  expect_refused(both + "--output k.fvecs", "k.fvecs", false);
  Matrix bad = rows_of(400, 8, 1);
  bad(3, 2) = std::numeric_limits<float>::quiet_NaN();
  write("k.fvecs", bad);
  expect_refused(both, "k.fvecs: row 3, column 2: the value is NaN", false);
  bad(3, 2) = std::numeric_limits<float>::infinity();
  write("k.fvecs", bad);
  expect_refused(both, "k.fvecs: row 3, column 2: the value is infinite", false);
  write("k.fvecs", std::string());
  expect_refused(both, "k.fvecs: is empty", false);
  write("k.fvecs", rows_of(255, 8, 1));
  expect_refused(both, "k.fvecs: 255 tokens; 256 are needed", false);

  write("text.txt", std::string("w0 w1 w0"));
  write("vectors.txt", std::string("w0 1 2\nw1 0 0\n"));
  expect_refused("--text none.txt --glove vectors.txt", "none.txt: no such file", false);
  expect_refused("--text none.txt", "none.txt: no such file", false);
  expect_refused("--text text.txt --glove none.txt", "none.txt: no such file", false);
  expect_refused("--text text.txt --glove vectors.txt", "text.txt: 3 tokens; 256 are needed",
                 false);
  std::string text;
  for (int i = 0; i < 400; ++i) text += "w0 w1 ";
  write("text.txt", text);
  expect_refused("--text text.txt --glove vectors.txt", "vectors.txt: the vectors of", false);
  write("v.fvecs", rows_of(3, 4, 2));
  expect_refused("--text text.txt --glove v.fvecs", "v.words: no such file", false);
  write("v.words", std::string("w0\nw1\n"));
  expect_refused("--text text.txt --glove v.fvecs", "v.words: holds 2 words, but v.fvecs has 3",
                 false);
  write("v.words", std::string("a\nb\nc\nd\n"));
  expect_refused("--text text.txt --glove v.fvecs", "v.words: holds more words than", false);
}

TEST_F(KvCacheTool, BadUsageIsNamed) {
  expect_refused("--keys k.npy", "--values", true);
  expect_refused("--values v.npy", "--keys", true);
  expect_refused("--queries q.npy", "--keys", true);
  expect_refused("--keys k.npy --values v.npy --text t.txt", "goes without arrays", true);
  expect_refused("--glove g.txt", "goes with --text", true);
  expect_refused("--scale 1", "goes with arrays or --text", true);
  expect_refused("--keys k.npy --values v.npy --scale nan", "--scale", true);
  expect_refused("--keys k.npy --values v.npy --n 5000", "goes without files", true);
  expect_refused("--text t.txt --d 5", "goes without files", true);
  expect_refused("--radius -1", "must be at least 0", true);
  expect_refused("--radius nan", "must be at least 0", true);
  expect_refused("--n 1000", "must lie in 1024 .. 16777216", true);
  expect_refused("--n -1", "is not a number of", true);
  expect_refused("--d 1", "must lie in 2 .. 4096", true);
  expect_refused("--most-queries 0", "must lie in 1 ..", true);
  expect_refused("--threads 5000", "at most 1024", true);
  expect_refused("--seed x", "is not a number of", true);
  expect_refused("stray", "stray", true);
  const Result help = run("--help");
  EXPECT_EQ(help.code, 0);
  for (const char* part : {"--radius", "--glove", "clustered  ", "unclusterable  "})
    EXPECT_TRUE(contains(help.out, part)) << part << '\n' << help.out;
}

}  // namespace
