#include "datasets.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>

#include "largest_difference.hpp"

namespace lazygumbel_datasets {
namespace {

using std::string_literals::operator""s;

template <class T>
std::string bytes_of(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::string fvecs_row(std::int32_t dimension, const std::vector<float>& values) {
  std::string row = bytes_of(dimension);
  for (const float value : values) row += bytes_of(value);
  return row;
}

template <class T = float>
std::string npy_file(const std::string& dictionary, const std::vector<T>& values,
                     char version = 1) {
  std::string length = bytes_of(static_cast<std::uint32_t>(dictionary.size() + 1));
  if (version == 1) length.resize(2);
  std::string file = "\x93NUMPY"s + version + '\0' + length + dictionary + '\n';
  for (const T value : values) file += bytes_of(value);
  return file;
}

std::string idx_file(std::array<unsigned char, 4> magic, std::array<unsigned char, 3> shape,
                     const std::string& pixels) {
  std::string file(magic.begin(), magic.end());
  for (const unsigned char size : shape) file += "\0\0\0"s + static_cast<char>(size);
  return file + pixels;
}

const std::vector<float> six{1.5F, -2, 3, 4, 5, 6e-30F};
const std::string good_fvecs = fvecs_row(3, {1.5F, -2, 3}) + fvecs_row(3, {4, 5, 6e-30F});
const std::string good_text = "the 1.5 -2 3e0\n\xe2\x80\x9cna\xc3\xafve\" 4 5 6e-30\n";
const std::string good_header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
const std::string good_idx = idx_file({0, 0, 8, 3}, {2, 1, 3}, "\x01\x02\x03\x04\x05\xff");

Matrix expected_rows() { return Eigen::Map<const Matrix>(six.data(), 2, 3); }

/// A directory of its own for each test, and an environment that is restored.
class Datasets : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "lazygumbel-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }

  void TearDown() override {
    std::filesystem::remove_all(directory_);
    for (const auto& [name, value] : environment_) {
      value ? setenv(name.c_str(), value->c_str(), 1) : unsetenv(name.c_str());
    }
  }

  std::filesystem::path write(const std::string& name, const std::string& content) const {
    std::ofstream(directory_ / name, std::ios::binary) << content;
    return directory_ / name;
  }

  std::filesystem::path write_gzip(const std::string& name, const std::string& content) const {
    const gzFile file = gzopen((directory_ / name).c_str(), "wb");
    gzwrite(file, content.data(), static_cast<unsigned>(content.size()));
    gzclose(file);
    return directory_ / name;
  }

  void set_environment(const std::string& name, const std::string& value) {
    const char* const before = std::getenv(name.c_str());
    environment_.emplace_back(name, before ? std::optional<std::string>(before) : std::nullopt);
    setenv(name.c_str(), value.c_str(), 1);
  }

  std::filesystem::path directory_;

 private:
  std::vector<std::pair<std::string, std::optional<std::string>>> environment_;
};

/// Expects read() to throw a std::runtime_error whose text holds the file's name and `part`.
template <class Read>
void expect_error(const Read& read, const std::filesystem::path& path, const std::string& part) {
  try {
    read(path);
    ADD_FAILURE() << "accepted, where an error with '" << part << "' was expected";
  } catch (const std::runtime_error& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find(path.string()), text.npos) << text;
    EXPECT_NE(text.find(part), text.npos) << text << "\n  does not say: " << part;
  }
}

const auto fvecs = [](const std::filesystem::path& path) { return read_fvecs(path); };

TEST_F(Datasets, FvecsRoundTrip) {
  const auto path = write("a.fvecs", good_fvecs);
  EXPECT_EQ(read_fvecs(path), expected_rows());
  EXPECT_EQ(read_fvecs(path, 1), expected_rows().topRows(1));
  EXPECT_EQ(read_fvecs(path, 7), expected_rows());
  EXPECT_THROW(read_fvecs(path, 0), std::invalid_argument);
}

TEST_F(Datasets, FvecsErrorsNameFileAndRow) {
  expect_error(fvecs, directory_ / "missing.fvecs", "no such file");
  expect_error(fvecs, directory_, "not a regular file");
  expect_error(fvecs, write("a.fvecs", ""), "is empty");
  expect_error(fvecs, write("a.fvecs", "\1\0"s), "row 0: truncated inside its dimension");
  expect_error(fvecs, write("a.fvecs", fvecs_row(0, {})), "row 0: dimension 0 is not in 1..");
  expect_error(fvecs, write("a.fvecs", fvecs_row(-4, {1})), "row 0: dimension -4 is not in");
  expect_error(fvecs, write("a.fvecs", fvecs_row(1 << 30, {1})), "row 0: dimension 1073741824");
  expect_error(fvecs, write("a.fvecs", fvecs_row(3, {1})), "row 0: truncated, 4 of 12 bytes");
  expect_error(fvecs, write("a.fvecs", fvecs_row(2, {1, 2}) + fvecs_row(3, {1, 2, 3})),
               "row 1: dimension 3, but row 0 has 2");
  expect_error(fvecs, write("a.fvecs", good_fvecs + "\3\0"s), "row 2: truncated inside");
}

TEST_F(Datasets, NpyRoundTrip) {
  const std::vector<double> doubles(six.begin(), six.end());
  const std::string wide = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }";
  for (const char version : {'\1', '\2', '\3'}) {
    EXPECT_EQ(read_npy(write("a.npy", npy_file(good_header, six, version))), expected_rows());
    EXPECT_EQ(read_npy(write("a.npy", npy_file(wide, doubles, version))), expected_rows());
  }
  // Keys in another order, double quotes, no final comma, padding to a length above 127.
  const std::string other = "{\"shape\":(2,3,),'fortran_order':False,'descr':'<f4'}";
  EXPECT_EQ(read_npy(write("a.npy", npy_file(other + std::string(180 - other.size(), ' '), six))),
            expected_rows());
}

