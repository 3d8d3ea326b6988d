// Runs the built tool examples/05_private_release on small files. Its noise comes from the
// operating system: what is compared here holds for every draw, or fails less than once in 10^9.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <lazygumbel/privacy/table/histogram.hpp>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "datasets.hpp"
#include "tables.hpp"
#include "tool_test.hpp"

namespace {

using lazygumbel::Domain;
using lazygumbel::Histogram;
namespace fs = std::filesystem;
using Json = nlohmann::json;

using lazygumbel::testing::contains;
using lazygumbel::testing::content_of;
using Result = lazygumbel::testing::ToolResult;

/// A directory of its own for each test, with a domain of 12 cells and a table of 400 records.
class PrivateRelease : public lazygumbel::testing::ToolTest {
 protected:
  void SetUp() override {
    ToolTest::SetUp();
    write("domain.json",
          R"({"sex": ["F", "M"], "age": {"low": 0, "high": 89, "bins": 3}, "y": 2})");
    std::string csv = "y,age,sex\n";
    for (int i = 0; i < 400; ++i)
      csv += std::to_string(i % 3 == 0) + "," + std::to_string(i % 60) + (i % 4 ? ",F\n" : ",M\n");
    write("data.csv", csv);
  }
  /// Runs the tool in the folder. `arguments` are for the shell.
  Result run(const std::string& arguments) const {
    return run_tool(LAZYGUMBEL_RELEASE_TOOL, arguments);
  }

  static std::string files() { return "--data data.csv --domain domain.json "; }
  static std::string replace_one() { return files() + "--neighbours replace-one "; }

  Json report() const { return Json::parse(content_of(folder_ / "report.json")); }

  Domain domain() const { return lazygumbel_tables::read_domain(folder_ / "domain.json"); }
  Histogram made() const {
    return Histogram::of_records(
        domain(), lazygumbel_tables::read_table(folder_ / "synthetic.csv", domain()));
  }

  /// What every successful run has to show.
  void expect_good(const Result& result) const {
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.err, "");
    const Json json = report();
    const Json& privacy = json.at("privacy");
    EXPECT_GT(privacy.at("spent").get<double>(), 0.0);
    EXPECT_LE(privacy.at("spent").get<double>(), privacy.at("total").get<double>());
    double sum = 0.0;
    for (const Json& expense : privacy.at("expenses"))
      sum += expense.at("cost").get<double>() * expense.at("count").get<double>();
    EXPECT_NEAR(sum, privacy.at("spent").get<double>(), 1e-9 * sum);
    EXPECT_EQ(json.at("domain").at("cells"), 12);
    EXPECT_EQ(json.at("domain").at("attributes").size(), 3U);
    EXPECT_EQ(made().total(), json.at("output").at("records").get<std::int64_t>());
    EXPECT_GT(json.at("accuracy").at("noise_deviation").get<double>(), 0.0);
    EXPECT_FALSE(json.contains("not_private"));
    EXPECT_FALSE(contains(json.dump(), "milliseconds"));
    expect_weights(json);
    if (json.at("method").at("used") == "identity") {
      EXPECT_TRUE(json.at("mwem").is_null());
    } else {
      EXPECT_GE(json.at("mwem").at("rounds"), 1);
      EXPECT_TRUE(contains(json.at("mwem").at("guarantee"), "certified"));
      const double rounds = json.at("mwem").at("rounds").get<double>();
      const double delta = privacy.at("floating_point_delta").get<double>() / 0x1p-53;
      if (json.at("workload").at("kind") == "marginals") {
        EXPECT_GE(delta, rounds);  // groups times rounds
      } else {
        EXPECT_EQ(delta, rounds * json.at("workload").at("queries").get<double>());
      }
      EXPECT_TRUE(contains(result.out, "floating point adds a delta of ")) << result.out;
      EXPECT_LE(json.at("accuracy").at("mean_residual").get<double>(),
                json.at("accuracy").at("largest_residual").get<double>() * (1.0 + 1e-9));
    }
  }

