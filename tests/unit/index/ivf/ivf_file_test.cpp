#include <gtest/gtest.h>

#include <clustered_rows.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <indexes.hpp>
#include <iterator>
#include <lazygumbel/index/hnsw/hnsw_index.hpp>
#include <lazygumbel/index/ivf/ivf_index.hpp>
#include <limits>
#include <message_of.hpp>
#include <string>
#include <vector>

// Saved IvfIndex files: what goes in comes out, and whatever is wrong with a file is a file_error.

namespace lazygumbel::testing {
namespace {

using Bytes = std::vector<unsigned char>;

template <class Scalar>
IvfIndex<Scalar> small_index() {
  IvfParameters p;
  p.lists = 12;
  p.probes = 3;
  p.seed = 12345;
  return IvfIndex<Scalar>(gaussian_rows<Scalar>(150, 4, 851), p);
}

/// A folder of this test's own, empty at first and removed at the end, and a good file's bytes.
class IvfFile : public ::testing::Test {
 protected:
  static constexpr std::size_t version = 8, dimension = 16, count = 24, lists = 32, iterations = 56,
                               first_list = 80;

  void SetUp() override {
    const auto* const info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(::testing::TempDir()) /
              ("lazygumbel_" + std::string(info->test_suite_name()) + "_" + info->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    small_index<float>().save(path());
    good = read();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path path() const { return folder_ / "index.lzg"; }

  Bytes read() const {
    std::ifstream in(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

  /// What load says to a file with these bytes, without the file's name.
  template <class Scalar = float>
  std::string complaint(const Bytes& bytes) const {
    std::ofstream out(path(), std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    out.close();
    std::string text = message_of<file_error>([&] { IvfIndex<Scalar>::load(path()); });
    const std::string name = "lazygumbel: " + path().string() + " ";
    return text.rfind(name, 0) == 0 ? text.substr(name.size()) : text;
  }

  /// The complaint about the good file with `number` at `at` and the checksum made right again.
  template <class Number>
  std::string forged(std::size_t at, Number number) const {
    Bytes bytes = good;
    std::memcpy(bytes.data() + at, &number, sizeof number);
    std::uint64_t value = 0xcbf29ce484222325;
    for (std::size_t i = 0; i + 8 < bytes.size(); ++i) value = (value ^ bytes[i]) * 0x100000001b3;
    std::memcpy(bytes.data() + bytes.size() - 8, &value, 8);
    return complaint(bytes);
  }

  Bytes good;
  std::filesystem::path folder_;
};

template <class Scalar>
void expect_same_answers(const IvfIndex<Scalar>& a, const IvfIndex<Scalar>& b) {
  ASSERT_EQ(a.size(), b.size());
  ASSERT_EQ(a.lists(), b.lists());
  for (item_id id = 0; id < a.size(); ++id) ASSERT_EQ(a.row(id), b.row(id));
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const auto query = gaussian_query<Scalar>(a.dimension(), 860 + seed);
    Retrieval from_a, from_b;
    GroupedTail tail_a, tail_b;
    a.certified().search_with_tail(query, 10, from_a, tail_a, 1);
    b.certified().search_with_tail(query, 10, from_b, tail_b, 1);
    ASSERT_EQ(from_a.ids, from_b.ids);
    ASSERT_EQ(from_a.scores, from_b.scores);
    ASSERT_DOUBLE_EQ(tail_a.log_rate(), tail_b.log_rate());
  }
}

template <class Scalar>
void round_trip(const std::filesystem::path& path) {
  IvfIndex<Scalar> index = small_index<Scalar>();
  index.add(gaussian_rows<Scalar>(200, 4, 852).array() + Scalar(5));  // some lists are split
  index.save(path);
  IvfIndex<Scalar> loaded = IvfIndex<Scalar>::load(path);
  expect_same_answers(index, loaded);
  EXPECT_EQ(loaded.parameters().lists, 12u);
  EXPECT_EQ(loaded.probes(), 3u);
  EXPECT_EQ(loaded.parameters().seed, 12345u);

  index.add(gaussian_rows<Scalar>(500, 4, 853));
  loaded.add(gaussian_rows<Scalar>(500, 4, 853));
  expect_same_answers(index, loaded);
  loaded.save(path);
  expect_same_answers(loaded, IvfIndex<Scalar>::load(path));
}

TEST_F(IvfFile, RoundTripOfFloat) { round_trip<float>(path()); }
TEST_F(IvfFile, RoundTripOfDouble) { round_trip<double>(path()); }

TEST_F(IvfFile, RoundTripOfOneRow) {
  const IvfIndex<float> index(gaussian_rows<float>(1, 1, 854));
  index.save(path());
  expect_same_answers(index, IvfIndex<float>::load(path()));
}

TEST_F(IvfFile, SavingTheSameIndexGivesTheSameBytes) {
  small_index<float>().save(path());
  EXPECT_EQ(read(), good);
}

TEST_F(IvfFile, EveryChangedByteIsNoticed) {
  for (std::size_t at = 0; at < good.size(); at += at < 200 ? 1 : 13) {
    Bytes bytes = good;
    bytes[at] ^= 0x41;
    EXPECT_NE(complaint(bytes), "(nothing was thrown)") << at;
  }
}

TEST_F(IvfFile, EveryTruncationIsNoticed) {
  for (std::size_t size = 0; size < good.size(); size += size < 200 ? 1 : 29)
    EXPECT_NE(complaint(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size))),
              "(nothing was thrown)")
        << size;
  EXPECT_EQ(complaint(Bytes(good.begin(), good.end() - 1)), "is truncated");
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_EQ(complaint(longer), "has 1 bytes too many");
}

TEST_F(IvfFile, ForeignFiles) {
  EXPECT_EQ(complaint({}), "is truncated");
  EXPECT_EQ(complaint(Bytes(1000, 'x')), "is not a lazygumbel IVF index");
  EXPECT_EQ(complaint<double>(good), "holds scalars of 4 bytes, not 8");
  HnswIndex<float>(gaussian_rows<float>(20, 3, 855)).save(path());
  EXPECT_EQ(complaint(read()), "is not a lazygumbel IVF index");
  EXPECT_EQ(forged(version, std::uint32_t{2}), "has format version 2, this library reads 1");
  std::filesystem::remove(path());
  EXPECT_THROW(IvfIndex<float>::load(path()), file_error);
}

// The checksum is right: every number is held against what it must be.
TEST_F(IvfFile, Forgeries) {
  const auto number = [&](std::size_t at) {
    std::uint64_t value = 0;
    std::memcpy(&value, good.data() + at, 8);
    return value;
  };
  ASSERT_EQ(number(count), 150u);
  EXPECT_EQ(forged(count, std::uint64_t{150}), "(nothing was thrown)");
  for (const std::uint64_t wrong : {std::uint64_t{0}, std::uint64_t{1} << 33, ~std::uint64_t{0}})
    for (const std::size_t at : {dimension, count, lists})
      EXPECT_NE(forged(at, wrong).find("do not fit it"), std::string::npos) << at;
  EXPECT_EQ(forged(iterations, std::uint64_t{0}), "is corrupted: its parameters are out of range");
  EXPECT_NE(forged(count, std::uint64_t{149}), "(nothing was thrown)");
  EXPECT_NE(forged(lists, number(lists) - 1), "(nothing was thrown)");
  const std::size_t size = first_list + 16, ids = size + 4;
  EXPECT_EQ(forged(size, std::uint32_t{0}), "is corrupted: a list has 0 rows");
  EXPECT_EQ(forged(size, std::uint32_t{151}), "is corrupted: a list has 151 rows");
  EXPECT_EQ(forged(ids, std::uint32_t{150}),
            "is corrupted: id 150 is out of range or stands twice");
  for (const float wrong :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -3e38f})
    EXPECT_EQ(forged(first_list, wrong).find("is corrupted: a row or centroid has norm"), 0u);
}

}  // namespace
}  // namespace lazygumbel::testing