TEST_F(Datasets, NpyErrorsSayWhatIsWrong) {
  const auto with = [](const std::string& dtype, const std::string& order,
                       const std::string& shape) {
    return npy_file(
        "{'descr': " + dtype + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }", six);
  };
  const auto expect = [&](const std::string& content, const std::string& part) {
    expect_error(read_npy, write("a.npy", content), part);
  };
  expect("", "is empty");
  expect("PK\3\4 and so on", "not a .npy file");
  expect("\x93NUMPY\4\0"s, "version 4.0 is not supported");
  expect("\x93NUMPY\1\0"s, "truncated inside the .npy header");
  expect("\x93NUMPY\1\0\x76\0{'descr'"s, "truncated inside the .npy header");
  expect("\x93NUMPY\2\0\xff\xff\xff\xff{"s, "header claims 4294967295 bytes");
  expect("\x93NUMPY\1\0\0\0"s, "malformed .npy header: expected '{'");
  expect(with("'<f4'", "True", "(2, 3)"), "Fortran order");
  expect(with("'>f4'", "False", "(2, 3)"), "big-endian");
  expect(with("'<i4'", "False", "(2, 3)"), "dtype '<i4' is not supported");
  expect(with("[('a', '<f4')]", "False", "(2, 3)"), "structured dtypes");
  expect(with("'<f4'", "False", "(6,)"), "1 dimensions, not 2");
  expect(with("'<f4'", "False", "(1, 2, 3)"), "3 dimensions, not 2");
  expect(with("'<f4'", "False", "(0, 3)"), "empty (0 x 3)");
  expect(with("'<f4'", "False", "(1, 4294967296)"), "exceed the limit");
  expect(with("'<f4'", "False", "(3, 3)"), "truncated: 3 x 3");
  expect(with("'<f4'", "False", "(1, 3)"), "trailing data: 1 x 3");
  expect(with("'<f4'", "False", "(4611686018427387906, 3)"), "truncated");  // size wraps to 24
  expect(with("'<f4'", "Maybe", "(2, 3)"), "expected True or False");
  expect(with("'<f4'", "False", "(2, -3)"), "expected a dimension");
  expect(with("'<f4'", "False", "(99999999999999999999999, 3)"), "expected a dimension");
  expect(with("'<f4", "False", "(2, 3)"), "malformed");
  expect(npy_file("{'descr': '<f4', 'shape': (2, 3)}", six), "is missing");
  expect(npy_file("{'shape': (2, 3), 'shape': (2, 3)}", six), "repeated or unknown key");
  expect(npy_file(good_header + "x", six), "expected the end of the header");
}