  /// Every cell's weight, beside the report: their sum is the released total.
  void expect_weights(const Json& json) const {
    const auto lines = lines_of(json.at("output").at("weights_file").get<std::string>());
    ASSERT_GE(lines.size(), 2U);
    EXPECT_EQ(lines[0].substr(lines[0].rfind(',') + 1), "\"weight\"");
    double sum = 0.0;
    for (std::size_t i = 1; i < lines.size(); ++i)
      sum += std::stod(lines[i].substr(lines[i].rfind(',') + 2));
    const double total = json.at("output").at("released_total").get<double>();
    EXPECT_NEAR(sum, total, 1e-9 * total);
  }
  std::vector<std::string> lines_of(const std::string& name) const {
    std::istringstream content(content_of(folder_ / name));
    std::vector<std::string> lines;
    for (std::string line; std::getline(content, line);) lines.push_back(line);
    return lines;
  }

  /// One line on stderr that says so, exit code 1, and nothing written.
  void expect_refused(const std::string& arguments, const std::string& message) const {
    const Result result = run(arguments);
    EXPECT_EQ(result.code, 1) << arguments;
    expect_message(result, arguments, message);
  }
  /// The same with an exit code of CLI11's own.
  void expect_usage(const std::string& arguments, const std::string& message) const {
    const Result result = run(arguments);
    EXPECT_GE(result.code, 100) << arguments;
    expect_message(result, arguments, message);
  }
  void expect_message(const Result& result, const std::string& arguments,
                      const std::string& message) const {
    EXPECT_TRUE(contains(result.err, message)) << arguments << '\n' << result.err;
    EXPECT_EQ(result.err.find("error: "), 0U) << result.err;
    EXPECT_EQ(result.err.find('\n') + 1, result.err.size()) << result.err;
    EXPECT_FALSE(contains(result.err, "had begun")) << result.err;
    EXPECT_FALSE(fs::exists(folder_ / "synthetic.csv")) << arguments;
    EXPECT_FALSE(fs::exists(folder_ / "report.json")) << arguments;
  }
};

// What works.

TEST_F(PrivateRelease, EmbeddedTable) {
  const Result result = run("");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "512 / ")) << result.out;
  EXPECT_TRUE(contains(result.out, "epsilon = 1, delta = 0; replace-one")) << result.out;
  const auto table = lazygumbel_tables::berkeley_admissions();
  const auto records = lazygumbel_tables::read_table(folder_ / "synthetic.csv", table.domain);
  EXPECT_EQ(Histogram::of_records(table.domain, records).total(), 4526);
  EXPECT_EQ(report().at("output").at("records"), 4526);
  EXPECT_EQ(report().at("method").at("asked"), "auto");
  EXPECT_FALSE(report().at("method").at("hint").is_null());
  EXPECT_TRUE(contains(content_of(folder_ / "synthetic.dat"), "\"Men, Admitted, by department\""));
}

TEST_F(PrivateRelease, Marginals) {
  const Result result = run(replace_one() + "--epsilon 2 --method mwem --k 2 --rounds 5");
  expect_good(result);
  EXPECT_EQ(made().total(), 400);
  EXPECT_TRUE(contains(result.out, "all 2-way marginals: 3 tables, 16 queries")) << result.out;
  const Json json = report();
  EXPECT_EQ(json.at("workload").at("kind"), "marginals");
  EXPECT_EQ(json.at("workload").at("queries"), 16);
  EXPECT_EQ(json.at("mwem").at("rounds"), 5);
  EXPECT_EQ(json.at("mwem").at("selection"), "full scan of groups");
  std::size_t times = 0;
  for (const Json& table : json.at("mwem").at("measured"))
    times += table.at("times").get<std::size_t>();
  EXPECT_EQ(times, 5U);
  EXPECT_EQ(json.at("privacy").at("accountant"), "pure");
  EXPECT_EQ(json.at("privacy").at("epsilon"), 2.0);
  EXPECT_TRUE(json.at("privacy").at("delta").is_null());
  EXPECT_TRUE(json.at("privacy").at("rho").is_null());
}

