#include "tables.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <lazygumbel/privacy/table/histogram.hpp>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>

#include "datasets.hpp"
#include "message_of.hpp"

namespace lazygumbel_tables {
namespace {

using lazygumbel::Attribute;
using lazygumbel::Domain;
using lazygumbel::Histogram;
using lazygumbel::testing::message_of;
using std::string_literals::operator""s;
using Codes = std::vector<std::uint32_t>;

/// A directory of its own for each test.
class Tables : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "lazygumbel-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path write(const std::string& name, const std::string& content) const {
    const auto path = directory_ / name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  Codes read(const std::string& csv) const { return read_table(write("t.csv", csv), domain_); }
  Domain domain_of(const std::string& json) const { return read_domain(write("d.json", json)); }

  /// The message without the path of the file.
  std::string table_error(const std::string& csv) const {
    return without_path("t.csv", message_of<std::runtime_error>([&] { read(csv); }));
  }
  std::string domain_error(const std::string& json) const {
    return without_path("d.json", message_of<std::runtime_error>([&] { domain_of(json); }));
  }
  std::string without_path(const std::string& name, const std::string& message) const {
    const std::string start = (directory_ / name).string() + ": ";
    EXPECT_EQ(message.substr(0, start.size()), start) << message;
    return message.substr(std::min(start.size(), message.size()));
  }

  std::filesystem::path directory_;
  const Domain domain_{
      {Attribute::integers("age", 17, 90, 10),
       Attribute::categories("sex", {"Female", "Male, or \"M\"", "", " two\nlines"})}};
};

// Domains.

TEST_F(Tables, DomainFormsAndOrder) {
  const Domain domain = domain_of(R"({"z": {"low": 17, "high": 90, "bins": 10},
    "hours": {"high": 99, "low": -1}, "a": ["Female", "Male"], "caf\u00e9": 9})");
  EXPECT_EQ(domain,
            Domain({Attribute::integers("z", 17, 90, 10), Attribute::integers("hours", -1, 99),
                    Attribute::categories("a", {"Female", "Male"}),
                    Attribute::integers("caf\xc3\xa9", 0, 8)}));
}

TEST_F(Tables, DomainOfSomeAttributesOfALargeFile) {
  const std::string json = R"({"a": 100000, "b": 100000, "c": 3, "d": ["x"]})";
  const auto kept = [&](const std::vector<std::string>& names) {
    return read_domain(write("d.json", json), names);
  };
  EXPECT_EQ(kept({"d", "a"}),
            Domain({Attribute::categories("d", {"x"}), Attribute::integers("a", 0, 99999)}));
  EXPECT_NE(domain_error(json).find("must be at most 2^31 - 1"), std::string::npos);
  const std::string path = (directory_ / "d.json").string();
  EXPECT_EQ(message_of<std::runtime_error>([&] {
              kept({"c", "e"});
            }),
            path + ": has no attribute \"e\"");
  EXPECT_EQ(message_of<std::runtime_error>([&] {
              kept({"c", "c"});
            }),
            path + ": lazygumbel: attribute name = c: must occur once");
}

TEST_F(Tables, DomainFromTheDataIsRefusedWithTheReason) {
  const std::string reason =
      " would leave it to the data, but the domain must be public: a value that is listed because "
      "somebody has it gives that person away. Write the values out";
  EXPECT_EQ(domain_error(R"({"age": "auto"})"), "attribute \"age\": \"auto\"" + reason);
  EXPECT_EQ(domain_error(R"({"age": null})"), "attribute \"age\": null" + reason);
  EXPECT_EQ(domain_error(R"({"age": "*"})"), "attribute \"age\": \"*\"" + reason);
  EXPECT_EQ(domain_error(R"({"age": ["*"]})"), "attribute \"age\": category \"*\"" + reason);
  EXPECT_EQ(domain_error(R"({"age": ["a", null]})"), "attribute \"age\": category null" + reason);
  EXPECT_EQ(domain_error(R"({"age": {"low": "min", "high": 3}})"),
            "attribute \"age\": low \"min\"" + reason);
  EXPECT_EQ(domain_error(R"({"age": {"low": 0, "high": null}})"),
            "attribute \"age\": high null" + reason);
  EXPECT_EQ(domain_error(R"({"age": {"low": 0, "high": 9, "bins": "auto"}})"),
            "attribute \"age\": bins \"auto\"" + reason);
}