TEST_F(Datasets, TextRoundTrip) {
  const Dataset data = read_embeddings_text(write("words.txt", good_text));
  EXPECT_EQ(data.rows, expected_rows());
  EXPECT_EQ(data.labels, (std::vector<std::string>{"the", "\xe2\x80\x9cna\xc3\xafve\""}));
  EXPECT_EQ(data.name, "words");
}

TEST_F(Datasets, TextTakesHeadersSpacesInWordsAndOddLayout) {
  const auto read = [&](const std::string& text) { return read_embeddings_text(write("a", text)); };
  // word2vec's header, its trailing blanks, and a word that is a number.
  const Dataset headed = read("2 3\n1.5 1 2 3 \r\nb 4\t5 6\r\n\n");
  EXPECT_EQ(headed.labels, (std::vector<std::string>{"1.5", "b"}));
  EXPECT_EQ(headed.rows(1, 2), 6);
  // Words with spaces, as in GloVe 840B; "nan" and "12" are words here; the last line has no end.
  const Dataset spaced = read("to me@here.org 1 2\n. . . 3 4\nnan 5 6\n12 7 1e-60");
  EXPECT_EQ(spaced.labels, (std::vector<std::string>{"to me@here.org", ". . .", "nan", "12"}));
  EXPECT_EQ(spaced.rows(3, 1), 0);
}

TEST_F(Datasets, TextErrorsNameTheLine) {
  const auto expect = [&](const std::string& content, const std::string& part) {
    expect_error(read_embeddings_text, write("a.txt", content), part);
  };
  expect("", "is empty");
  expect("\n \n", "holds no vectors");
  expect("word\n", "line 1: a word must be followed by numbers");
  expect("a 1 2\nb 1\n", "line 2: expected a word and 2 numbers, found 2 tokens");
  expect("a 1 2\n\nb 1 2 3\n", "line 3: more than 2 numbers");
  expect("a 1 2\nb 1 x2\n", "line 2: 'x2' is not a number");
  expect("a 1 2\nb 1 2.5.1\n", "line 2: '2.5.1' is not a number");
  expect("a 1 2\nb 1 nan\n", "line 2: 'nan' is not a finite float");
  expect("a 1 -inf\n", "line 1: '-inf' is not a finite float");
  expect("a 1 1e39\n", "line 1: '1e39' is not a finite float");
  expect("a 1 1e999\n", "line 1: '1e999' is not a finite float");
  expect("0.5 1 2\n", "line 1: starts with the number '0.5'");
  expect("3 2\na 1 2\n", "line 1: the header announces 3 words, but the file holds 1");
  expect("3 0\na 1 2\n", "line 1: the header announces 3 words of dimension 0");
}

TEST_F(Datasets, TablesAreToldOfOtherFormats) {
  for (const char* const name : {"a.csv", "a.txt"})
    expect_error(read_vectors, write(name, "x,y\n1,2\n"), "numpy.save makes a .npy of a table");
}

TEST_F(Datasets, ReadVectorsPicksTheReaderByExtension) {
  for (const auto& path : {write("a.fvecs", good_fvecs), write("a.npy", npy_file(good_header, six)),
                           write("a.vec", good_text)}) {
    const Dataset data = read_vectors(path);
    EXPECT_EQ(data.rows, expected_rows()) << path;
    EXPECT_EQ(data.name, "a");
    EXPECT_NE(data.source.find(path.string()), data.source.npos);
    EXPECT_EQ(data.labels.size(), path.extension() == ".vec" ? 2U : 0U);
  }
}

TEST_F(Datasets, ReadVectorsRefusesNanAndInfinity) {
  std::vector<float> values = six;
  values[4] = std::numeric_limits<float>::quiet_NaN();
  expect_error(read_vectors, write("a.npy", npy_file(good_header, values)),
               "row 1, column 1: the value is NaN");
  const float infinity = std::numeric_limits<float>::infinity();
  expect_error(read_vectors, write("a.fvecs", fvecs_row(2, {1, -infinity})),
               "row 0, column 1: the value is infinite");
}