TEST_F(PrivateRelease, AttributesThatWereNeverMeasuredAreNamed) {
  const Result result = run(replace_one() + "--epsilon 1 --method mwem --k 1 --rounds 1");
  expect_good(result);
  EXPECT_EQ(report().at("mwem").at("measured").size(), 1U);
  EXPECT_EQ(report().at("mwem").at("attributes_never_measured").size(), 2U);
  EXPECT_TRUE(contains(result.out, "uniform, in none of them: ")) << result.out;
}

TEST_F(PrivateRelease, BoxesInAllModesUnderBothAccountants) {
  const std::vector<std::pair<std::string, std::string>> modes{
      {"full-scan", "full scan"},
      {"lazy-certified", "lazy, certified"},
      {"lazy-clipped", "lazy, clipped"}};
  for (const auto& [mode, name] : modes)
    for (const std::string delta : {"", "--delta 1e-6 "}) {
      expect_good(run(replace_one() + "--workload boxes --boxes 50 --seed 7 --epsilon 1 " + delta +
                      "--method mwem --selection " + mode));
      EXPECT_EQ(made().total(), 400);
      const Json json = report();
      EXPECT_EQ(json.at("mwem").at("selection"), name);
      EXPECT_EQ(json.at("workload").at("queries"), 50);
      EXPECT_EQ(json.at("workload").at("public_seed"), 7);
      if (!delta.empty()) {
        EXPECT_EQ(json.at("privacy").at("accountant"), "zcdp");
        EXPECT_EQ(json.at("privacy").at("delta"), 1e-6);
        EXPECT_EQ(json.at("privacy").at("rho"), json.at("privacy").at("total"));
        EXPECT_LT(json.at("privacy").at("rho").get<double>(), 0.5);
      }
    }
}

TEST_F(PrivateRelease, QueriesFromCsvAndNpy) {
  write("q.csv", "1,1,1,1,1,1,0,0,0,0,0,0\r\n0, 0.5,0,1,0,1,0,1,0,1,0,-1\n\n");
  expect_good(run(replace_one() + "--workload queries --queries q.csv --epsilon 1 --method mwem"));
  EXPECT_EQ(report().at("workload").at("queries"), 2);
  EXPECT_EQ(report().at("workload").at("range"), Json({-1.0, 1.0}));
  std::string npy("\x93NUMPY\x01\x00\x76\x00", 10);
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 12), }";
  header.resize(0x75, ' ');
  npy += header + '\n';
  for (int x = 0; x < 12; ++x) npy += std::string("\x00\x00\x80\x3f", 4);  // 1.0F
  npy[10 + 0x76 + 2] = npy[10 + 0x76 + 3] = '\0';                          // but one 0
  write("q.npy", npy);
  expect_good(run(replace_one() + "--workload queries --queries q.npy --epsilon 1 --method mwem"));
  EXPECT_EQ(report().at("workload").at("queries"), 1);
  EXPECT_EQ(report().at("workload").at("range"), Json({0.0, 1.0}));
}

TEST_F(PrivateRelease, AddRemoveKeepsTheNumberOfRecords) {
  const std::string add_remove = files() + "--neighbours add-remove --epsilon 4 ";
  for (const std::string method :
       {"--method mwem", "--method identity", "--expected-records 300",
        "--method mwem --delta 1e-6", "--method mwem --workload boxes --boxes 20"}) {
    const Result result = run(add_remove + method);
    expect_good(result);
    const Json json = report();
    EXPECT_EQ(json.at("privacy").at("neighbours"), "add-remove");
    // Noise of scale 5 or less on 400, or 12 of scale 1/4 together.
    EXPECT_NEAR(json.at("output").at("released_total").get<double>(), 400.0, 200.0);
    if (json.at("method").at("used") == "mwem") {
      EXPECT_EQ(json.at("privacy").at("expenses").at(0).at("mechanism"), "number of records");
    }
  }
}