TEST_F(Tables, DomainErrors) {
  const std::string a = "attribute \"a\": ";
  EXPECT_EQ(domain_error(""), "is empty");
  EXPECT_NE(domain_error("{\"a\": 3").find("is not JSON: "), std::string::npos);
  EXPECT_NE(domain_error("{\"a\": 3} x").find("is not JSON: "), std::string::npos);
  EXPECT_NE(domain_error("{\"\xff\": 3}").find("is not JSON: "), std::string::npos);
  EXPECT_NE(domain_error("{\"a\": 1e999}").find("is not JSON: "), std::string::npos);
  EXPECT_EQ(domain_error("[3]"), "must hold one JSON object, of attributes");
  EXPECT_EQ(domain_error("{}"), "lazygumbel: attributes.size() = 0: must be at least 1");
  EXPECT_EQ(domain_error(R"({"a": 3, "a": 4})"), "the member \"a\" is given twice");
  EXPECT_EQ(domain_error(R"({"a": {"low": 3, "low": 4, "high": 5}})"),
            "the member \"low\" is given twice");
  EXPECT_EQ(domain_error(R"({"a": 0})"), a + "the number of codes is 0, must be at least 1");
  EXPECT_EQ(domain_error(R"({"a": -3})"), a + "the number of codes is -3, must be at least 1");
  EXPECT_EQ(domain_error(R"({"a": 18446744073709551615})"),
            a + "number of codes = 18446744073709551615 is out of range");
  EXPECT_EQ(domain_error(R"({"a": 3000000000})"),
            "lazygumbel: attribute \"a\" size = 3000000000: must be at most 2^31 - 1");
  EXPECT_EQ(domain_error(R"({"a": 65536, "b": 65536})"),
            "lazygumbel: domain cells of the attributes from \"a\" = 4294967296: must be at most "
            "2^31 - 1");
  const std::string form =
      "must be a number of codes, a list of categories, or {\"low\", \"high\", "
      "\"bins\"}";
  EXPECT_EQ(domain_error(R"({"a": 3.5})"), a + form);
  EXPECT_EQ(domain_error(R"({"a": true})"), a + form);
  EXPECT_EQ(domain_error(R"({"a": []})"),
            "lazygumbel: attribute \"a\" size = 0: must be at least 1");
  EXPECT_EQ(domain_error(R"({"a": ["x", 3]})"), a + "category 3 is no string");
  EXPECT_EQ(domain_error(R"({"a": ["x", "y", "x"]})"),
            "lazygumbel: attribute \"a\" label = x: must occur once");
  EXPECT_EQ(domain_error(R"({"a": {"low": 3}})"), a + "needs both low and high");
  EXPECT_EQ(domain_error(R"({"a": {"low": 3, "high": 9, "bin": 2}})"),
            a + "\"bin\" is none of low, high and bins");
  EXPECT_EQ(domain_error(R"({"a": {"low": 3, "high": 9, "bins": 0}})"),
            a + "bins = 0 must be at least 1");
  EXPECT_EQ(domain_error(R"({"a": {"low": 3, "high": 9.5}})"), a + "high = 9.5 is no integer");
  EXPECT_EQ(domain_error(R"({"a": {"low": 3, "high": 2}})"),
            "lazygumbel: attribute \"a\" high = 2: must be at least low");
  EXPECT_EQ(domain_error(R"({"a": {"low": 3, "high": 9, "bins": 8}})"),
            "lazygumbel: attribute \"a\" bins = 8: must be at most the number of integers 7");
  const std::string nested = "holds lists or objects within the list or range of an attribute";
  EXPECT_EQ(domain_error(R"({"a": [["x"]]})"), nested);
  EXPECT_EQ(domain_error(R"({"a": {"low": {}, "high": 3}})"), nested);
  for (const char* const open : {"[", "{\"a\":"}) {
    std::string deep = "{\"a\": ";
    for (int i = 0; i < 100000; ++i) deep += open;
    EXPECT_EQ(domain_error(deep), nested);
  }
  EXPECT_EQ(message_of<std::runtime_error>([&] { read_domain(directory_ / "no.json"); }),
            (directory_ / "no.json").string() + ": no such file");
  EXPECT_EQ(message_of<std::runtime_error>([&] { read_domain(directory_); }),
            directory_.string() + ": not a regular file");
}