TEST_F(Datasets, IdxRoundTripPlainAndCompressed) {
  Matrix expected(2, 3);
  expected << 1, 2, 3, 4, 5, 255;
  EXPECT_EQ(read_idx_images(write("plain", good_idx)), expected);
  EXPECT_EQ(read_idx_images(write_gzip("a.gz", good_idx)), expected);
}

TEST_F(Datasets, IdxErrorsSayWhatIsWrong) {
  const auto expect = [&](const std::string& content, const std::string& part) {
    expect_error(read_idx_images, write("plain", content), part);
    if (!content.empty()) expect_error(read_idx_images, write_gzip("a.gz", content), part);
  };
  expect("", "is empty");
  expect(good_idx.substr(0, 15), "truncated inside the IDX header");
  expect(idx_file({0, 0, 8, 1}, {2, 1, 3}, "123456"), "not an IDX file of images");
  expect(idx_file({0, 0, 8, 3}, {2, 0, 3}, ""), "announces 2 images of 0 x 3");
  expect("\0\0\x08\x03\0\0\0\1\xff\xff\xff\xff\xff\xff\xff\xff"s, "of 4294967295 x 4294967295");
  expect("\0\0\x08\x03\xff\xff\xff\xff\0\0\0\1\0\0\0\1x"s, "truncated: 4294967295 images");
  expect(good_idx.substr(0, good_idx.size() - 1), "truncated: 2 images of 1 x 3");
  expect(good_idx + "x", "trailing data after 2 images of 1 x 3");
}

TEST_F(Datasets, IdxLabelsAreReadAndDefectsNamed) {
  const std::string good = "\0\0\x08\x01\0\0\0\x03\x07\x00\xff"s;
  const std::vector<unsigned char> expected{7, 0, 255};
  EXPECT_EQ(read_idx_labels(write("plain", good)), expected);
  EXPECT_EQ(read_idx_labels(write_gzip("a.gz", good)), expected);
  const auto expect = [&](const std::string& content, const std::string& part) {
    expect_error(read_idx_labels, write("plain", content), part);
    if (!content.empty()) expect_error(read_idx_labels, write_gzip("a.gz", content), part);
  };
  expect("", "is empty");
  expect(good.substr(0, 7), "truncated inside the IDX header");
  expect(good_idx, "not an IDX file of labels");
  expect("\0\0\x08\x01\0\0\0\0"s, "announces 0 labels");
  expect(good.substr(0, 10), "truncated: 3 labels announced, 2 of 3 bytes present");
  expect(good + "x", "trailing data after 3 labels");
}

TEST_F(Datasets, IdxRefusesDamagedCompression) {
  const auto path = write_gzip("a.gz", good_idx);
  std::string content(std::filesystem::file_size(path), '\0');
  std::ifstream(path, std::ios::binary)
      .read(content.data(), static_cast<std::streamsize>(content.size()));
  content[content.size() - 8] ^= 1;  // the checksum
  expect_error(read_idx_images, write("b.gz", content), "damaged compression");
  content.resize(content.size() - 8);
  expect_error(read_idx_images, write("c.gz", content), "damaged compression");
}

// Whatever happens to a file, its reader returns finite rows or throws one of the two documented
// exceptions; run under address and undefined-behaviour sanitizers this also shows memory safety.
TEST_F(Datasets, DamagedFilesNeverCrash) {
  const auto gzip = write_gzip("good.gz", good_idx);
  std::string compressed(std::filesystem::file_size(gzip), '\0');
  std::ifstream(gzip, std::ios::binary)
      .read(compressed.data(), static_cast<std::streamsize>(compressed.size()));
  const std::vector<std::pair<std::string, std::string>> files{
      {"a.fvecs", good_fvecs},
      {"a.npy", npy_file(good_header, six)},
      {"b.npy", npy_file<double>("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3), }",
                                 {1, 2, 3}, 2)},
      {"a.txt", good_text},
      {"b.txt", "2 3\n" + good_text},
      {"a.idx", good_idx},
      {"a.gz", compressed}};
  std::mt19937 engine(1);  // its sequence is fixed by the standard
  for (const auto& [name, good] : files) {
    int accepted = 0;
    for (int trial = 0; trial < 300; ++trial) {
      std::string content = good;
      if (trial % 3 == 0) content.resize(engine() % content.size());
      for (auto flips = engine() % 4; flips > 0 && trial % 3 != 0 && !content.empty(); --flips) {
        content[engine() % content.size()] = static_cast<char>(engine());
      }
      if (trial % 3 == 2) content.insert(engine() % content.size(), 1, static_cast<char>(engine()));
      const auto path = write(name, content);
      const bool image = name == "a.idx" || name == "a.gz";
      try {
        const Matrix rows = image ? read_idx_images(path) : read_vectors(path).rows;
        EXPECT_TRUE(rows.allFinite() && rows.size() > 0) << name << ", trial " << trial;
        ++accepted;
      } catch (const std::runtime_error&) {
      } catch (const std::invalid_argument&) {
      }
    }
    EXPECT_LT(accepted, 300) << name;
  }
}