// The number of records leaves the program with noise only: over many runs the exact one is rare.
TEST_F(PrivateRelease, AddRemoveNeverTellsTheNumberOfRecords) {
  int exact = 0;
  for (int i = 0; i < 20; ++i) {
    const Result result =
        run(files() + "--neighbours add-remove --epsilon 0.02 --method mwem --rounds 1");
    expect_good(result);
    if (contains(result.out, "(400 records)") || report().at("output").at("released_total") == 400)
      ++exact;
  }
  EXPECT_LT(exact, 10);  // noise of scale 1,000: expected below one
}

TEST_F(PrivateRelease, Identity) {
  expect_good(run(replace_one() + "--epsilon 1e6 --method identity"));
  const auto records = lazygumbel_tables::read_table(folder_ / "data.csv", domain());
  const Histogram truth = Histogram::of_records(domain(), records);
  for (std::size_t x = 0; x < truth.counts().size(); ++x)  // noise is 0, as good as always
    EXPECT_NEAR(static_cast<double>(made().counts()[x]), static_cast<double>(truth.counts()[x]),
                1.0);
  EXPECT_EQ(report().at("method").at("used"), "identity");
  EXPECT_EQ(report().at("method").at("asked"), "identity");
}

TEST_F(PrivateRelease, FilesGoWhereTheyAreAskedFor) {
  fs::create_directory(folder_ / "out");
  const Result result = run(replace_one() +
                            "--epsilon 1 --keep y,sex --output out/made.csv --records 7 "
                            "--plot 'out/a b.png' --quiet");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  const Domain kept = lazygumbel_tables::read_domain(folder_ / "domain.json", {"y", "sex"});
  EXPECT_EQ(lazygumbel_tables::read_table(folder_ / "out/made.csv", kept).size(), 14U);
  EXPECT_EQ(Json::parse(content_of(folder_ / "out/report.json")).at("domain").at("cells"), 4);
  EXPECT_TRUE(contains(content_of(folder_ / "out/a b.dat"), "NaN"));  // no true counts
  EXPECT_FALSE(fs::exists(folder_ / "synthetic.csv"));
}

TEST_F(PrivateRelease, TrueErrorsOnlyOnRequestAndWithAWarning) {
  const Result result = run(replace_one() + "--epsilon 1 --not-private-diagnostics --quiet");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "NOT PRIVATE")) << result.out;
  const Json wrong = report().at("not_private");
  EXPECT_TRUE(contains(wrong.at("warning"), "NOT PRIVATE"));
  EXPECT_LE(wrong.at("mean_error_counts").get<double>(),
            wrong.at("largest_error_counts").get<double>() * (1.0 + 1e-9));
  EXPECT_NEAR(wrong.at("largest_error_share").get<double>() * 400.0,
              wrong.at("largest_error_counts").get<double>(), 1e-9);
}

TEST_F(PrivateRelease, TimingsAreWrittenOnlyWhenAskedFor) {
  Result result = run(replace_one() + "--epsilon 1 --method mwem --rounds 3");
  expect_good(result);
  for (const auto& entry : fs::directory_iterator(folder_))
    EXPECT_FALSE(contains(content_of(entry.path()), "milliseconds")) << entry.path();
  result = run(replace_one() + "--epsilon 1 --method mwem --rounds 3 --timings t.json");
  expect_good(result);
  const Json timings = Json::parse(content_of(folder_ / "t.json"));
  EXPECT_TRUE(contains(timings.at("warning"), "NOT PRIVATE"));
  EXPECT_GT(timings.at("total_milliseconds"), 0.0);
  EXPECT_GT(timings.at("median_milliseconds_per_step"), 0.0);
  EXPECT_TRUE(contains(run("--help").out, "NOT PRIVATE: how long the rounds took"));
}