// Tables.

TEST_F(Tables, ReadsQuotedAndPlainFieldsInAnyOrderOfColumns) {
  const Codes expected{0, 0, 9, 1, 1, 3, 2, 2};
  const std::string rows =
      "Female,x,17\n\"Male, or \"\"M\"\"\",\"a,b\",90\n\" two\nlines\",,25\n,\"\",\"33\"\n";
  EXPECT_EQ(read("sex,other,age\n" + rows), expected);
  EXPECT_EQ(read("\"sex\",\"other\",\"age\"\n" + rows), expected);
  EXPECT_EQ(read("\xef\xbb\xbfsex,other,age\n" + rows), expected) << "byte order mark";
  EXPECT_EQ(read("\xef\xbb\xbf\"sex\",other,age\n" + rows), expected) << "and a quote";
  EXPECT_EQ(read("sex,other,age\n" + rows.substr(0, rows.size() - 1)), expected)
      << "no last line end";
  EXPECT_EQ(read("sex,other,age\n" + rows + "\n\r\n\n"), expected) << "blank lines at the end";
}

TEST_F(Tables, ReadsEveryLineEnd) {
  const Codes expected{0, 0, 9, 0};
  EXPECT_EQ(read("age,sex\r\n17,Female\r\n90,Female\r\n"), expected);
  EXPECT_EQ(read("age,sex\r\n17,Female\r\n90,Female"), expected);
  EXPECT_EQ(read("age,sex\n17,Female\r\n90,Female\n"), expected);
  EXPECT_EQ(read("age,sex\r17,Female\r90,Female\r"), expected);
}

TEST_F(Tables, AHeaderAloneIsATableWithoutRecords) {
  for (const char* const header : {"age,sex", "age,sex\n", "sex,age\r\n\r\n"})
    EXPECT_TRUE(read(header).empty()) << header;
  EXPECT_EQ(Histogram::of_records(domain_, read("age,sex\n")).total(), 0);
}

TEST_F(Tables, BlanksBelongToTheField) {
  EXPECT_EQ(table_error("age,sex\n17, Female\n"),
            "row 0 (line 2), column \"sex\": ' Female' is not one of 4 categories");
  EXPECT_EQ(table_error("age,sex\n17 ,Female\n"),
            "row 0 (line 2), column \"age\": '17 ' is not an integer of 17 .. 90");
}

TEST_F(Tables, WritesWeights) {
  const Domain domain({Attribute::integers("n", 0, 1), Attribute::categories("s", {"a\"", "b"})});
  const auto path = directory_ / "w.csv";
  write_weights(path, domain, std::vector<double>{0.1, 0.0, 1e300, 7.0});
  std::ifstream file(path, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}),
            "\"n\",\"s\",\"weight\"\n\"0\",\"a\"\"\",\"0.1\"\n\"1\",\"a\"\"\",\"1e+300\"\n"
            "\"1\",\"b\",\"7\"\n");
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { write_weights(directory_ / "no.csv", domain, std::vector<double>{1.0}); }),
            "weights.size() = 1: must equal the number of cells 4");
  EXPECT_FALSE(std::filesystem::exists(directory_ / "no.csv"));
}

