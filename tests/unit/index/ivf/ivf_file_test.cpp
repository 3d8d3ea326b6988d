#include <gtest/gtest.h>

#include <clustered_rows.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <indexes.hpp>
#include <lazygumbel/index/hnsw/hnsw_index.hpp>
#include <lazygumbel/index/ivf/ivf_index.hpp>
#include <limits>
#include <message_of.hpp>
#include <string>
#include <vector>

#include "saved_files.hpp"

// Saved IvfIndex files: what goes in comes out, and whatever is wrong with a file is a file_error.

namespace lazygumbel::testing {
namespace {

template <class Scalar>
IvfIndex<Scalar> small_ivf() {
  IvfParameters p;
  p.lists = 12;
  p.probes = 3;
  p.seed = 12345;
  return IvfIndex<Scalar>(gaussian_rows<Scalar>(150, 4, 851), p);
}

/// A good file and its bytes.
class IvfFile : public ::testing::Test {
 protected:
  static constexpr std::size_t version = 8, dimension = 16, count = 24, lists = 32, iterations = 56,
                               first_list = 80;

  void SetUp() override {
    small_ivf<float>().save(path());
    good = read();
  }

  std::filesystem::path path() const { return folder_ / "index.lzg"; }
  Bytes read() const { return bytes_of(path()); }

  template <class Scalar = float>
  std::string complaint(const Bytes& bytes) const {
    return complaint_about<IvfIndex<Scalar>>(path(), bytes);
  }

  /// The complaint about the good file with `number` at `at` and the checksum made right again.
  template <class Number>
  std::string forged(std::size_t at, Number number) const {
    return complaint(forged_bytes(good, at, number));
  }

  Bytes good;
  ScratchFolder folder_;
};

template <class Scalar>
void expect_same_certified_searches(const IvfIndex<Scalar>& a, const IvfIndex<Scalar>& b) {
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
void ivf_round_trip(const std::filesystem::path& path) {
  IvfIndex<Scalar> index = small_ivf<Scalar>();
  index.add(gaussian_rows<Scalar>(200, 4, 852).array() + Scalar(5));  // some lists are split
  index.save(path);
  IvfIndex<Scalar> loaded = IvfIndex<Scalar>::load(path);
  expect_same_certified_searches(index, loaded);
  EXPECT_EQ(loaded.parameters().lists, 12u);
  EXPECT_EQ(loaded.probes(), 3u);
  EXPECT_EQ(loaded.parameters().seed, 12345u);

  index.add(gaussian_rows<Scalar>(500, 4, 853));
  loaded.add(gaussian_rows<Scalar>(500, 4, 853));
  expect_same_certified_searches(index, loaded);
  loaded.save(path);
  expect_same_certified_searches(loaded, IvfIndex<Scalar>::load(path));
}

TEST_F(IvfFile, RoundTripOfFloat) { ivf_round_trip<float>(path()); }
TEST_F(IvfFile, RoundTripOfDouble) { ivf_round_trip<double>(path()); }

TEST_F(IvfFile, RoundTripOfOneRow) {
  const IvfIndex<float> index(gaussian_rows<float>(1, 1, 854));
  index.save(path());
  expect_same_certified_searches(index, IvfIndex<float>::load(path()));
}

TEST_F(IvfFile, SavingTheSameIndexGivesTheSameBytes) {
  small_ivf<float>().save(path());
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