// A total that is mostly noise may stand for more records than any disk holds.
TEST_F(PrivateRelease, TheNumberOfRecordsIsCapped) {
  Result result;
  do {  // half of all totals are 1, the others far above 10^7: noise of scale 2 10^10
    result =
        run(files() + "--neighbours add-remove --epsilon 1e-9 --method mwem --rounds 1 --keep y");
    ASSERT_EQ(result.code, 0) << result.err;
  } while (report().at("output").at("released_total").get<double>() <= 1e7);
  const Json output = report().at("output");
  EXPECT_EQ(output.at("records"), 10'000'000);
  EXPECT_EQ(output.at("records_capped"), true);
  EXPECT_TRUE(contains(result.out, "WARNING    10000000 records stand for a released total of "))
      << result.out;
  expect_weights(report());
}

// Under add-remove a table without records is a neighbour of one with a record.
TEST_F(PrivateRelease, AddRemoveReleasesAnEmptyTable) {
  write("data.csv", "y,age,sex\n");
  expect_good(run(files() + "--neighbours add-remove --epsilon 1 --method mwem"));
  expect_good(run(files() + "--neighbours add-remove --epsilon 1 --method identity"));
}

TEST_F(PrivateRelease, ALargeDeltaIsWarnedOfWhereTheNumberOfRecordsIsPublic) {
  const std::string warning = "is not small against 1 / n = 0.0025";
  EXPECT_TRUE(contains(run(replace_one() + "--epsilon 1 --delta 0.00025").out, warning));
  EXPECT_FALSE(contains(run(replace_one() + "--epsilon 1 --delta 0.00024").out, warning));
  const std::string add_remove = files() + "--neighbours add-remove --epsilon 1 ";
  EXPECT_FALSE(contains(run(add_remove + "--delta 0.5 --method mwem").out, "WARNING"));
  for (const std::string method : {"", "--method mwem ", "--method identity "}) {
    const std::string guess = add_remove + method + "--expected-records 400 --delta ";
    EXPECT_TRUE(contains(run(guess + "0.00025").out, warning)) << method;
    EXPECT_FALSE(contains(run(guess + "0.00024").out, warning)) << method;
  }
}

// What is refused.

TEST_F(PrivateRelease, UnstatedPrivacyIsRefused) {
  expect_usage(files() + "--epsilon 1", "--neighbours");
  expect_usage(replace_one(), "--epsilon");
  expect_usage("--data data.csv --neighbours replace-one --epsilon 1", "--domain");
  expect_usage(files() + "--neighbours bounded --epsilon 1", "bounded");
  expect_usage(files() + "--neighbours add-remove --epsilon 1", "--expected-records");
  expect_usage(replace_one() + "--epsilon 1 --expected-records 5", "--expected-records");
  expect_usage(files() + "--neighbours add-remove --epsilon 1 --expected-records nan",
               "--expected-records");
}

TEST_F(PrivateRelease, BadBudgetsAreRefused) {
  for (const std::string epsilon : {"0", "nan", "-1", "inf", "-nan", "0.0"})
    expect_refused(replace_one() + "--epsilon " + epsilon, "epsilon = ");
  for (const std::string delta : {"0", "1", "nan", "-1", "2"})
    expect_refused(replace_one() + "--epsilon 1 --delta " + delta, "delta = ");
  expect_usage(replace_one() + "--epsilon one", "epsilon");
  // Accepted as a budget, but the noise would leave its range: nothing is released.
  expect_refused(replace_one() + "--epsilon 1e-30", "");
}

// What is refused before any noise was drawn has cost nothing, and expect_refused looks for that.
TEST_F(PrivateRelease, NothingIsSpentBeforeNoiseIsDrawn) {
  const std::string mwem = replace_one() + "--method mwem ";
  expect_refused(mwem + "--epsilon 1 --rounds 100001", "rounds = 100001");
  expect_refused(mwem + "--epsilon 1e-15 --rounds 100", "epsilon = ");
  expect_refused(replace_one() + "--epsilon 1e-16 --method identity", "epsilon = ");
  write("q.csv", "0,0,0,0,0,0,0,0,0,0,0,0\n");
  expect_refused(mwem + "--epsilon 1 --workload queries --queries q.csv", "sensitivity");
}