TEST_F(Tables, ErrorsNameRowLineColumnAndValue) {
  EXPECT_EQ(table_error("age,sex\n17,Female\n91,Female\n"),
            "row 1 (line 3), column \"age\": '91' is not an integer of 17 .. 90");
  EXPECT_EQ(table_error("age,sex\n17,\" two\nlines\"\nx,Female\n"),
            "row 1 (line 4), column \"age\": 'x' is not an integer of 17 .. 90");
  EXPECT_EQ(table_error("age,sex\r\n17,male\x01\r\n"),
            "row 0 (line 2), column \"sex\": 'male?' is not one of 4 categories");
  EXPECT_EQ(table_error("age,sex\n17,Female,3\n"), "row 0 (line 2) has 3 fields, the header 2");
  EXPECT_EQ(table_error("age,sex\n18,Female\n17\n"), "row 1 (line 3) has 1 fields, the header 2");
  EXPECT_EQ(table_error("age,sex\n17,Female\n\n18,Female\n"), "line 3 is blank");
  EXPECT_EQ(table_error("age,sex\r\n17,Female\r\n\r\n\r\n18,Female\r\n"), "line 3 is blank");
  EXPECT_EQ(table_error("\nage,sex\n17,Female\n"), "line 1 is blank");
  EXPECT_EQ(table_error("age,sex\n17," + std::string(1000, 'y') + "\n"),
            "row 0 (line 2), column \"sex\": '" + std::string(40, 'y') +
                "...' is not one of 4 categories");
}

TEST_F(Tables, ABlankLineIsNoRecordOfAnEmptyField) {
  const Domain one({Attribute::categories("a", {"", "x"})});
  EXPECT_EQ(message_of<std::runtime_error>([&] { read_table(write("t.csv", "a\nx\n\nx\n"), one); }),
            (directory_ / "t.csv").string() + ": line 3 is blank");
  EXPECT_EQ(read_table(write("t.csv", "a\nx\n\"\"\nx\n"), one), (Codes{1, 0, 1}));
}

// Nothing is read from columns that the domain does not know, so their names may be anything.
TEST_F(Tables, UnusedColumnsMayShareAName) {
  EXPECT_EQ(read("age,x,sex,x,, age,\n17,a,Female,b,,1,\n"), (Codes{0, 0}));
}

TEST_F(Tables, HeaderErrors) {
  EXPECT_EQ(table_error(""), "is empty");
  EXPECT_EQ(table_error("\xef\xbb\xbf"), "has no line of column names");
  EXPECT_EQ(table_error("\n\n"), "has no line of column names");
  EXPECT_EQ(table_error("sex\nFemale\n"), "has no column \"age\", which the domain has");
  EXPECT_EQ(table_error("Age,sex\n17,Female\n"), "has no column \"age\", which the domain has");
  EXPECT_EQ(table_error("age,sex,age\n17,Female,17\n"), "has two columns 'age'");
  const std::string blanks =
      "which the domain has, but one of that name with blanks around it: blanks belong to a field, "
      "take them out of the file";
  EXPECT_EQ(table_error(" age,sex\n17,Female\n"), "has no column \"age\", " + blanks);
  EXPECT_EQ(table_error("age, sex\t\n17,Female\n"), "has no column \"sex\", " + blanks);
  EXPECT_EQ(message_of<std::runtime_error>([&] { read_table(directory_ / "no.csv", domain_); }),
            (directory_ / "no.csv").string() + ": no such file");
  EXPECT_EQ(message_of<std::runtime_error>([&] { read_table(directory_, domain_); }),
            directory_.string() + ": not a regular file");
}

TEST_F(Tables, QuotingErrors) {
  const std::string stray =
      ": a quote inside a field that does not begin with one, or text after a closing quote";
  EXPECT_EQ(table_error("age,sex\n17,Fe\"male\n"), "row 0 (line 2)" + stray);
  EXPECT_EQ(table_error("age,sex\n17,\"Female\"x\n"), "row 0 (line 2)" + stray);
  EXPECT_EQ(table_error("ag\"e,sex\n"), "line 1" + stray);
  EXPECT_EQ(table_error("age,sex\n17,\"Female\n18,Female\n"),
            "row 0 (line 2) has a quote that is never closed");
  EXPECT_EQ(table_error("age,\"sex\n17,Female\n"), "line 1 has a quote that is never closed");
  EXPECT_EQ(table_error("age,sex\n17,Female\n18,\""),
            "row 1 (line 3) has a quote that is never closed");
  EXPECT_EQ(
      table_error("age,sex\n17,\"" + std::string(5000000, 'x')),
      "row 0 (line 2) has a field of more than 1048576 bytes (a quote that is never closed?)");
  EXPECT_EQ(
      table_error("age,sex,o\n17,Female," + std::string(1100000, 'x') + "\n"),
      "row 0 (line 2) has a field of more than 1048576 bytes (a quote that is never closed?)");
}