TEST_F(Datasets, SharedDataIsFoundByEnvironmentThenFallback) {
  set_environment("LAZYGUMBEL_DATA", (directory_ / "first").string());
  std::filesystem::create_directory(directory_ / "first");
  EXPECT_EQ(find_shared_data("x.fvecs", directory_), std::nullopt);
  EXPECT_EQ(find_shared_data("x.fvecs"), std::nullopt);
  EXPECT_EQ(find_shared_data("first", directory_), std::nullopt);  // a directory is no data
  const auto second = write("x.fvecs", good_fvecs);
  EXPECT_EQ(find_shared_data("x.fvecs", directory_), second);
  const auto first = write("first/x.fvecs", good_fvecs);
  EXPECT_EQ(find_shared_data("x.fvecs", directory_), first);
}

TEST_F(Datasets, FashionMnistDirectoryCanBeChosen) {
  set_environment("LAZYGUMBEL_FASHION_MNIST", directory_.string());
  EXPECT_EQ(fashion_mnist_path(), std::nullopt);
  EXPECT_THROW(load_fashion_mnist(), std::runtime_error);
  const auto path = write_gzip("train-images-idx3-ubyte.gz", good_idx);
  EXPECT_EQ(fashion_mnist_path(), path);
  const Dataset data = load_fashion_mnist();  // two images: centred, they are opposite
  EXPECT_TRUE(data.rows.row(0).isApprox(-data.rows.row(1), 1e-6F));
}

TEST(FashionMnist, HasSixtyThousandCentredUnitRows) {
  if (!fashion_mnist_path()) {
    GTEST_SKIP() << "Fashion-MNIST not found (Debian package dataset-fashion-mnist)";
  }
  const Matrix raw = read_idx_images(*fashion_mnist_path());
  EXPECT_EQ(raw.minCoeff(), 0);
  EXPECT_EQ(raw.maxCoeff(), 255);
  EXPECT_NEAR(raw.cast<double>().mean(), 72.940352, 1e-6);  // 0.2860 * 255, as widely published
  const Dataset data = load_fashion_mnist();
  EXPECT_EQ(data.name, "fashion_mnist");
  ASSERT_EQ(data.rows.rows(), 60000);
  ASSERT_EQ(data.rows.cols(), 784);
  EXPECT_LT(lazygumbel::testing::largest_difference(data.rows.rowwise().norm(), 1.0), 1e-5);
}

TEST(Transforms, NormaliseRowsGivesUnitRowsAtAnyScale) {
  Matrix rows(4, 2);
  rows << 3, 4, -3e-42F, 4e-42F, 3e38F, 0, 0, -1;
  normalise_rows(rows);
  EXPECT_FLOAT_EQ(rows(0, 0), 0.6F);
  EXPECT_NEAR(rows.row(1).norm(), 1, 1e-6);
  EXPECT_EQ(rows(2, 0), 1);
  EXPECT_EQ(rows(3, 1), -1);
}

TEST(Transforms, NormaliseRowsRefusesRowsWithoutDirection) {
  for (const float bad : {0.0F, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    Matrix rows(2, 2);
    rows << 1, 2, 0, bad;
    try {
      normalise_rows(rows);
      ADD_FAILURE() << bad << " was accepted";
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find("row 1"), std::string::npos) << error.what();
    }
  }
}