TEST_F(PrivateRelease, OptionsThatDoNotGoTogetherAreRefused) {
  const std::string ok = replace_one() + "--epsilon 1 ";
  expect_usage(ok + "--method identity --rounds 5", "--rounds");
  expect_usage(ok + "--method identity --selection full-scan", "--selection");
  expect_usage(ok + "--selection lazy-certified", "--selection");
  expect_usage(ok + "--boxes 10", "--boxes");
  expect_usage(ok + "--seed 10", "--seed");
  expect_usage(ok + "--workload boxes --k 2", "--k");
  expect_usage(ok + "--workload queries", "--queries");
  expect_usage(ok + "--queries q.csv", "--queries");
  for (const std::string count : {"-1", "1.5", "1e3", "18446744073709551616", "''", "x"})
    for (const std::string option : {"--rounds ", "--records "})
      expect_usage(ok + option + count, option.substr(0, option.size() - 1));
  expect_usage(ok + "--k 0", "--k");
  expect_usage(ok + "--workload 1", "--workload");
  expect_usage("--keep y", "--keep");
  expect_usage("--domain domain.json", "--domain");
  expect_refused(ok + "--k 4", "ways = 4: must lie in 1 .. 3");
  expect_refused(ok + "--workload boxes --boxes 0", "count = 0");
  expect_refused(ok + "--method mwem --rounds 100001", "rounds = 100001");
}

TEST_F(PrivateRelease, BadDataAreRefused) {
  const std::string ok = replace_one() + "--epsilon 1 ";
  expect_refused("--data no.csv --domain domain.json --neighbours replace-one --epsilon 1",
                 "no.csv: no such file");
  write("auto.json", R"({"sex": "auto", "y": 2})");
  expect_refused("--data data.csv --domain auto.json --neighbours replace-one --epsilon 1",
                 "must be public");
  expect_refused(ok + "--keep sex,z", "has no attribute \"z\"");
  write("data.csv", "y,age,sex\n0,1,F\n0,1\n");
  expect_refused(ok, "row 1 (line 3) has 2 fields, the header 3");
  write("data.csv", "y,age,sex\n0,1,X\n");
  expect_refused(ok, "'X' is not one of 2 categories");
  write("data.csv", "y,age,sex\n");
  expect_refused(ok, "holds no records");
  write("data.csv", "");
  expect_refused(ok, "is empty");
}

TEST_F(PrivateRelease, BadQueriesAreRefused) {
  const std::string ok = replace_one() + "--epsilon 1 --workload queries --queries q.csv";
  const std::string row = "1,1,1,1,1,1,0,0,0,0,0,0\n";
  expect_refused(ok, "q.csv: no such file");
  write("q.csv", row + "1,0\n");
  expect_refused(ok, "line 2 has 2 numbers, but the domain has 12 cells");
  write("q.csv", row + "1,1,1,1,1,1,0,0,0,0,0,nan\n");
  expect_refused(ok, "line 2, column 11: 'nan' is not a finite number");
  write("q.csv", row + "1,1,1,1,1,1,0,0,0,0,0,1e39\n");
  expect_refused(ok, "line 2, column 11: '1e39' is not a finite number");
  write("q.csv", row + "1,1,1,1,1,1,0,0,0,0,0,\n");
  expect_refused(ok, "line 2, column 11: '' is not a finite number");
  write("q.csv", row + "\n" + row);
  expect_refused(ok, "line 2 is blank");
  write("q.csv", "\n");
  expect_refused(ok, "holds no queries");
  write("q.csv", "0,0,0,0,0,0,0,0,0,0,0,0\n");  // sensitivity 0: nothing to protect or to learn
  expect_refused(ok + " --method mwem", "sensitivity");
  write("q.npy", "not npy");
  expect_refused(replace_one() + "--epsilon 1 --workload queries --queries q.npy", "not a .npy");
}