TEST_F(Tables, NulBytesAreRefused) {
  EXPECT_EQ(table_error("age,sex\n17,Fe\0male\n"s), "holds a NUL byte, 13 bytes from its start");
  EXPECT_EQ(table_error("age,sex,o\n17,Female," + std::string(100000, 'x') + "\0\n"s),
            "holds a NUL byte, 100020 bytes from its start");
}

TEST_F(Tables, AMillionColumns) {
  std::string header = "sex", row = "Female";
  for (int i = 0; i < 1000000; ++i) {
    header += ",c" + std::to_string(i);
    row += ",1";
  }
  EXPECT_EQ(read(header + ",age\n" + row + ",17\n"), (Codes{0, 0}));
  EXPECT_EQ(table_error(header + ",age\n" + row + "\n"),
            "row 0 (line 2) has 1000001 fields, the header 1000002");
  EXPECT_EQ(table_error("age,sex\n17,Female" + row + "\n"),
            "row 0 (line 2), column \"sex\": 'FemaleFemale' is not one of 4 categories");
  EXPECT_EQ(table_error(std::string(1000000, ',')), "has no column \"age\", which the domain has");
}

TEST_F(Tables, RowsThatCrossTheReadersBlocks) {
  std::string csv = "age,sex\r\n";
  Codes expected;
  for (std::uint32_t i = 0; i < 50000; ++i) {
    const std::uint32_t age = i % 10, sex = i % 4;
    csv += "\"" + domain_.attributes()[0].label(age) + "\",";
    csv += sex == 1 ? "\"Male, or \"\"M\"\"\"" : "\"" + domain_.attributes()[1].label(sex) + "\"";
    csv += "\r\n";
    expected.insert(expected.end(), {age, sex});
  }
  EXPECT_EQ(read(csv), expected);
}