TEST(Transforms, CentreColumnsSubtractsTheMeans) {
  Matrix rows(2, 2);
  rows << 1, 10, 3, -4;
  centre_columns(rows);
  EXPECT_EQ(rows, (Matrix(2, 2) << -1, 7, 1, -7).finished());
  Matrix empty(0, 3);
  centre_columns(empty);
  EXPECT_EQ(empty.rows(), 0);
}

// The benchmarks' figures are stated for these rows. They may change only with the generator's
// documented formula; then run the test and copy the numbers that it reports.
TEST(Clusters, GoldenNumbers) {
  const Matrix rows = clusters(3, 5, 42).rows;
  Matrix golden(3, 5);
  golden << 0.646525621F, -0.150724083F, -0.634828329F, 0.209845766F, 0.335029215F, -0.0902277678F,
      -0.420562297F, 0.339416713F, -0.830156744F, 0.103065021F, 0.307201803F, 0.512136161F,
      -0.0400241166F, -0.419522852F, 0.682453096F;
  EXPECT_LT(lazygumbel::testing::largest_difference(rows, golden), 1e-6)
      << rows.format(Eigen::IOFormat(9, 0, ", ", ",\n"));
}

TEST(Clusters, AreUnitRowsAndASmallerSetIsAPrefix) {
  const Dataset data = clusters(200, 17, 7, 5, 0.3);
  EXPECT_LT(lazygumbel::testing::largest_difference(data.rows.rowwise().norm(), 1.0), 1e-5);
  EXPECT_EQ(clusters(50, 17, 7, 5, 0.3).rows, data.rows.topRows(50));
  EXPECT_NE(clusters(200, 17, 8, 5, 0.3).rows, data.rows);
  EXPECT_NE(clusters(200, 17, 7 + (1ULL << 32), 5, 0.3).rows, data.rows);
  EXPECT_NE(data.source.find("seed 7"), data.source.npos);
}

// Without spread every row is its centre, so equal rows count the clusters' sizes: expected shares
// 1, 1/2, 1/3, 1/4 over 25/12. With 20,000 rows the standard deviation of each is below 0.0036; the
// tolerance is five of these.
TEST(Clusters, SizesFollowZipfsLaw) {
  const Matrix rows = clusters(20000, 3, 11, 4, 0).rows;
  std::vector<std::pair<Eigen::RowVectorXf, int>> found;
  for (Eigen::Index i = 0; i < rows.rows(); ++i) {
    auto match = std::find_if(found.begin(), found.end(),
                              [&](const auto& entry) { return entry.first == rows.row(i); });
    if (match == found.end()) match = found.insert(match, {rows.row(i), 0});
    ++match->second;
  }
  ASSERT_EQ(found.size(), 4U);
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.second > b.second; });
  for (std::size_t c = 0; c < 4; ++c) {
    EXPECT_NEAR(found[c].second / 20000.0, 12.0 / 25.0 / static_cast<double>(c + 1), 0.018);
  }
}

// What the defaults promise for a stand-in of real data: near neighbours, yet not duplicates.
TEST(Clusters, DefaultsHaveNeighboursLikeRealData) {
  const Matrix rows = clusters(5000, 100, 3).rows;
  const Matrix scores = rows.topRows(100) * rows.transpose();
  double sum = 0;
  for (Eigen::Index i = 0; i < scores.rows(); ++i) {
    Eigen::RowVectorXf others = scores.row(i);
    others[i] = -1;
    sum += others.maxCoeff();
  }
  EXPECT_GT(sum / 100, 0.6);
  EXPECT_LT(sum / 100, 0.95);
  EXPECT_LT(std::abs(scores.mean()), 0.2);  // most pairs are nearly orthogonal
}

TEST(Clusters, RefuseBadParameters) {
  EXPECT_THROW(clusters(0, 5, 1), std::invalid_argument);
  EXPECT_THROW(clusters(5, 0, 1), std::invalid_argument);
  EXPECT_THROW(clusters(5, max_dimension + 1, 1), std::invalid_argument);
  EXPECT_THROW(clusters(5, 5, 1, 0), std::invalid_argument);
  EXPECT_THROW(clusters(5, 5, 1, 2, -0.1), std::invalid_argument);
  EXPECT_THROW(clusters(5, 5, 1, 2, std::nan("")), std::invalid_argument);
}

}  // namespace
}  // namespace lazygumbel_datasets