TEST_F(PrivateRelease, FilesThatCannotBeWrittenAreFoundOutBeforeTheBudgetIsSpent) {
  const std::string ok = replace_one() + "--epsilon 1 ";
  const std::string data = content_of(folder_ / "data.csv");
  expect_refused(ok + "--output no/synthetic.csv --report r.json", "cannot be opened for writing");
  expect_refused(ok + "--output data.csv --report r.json", "is an input");
  expect_refused(ok + "--output ./x/../data.csv --report r.json", "is an input");
  expect_refused(ok + "--report domain.json", "is an input");
  expect_refused(ok + "--weights data.csv", "is an input");
  expect_refused(ok + "--timings data.csv", "is an input");
  expect_refused(ok + "--output a.csv --report a.csv", "would be written twice");
  expect_refused(ok + "--output a.csv --report b.json --plot data.csv", "is an input");
  EXPECT_EQ(content_of(folder_ / "data.csv"), data);
  EXPECT_FALSE(fs::exists(folder_ / "a.csv"));
  EXPECT_FALSE(fs::exists(folder_ / "r.json"));
}

// Found out too late to take the release back: the message says so.
TEST_F(PrivateRelease, AFullDiskIsReported) {
  if (!fs::is_character_file("/dev/full")) GTEST_SKIP() << "no /dev/full";
  const std::string ok = replace_one() + "--epsilon 1 --weights w.csv ";
  for (const std::string file : {"--output /dev/full --report r.json", "--report /dev/full"}) {
    const Result result = run(ok + file);
    EXPECT_EQ(result.code, 1);
    EXPECT_TRUE(contains(result.err, "/dev/full: cannot be written")) << result.err;
    EXPECT_TRUE(contains(result.err, "count its budget as spent; what it released is in w.csv"))
        << result.err;
    EXPECT_GE(lines_of("w.csv").size(), 2U);
    fs::remove(folder_ / "w.csv");
  }
  // Records that cannot be written: the report is there, too, and says that there are none.
  run(ok + "--output /dev/full --report r.json");
  const Json json = Json::parse(content_of(folder_ / "r.json"));
  EXPECT_EQ(json.at("output").at("records"), 0);
  expect_weights(json);
}

TEST_F(PrivateRelease, RecordsThatNoMemoryHoldsLeaveTheWeights) {
  const Result result = run(replace_one() + "--epsilon 1 --records 2000000000000000");
  EXPECT_EQ(result.code, 1);
  EXPECT_TRUE(contains(result.err, "--records sets their number")) << result.err;
  EXPECT_TRUE(contains(result.err, "what it released is in weights.csv")) << result.err;
  expect_weights(report());
}

TEST_F(PrivateRelease, AllThreeWayMarginalsOfEightAdultAttributes) {
  const fs::path hint = LAZYGUMBEL_SHARED_DATA_HINT;
  const auto csv = lazygumbel_datasets::find_shared_data("adult.csv", hint);
  if (!csv) GTEST_SKIP() << "adult.csv not found";
  write("domain.json", R"({"age": {"low": 0, "high": 84, "bins": 5}, "workclass": 9,
    "marital-status": 7, "relationship": 6, "race": 5, "sex": 2,
    "hours-per-week": {"low": 0, "high": 98, "bins": 3}, "income>50K": 2})");
  const Result result = run("--data '" + fs::absolute(*csv).string() +
                            "' --domain domain.json --neighbours replace-one --epsilon 1 "
                            "--method mwem --rounds 10 --not-private-diagnostics");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "= 113400 cells")) << result.out;
  EXPECT_TRUE(contains(result.out, "56 tables, 5870 queries")) << result.out;
  EXPECT_EQ(made().total(), 48842);
  EXPECT_LT(report().at("not_private").at("largest_error_share"), 0.1);  // usually .01
}

}  // namespace