TEST_F(Tables, WhatIsWrittenReadsBack) {
  Codes records;
  for (std::uint32_t age = 0; age < 10; ++age)
    for (std::uint32_t sex = 0; sex < 4; ++sex) records.insert(records.end(), {age, sex});
  const auto path = directory_ / "out.csv";
  write_table(path, domain_, records);
  EXPECT_EQ(read_table(path, domain_), records);
  write_table(path, domain_, {});  // overwrites
  EXPECT_TRUE(read_table(path, domain_).empty());
  std::ifstream file(path);
  std::string content((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(content, "\"age\",\"sex\"\n");
}

TEST_F(Tables, WritingErrors) {
  const auto path = directory_ / "no" / "out.csv";
  EXPECT_EQ(message_of<std::runtime_error>([&] { write_table(path, domain_, {}); }),
            path.string() + ": cannot be opened for writing: No such file or directory");
  const auto bad = [&](const Codes& records) {
    return message_of<std::invalid_argument>(
        [&] { write_table(directory_ / "out.csv", domain_, records); });
  };
  EXPECT_EQ(bad({0, 0, 1}), "records.size() = 3: must be a multiple of the number of attributes 2");
  EXPECT_EQ(bad({0, 0, 1, 4}), "records(1, \"sex\") = 4: must be below 4");
  EXPECT_FALSE(std::filesystem::exists(directory_ / "out.csv"));
}

TEST_F(Tables, AFullDiskIsReported) {
  if (!std::filesystem::is_character_file("/dev/full")) GTEST_SKIP() << "no /dev/full";
  const std::string full = "/dev/full: cannot be written: No space left on device";
  EXPECT_EQ(message_of<std::runtime_error>([&] { write_table("/dev/full", domain_, {}); }), full);
  const Codes many(200000, 0);
  EXPECT_EQ(message_of<std::runtime_error>([&] { write_table("/dev/full", domain_, many); }), full);
}

// Whatever happens to a file, its reader returns codes of the domain or throws; run under address
// and undefined-behaviour sanitizers this also shows memory safety.
TEST_F(Tables, DamagedFilesNeverCrash) {
  const std::string csv =
      "\xef\xbb\xbfsex,other,age\r\nFemale,x,17\r\n\"Male, or "
      "\"\"M\"\"\",\"a,b\",17-24\n,\"\",\"33\"\n";
  const std::string json =
      R"({"age": {"low": 17, "high": 90, "bins": 10}, "sex": ["Female", "Male"], "x": 9})";
  std::mt19937 engine(1);  // its sequence is fixed by the standard
  const auto damaged = [&](std::string content, int trial) {
    if (trial % 3 == 0) content.resize(engine() % content.size());
    for (auto flips = engine() % 4; flips > 0 && !content.empty(); --flips)
      content[engine() % content.size()] = static_cast<char>(engine());
    if (trial % 3 == 2) content.insert(engine() % content.size(), 1, ",\"\n\r{}[]:"[engine() % 9]);
    return content;
  };
  int accepted = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    try {
      EXPECT_GE(Histogram::of_records(domain_, read(damaged(csv, trial))).total(), 0);
      ++accepted;
    } catch (const std::runtime_error&) {
    }
    try {
      EXPECT_GE(domain_of(damaged(json, trial)).size(), 1U);
      ++accepted;
    } catch (const std::runtime_error&) {
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, 4000);
}

// Data.

TEST(Berkeley, HasThePublishedCounts) {
  const CountedTable table = berkeley_admissions();
  const Histogram h(table.domain, table.counts);
  EXPECT_EQ(h.total(), 4526);
  EXPECT_EQ(table.domain.size(), 24U);
  EXPECT_NE(table.source.find("Bickel"), std::string::npos);
  const auto count = [&](const char* department, const char* sex, const char* outcome) {
    const auto& a = table.domain.attributes();
    const Codes codes{*a[0].code_of(department), *a[1].code_of(sex), *a[2].code_of(outcome)};
    return h.counts()[table.domain.cell_of(codes)];
  };
  EXPECT_EQ(count("A", "Men", "Rejected"), 313);
  EXPECT_EQ(count("A", "Women", "Admitted"), 89);
  EXPECT_EQ(count("F", "Women", "Rejected"), 317);
  // Margins as published: 1,198 of 2,691 men and 557 of 1,835 women were admitted.
  std::int64_t men = 0, women = 0, all_men = 0;
  for (const char* const department : {"A", "B", "C", "D", "E", "F"}) {
    men += count(department, "Men", "Admitted");
    women += count(department, "Women", "Admitted");
    all_men += count(department, "Men", "Admitted") + count(department, "Men", "Rejected");
  }
  EXPECT_EQ(men, 1198);
  EXPECT_EQ(women, 557);
  EXPECT_EQ(all_men, 2691);
}

TEST(Adult, IsReadWithItsDomain) {
  const std::filesystem::path folder = LAZYGUMBEL_SHARED_DATA_HINT;
  const auto csv = lazygumbel_datasets::find_shared_data("adult.csv", folder);
  const auto json = lazygumbel_datasets::find_shared_data("adult-domain.json", folder);
  if (!csv || !json) GTEST_SKIP() << "adult.csv and adult-domain.json not found";
  const Domain some =
      read_domain(*json, {"education-num", "occupation", "relationship", "income>50K"});
  EXPECT_EQ(some.size(), 2880U);
  const Codes records = read_table(*csv, some);
  EXPECT_EQ(records.size(), 4U * 48842U);
  const Histogram h = Histogram::of_records(some, records);
  EXPECT_EQ(h.total(), 48842);
  EXPECT_EQ(std::accumulate(h.counts().begin(), h.counts().end(), std::int64_t{0}), 48842);
}

}  // namespace
}  // namespace lazygumbel_tables
