#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <indexes.hpp>
#include <lazygumbel/index/hnsw/hnsw_index.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/random/uniform.hpp>
#include <limits>
#include <message_of.hpp>
#include <string>
#include <vector>

#include "non_finite.hpp"
#include "saved_files.hpp"

// Saved HnswIndex files: what goes in comes out, and whatever is wrong with a file is a file_error.

namespace lazygumbel::testing {
namespace {

class HnswFile : public ::testing::Test {
 protected:
  std::filesystem::path path(const char* name = "index.lzg") const { return folder_ / name; }

  template <class Scalar = float>
  std::string complaint(const Bytes& bytes) const {
    return complaint_about<HnswIndex<Scalar>>(path(), bytes);
  }

  ScratchFolder folder_;
};

HnswParameters small_graph_parameters(HnswGeometry geometry = HnswGeometry::l2_reduction) {
  HnswParameters p;
  p.M = 4;  // few links: several upper levels even in a small index
  p.ef_construction = 40;
  p.ef = 30;
  p.seed = 12345;
  p.geometry = geometry;
  p.norm_bound = geometry == HnswGeometry::l2_reduction ? 100.0 : 0.0;
  return p;
}

template <class Scalar>
HnswIndex<Scalar> small_graph(HnswGeometry geometry = HnswGeometry::l2_reduction) {
  return HnswIndex<Scalar>(gaussian_rows<Scalar>(200, 8, 151), small_graph_parameters(geometry));
}

template <class Scalar>
void expect_same_searches(const HnswIndex<Scalar>& a, const HnswIndex<Scalar>& b) {
  ASSERT_EQ(a.size(), b.size());
  ASSERT_EQ(a.dimension(), b.dimension());
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    Retrieval from_a, from_b;
    const auto query = gaussian_query<Scalar>(a.dimension(), 300 + seed);
    a.search(query, 10, from_a);
    b.search(query, 10, from_b);
    ASSERT_EQ(from_a.ids, from_b.ids);
    ASSERT_EQ(from_a.scores, from_b.scores);
  }
}

template <class Scalar>
void hnsw_round_trip(const std::filesystem::path& path) {
  for (const HnswGeometry geometry : {HnswGeometry::inner_product, HnswGeometry::l2_reduction}) {
    HnswIndex<Scalar> index = small_graph<Scalar>(geometry);
    index.set_ef(77);
    index.save(path);
    HnswIndex<Scalar> loaded = HnswIndex<Scalar>::load(path);
    expect_same_searches(index, loaded);
    EXPECT_EQ(loaded.parameters().M, 4u);
    EXPECT_EQ(loaded.parameters().ef_construction, 40u);
    EXPECT_EQ(loaded.parameters().ef, 77u);
    EXPECT_EQ(loaded.ef(), 77u);
    EXPECT_EQ(loaded.parameters().seed, 12345u);
    EXPECT_EQ(loaded.parameters().geometry, geometry);
    EXPECT_EQ(loaded.parameters().norm_bound, index.parameters().norm_bound);
    EXPECT_EQ(loaded.size_in_bytes(), index.size_in_bytes());
    for (item_id id = 0; id < 200; ++id) ASSERT_EQ(loaded.row(id), index.row(id));

    // A loaded index grows, and is saved again.
    const RowMatrix<Scalar> more = gaussian_rows<Scalar>(300, 8, 152);
    loaded.add(more);
    EXPECT_EQ(loaded.size(), 500u);
    RowMatrix<Scalar> all(500, 8);
    all << gaussian_rows<Scalar>(200, 8, 151), more;
    EXPECT_GE(recall_at_k(loaded, FlatIndex<Scalar>(std::move(all)),
                          gaussian_rows<Scalar>(50, 8, 153), 5),
              0.9);
    loaded.save(path);
    expect_same_searches(loaded, HnswIndex<Scalar>::load(path));
  }
}

TEST_F(HnswFile, RoundTripOfFloat) { hnsw_round_trip<float>(path()); }
TEST_F(HnswFile, RoundTripOfDouble) { hnsw_round_trip<double>(path()); }

TEST_F(HnswFile, RoundTripOfOneRowAndOfALargeDimension) {
  for (const auto& [n, d] : {std::pair{1, 1}, std::pair{1, 500}, std::pair{3, 97}}) {
    const auto rows =
        gaussian_rows<float>(static_cast<std::size_t>(n), static_cast<std::size_t>(d), 154);
    const HnswIndex<float> index(rows);
    index.save(path());
    expect_same_searches(index, HnswIndex<float>::load(path()));
  }
}

TEST_F(HnswFile, RoundTripAfterAParallelBuild) {
  HnswParameters p = small_graph_parameters();
  p.threads = 4;
  const HnswIndex<float> index(gaussian_rows<float>(500, 8, 155), p);
  index.save(path());
  const auto loaded = HnswIndex<float>::load(path());
  expect_same_searches(index, loaded);
  for (item_id id = 0; id < 500; ++id) ASSERT_EQ(loaded.row(id), index.row(id));
}

// The largest norm is recomputed while loading: it may round differently than when it was saved.
TEST_F(HnswFile, NoGoodFileIsRefusedForTheRoundingOfItsNorms) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const HnswIndex<double> index(gaussian_rows<double>(5, 3 + seed % 20, 400 + seed),
                                  small_graph_parameters(HnswGeometry::inner_product));
    index.save(path());
    ASSERT_EQ(HnswIndex<double>::load(path()).size(), 5u) << seed;
  }
}

TEST_F(HnswFile, SavingTheSameIndexGivesTheSameBytes) {
  small_graph<float>().save(path("a"));
  small_graph<float>().save(path("b"));
  EXPECT_EQ(bytes_of(path("a")), bytes_of(path("b")));
  EXPECT_FALSE(std::filesystem::exists(path("a.part")));
}

TEST_F(HnswFile, ALoadedIndexStillRefusesLongerRows) {
  small_graph<float>().save(path());
  auto loaded = HnswIndex<float>::load(path());
  EXPECT_EQ(message_of<std::invalid_argument>([&] {
              loaded.add(RowMatrix<float>::Constant(1, 8, 100.0f));
            }).find("lazygumbel: rows.row(0).norm() = 282.8"),
            0u);
  EXPECT_EQ(loaded.size(), 200u);
}

TEST_F(HnswFile, OverwritesAnOlderFile) {
  small_graph<float>().save(path());
  HnswIndex<float>(gaussian_rows<float>(7, 3, 156)).save(path());
  EXPECT_EQ(HnswIndex<float>::load(path()).size(), 7u);
}

TEST_F(HnswFile, AMissingFolderIsAFileError) {
  const auto where = path("missing") / "index.lzg";
  EXPECT_EQ(message_of<file_error>([&] { small_graph<float>().save(where); }),
            "lazygumbel: cannot write " + where.string() + ".part");
  EXPECT_EQ(message_of<file_error>([&] { HnswIndex<float>::load(where); }),
            "lazygumbel: " + where.string() + " cannot be read");
}

TEST_F(HnswFile, AFailedSaveKeepsTheOldFile) {
  small_graph<float>().save(path());
  const Bytes old = bytes_of(path());
  std::filesystem::create_directory(path("index.lzg.part"));  // in the way of the new file
  EXPECT_THROW(HnswIndex<float>(gaussian_rows<float>(7, 3, 157)).save(path()), file_error);
  EXPECT_EQ(bytes_of(path()), old);
}

TEST_F(HnswFile, AFullDiskKeepsTheOldFile) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full on this system";
  small_graph<float>().save(path());
  const Bytes old = bytes_of(path());
  std::filesystem::create_symlink("/dev/full", path("index.lzg.part"));
  const std::string message = message_of<file_error>(
      [&] { HnswIndex<float>(gaussian_rows<float>(7, 3, 158)).save(path()); });
  EXPECT_NE(message.find("failed (disk full?)"), std::string::npos) << message;
  EXPECT_EQ(bytes_of(path()), old);
  EXPECT_FALSE(std::filesystem::is_symlink(path("index.lzg.part"))) << "the part is removed";
}

TEST_F(HnswFile, AFolderInPlaceOfTheFileIsAFileError) {
  std::filesystem::create_directories(path() / "inside");
  EXPECT_EQ(message_of<file_error>([&] { small_graph<float>().save(path()); }),
            "lazygumbel: cannot replace " + path().string());
  EXPECT_FALSE(std::filesystem::exists(path("index.lzg.part")));
  EXPECT_THROW(HnswIndex<float>::load(path()), file_error);
}

// Wrong files. The layout is documented in hnsw_file.hpp; `HnswBytes` knows it too.

/// A saved index whose numbers can be changed.
struct HnswBytes {
  static constexpr std::size_t version = 8, scalar = 12, dimension = 16, count = 24, links = 32,
                               ef_construction = 40, ef = 48, geometry = 64, entry = 68,
                               top_level = 72, norm_bound = 76, max_norm = 84, nodes = 92;

  /// Where the parts of one node begin.
  struct Node {
    std::size_t id, level, row;
    std::vector<std::size_t> lists;  // of each level: the number of links, then the links
  };

  Bytes bytes;
  std::vector<Node> all;

  /// `width`: floats a stored row.
  HnswBytes(Bytes saved, std::size_t width) : bytes(std::move(saved)) {
    std::size_t at = nodes;
    for (std::uint64_t i = 0; i < get<std::uint64_t>(count); ++i) {
      Node node{at, at + 4, at + 8, {}};
      at += 8 + 4 * width;
      for (std::uint32_t level = 0; level <= get<std::uint32_t>(node.level); ++level) {
        node.lists.push_back(at);
        at += 4 + 4 * std::size_t{get<std::uint32_t>(at)};
      }
      all.push_back(node);
    }
    EXPECT_EQ(at + 8, bytes.size());
  }

  template <class Number>
  Number get(std::size_t at) const {
    Number number;
    std::memcpy(&number, bytes.data() + at, sizeof number);
    return number;
  }
  template <class Number>
  void put(std::size_t at, Number number) {
    std::memcpy(bytes.data() + at, &number, sizeof number);
  }

  Bytes sealed() const { return with_checksum(bytes); }

  /// The first node with a level above 0.
  const Node& tall() const {
    return *std::find_if(all.begin(), all.end(),
                         [&](const Node& node) { return node.lists.size() > 1; });
  }
};

class HnswForgery : public HnswFile {
 protected:
  void SetUp() override {
    small_graph<float>().save(path("good"));
    good = bytes_of(path("good"));
  }

  /// What load says to the good file after `change`, with a right checksum.
  std::string after(const std::function<void(HnswBytes&)>& change) const {
    HnswBytes forgery(good, 9);
    change(forgery);
    return complaint(forgery.sealed());
  }

  Bytes good;
};

TEST_F(HnswForgery, AnUnchangedFileIsTaken) {
  EXPECT_EQ(after([](HnswBytes&) {}), "(nothing was thrown)");
  EXPECT_EQ(HnswBytes(good, 9).sealed(), good);
}

TEST_F(HnswForgery, ForeignFiles) {
  EXPECT_EQ(complaint({}), "is truncated");
  EXPECT_EQ(complaint({'h', 'e', 'l', 'l', 'o'}), "is truncated");
  EXPECT_EQ(complaint(Bytes(1000, 'x')), "is not a lazygumbel HNSW index");
  EXPECT_EQ(complaint(Bytes(1000, 0)), "is not a lazygumbel HNSW index");
  EXPECT_EQ(complaint<double>(good), "holds scalars of 4 bytes, not 8");
  small_graph<double>().save(path("double"));
  EXPECT_EQ(complaint<float>(bytes_of(path("double"))), "holds scalars of 8 bytes, not 4");
}

TEST_F(HnswForgery, OtherVersions) {
  for (const std::uint32_t version : {0u, 2u, 0xffffffffu})
    EXPECT_EQ(
        after([&](HnswBytes& f) { f.put(HnswBytes::version, version); }),
        "has format version " + lazygumbel::detail::text_of(version) + ", this library reads 1");
}

TEST_F(HnswForgery, BytesAfterTheEnd) {
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_EQ(complaint(longer), "has 1 bytes too many");
  longer = good;
  longer.insert(longer.end(), good.begin(), good.end());
  EXPECT_NE(complaint(longer).find("bytes too many"), std::string::npos);
}

TEST_F(HnswForgery, AWrongChecksum) {
  Bytes wrong = good;
  wrong.back() ^= 1;
  EXPECT_EQ(complaint(wrong), "is corrupted: its checksum does not match");
}

TEST_F(HnswForgery, SizesThatDoNotFitTheFile) {
  for (const std::size_t field : {HnswBytes::dimension, HnswBytes::count})
    for (const std::uint64_t value :
         {std::uint64_t{0}, std::uint64_t{1} << 20, std::uint64_t{1} << 32, std::uint64_t{1} << 62,
          ~std::uint64_t{0}}) {
      const std::string text = after([&](HnswBytes& f) { f.put(field, value); });
      EXPECT_EQ(text.find("is corrupted: "), 0u) << text;
      EXPECT_NE(text.find(" do not fit it"), std::string::npos) << text;
    }
  // Sizes that fit, but are not those of the rows that follow: never a crash, always an error.
  for (std::uint64_t dimension = 1; dimension < 30; ++dimension) {
    if (dimension == 8) continue;
    EXPECT_NE(after([&](HnswBytes& f) { f.put(HnswBytes::dimension, dimension); }),
              "(nothing was thrown)");
  }
  for (const std::uint64_t count : {1, 199, 201, 210})
    EXPECT_NE(after([&](HnswBytes& f) { f.put(HnswBytes::count, count); }), "(nothing was thrown)");
}

TEST_F(HnswForgery, ParametersOutOfRange) {
  const std::string expected = "is corrupted: its parameters are out of range";
  const auto with = [&](std::size_t field, std::uint64_t value) {
    return after([&](HnswBytes& f) { f.put(field, value); });
  };
  for (const std::uint64_t M :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{10001}, ~std::uint64_t{0}})
    EXPECT_EQ(with(HnswBytes::links, M), expected);
  EXPECT_EQ(with(HnswBytes::ef_construction, 0), expected);
  EXPECT_EQ(with(HnswBytes::ef, 0), expected);
  for (const std::uint32_t geometry : {2u, 3u, 0xffffffffu})
    EXPECT_EQ(after([&](HnswBytes& f) { f.put(HnswBytes::geometry, geometry); }), expected);
  // The other geometry stores rows of another width.
  EXPECT_NE(after([](HnswBytes& f) { f.put(HnswBytes::geometry, 0u); }), "(nothing was thrown)");
  // Fewer links a node than the lists that follow hold.
  EXPECT_NE(with(HnswBytes::links, 2).find("is corrupted: a node has "), std::string::npos);
}

TEST_F(HnswForgery, LinksOutOfRange) {
  for (const std::uint32_t to : {200u, 0xffffffffu}) {
    const std::string expected =
        "is corrupted: a link leads to row " + lazygumbel::detail::text_of(to);
    EXPECT_EQ(after([&](HnswBytes& f) { f.put(f.all[3].lists[0] + 4, to); }), expected);
    EXPECT_EQ(after([&](HnswBytes& f) { f.put(f.all[199].lists[0] + 4, to); }), expected);
    EXPECT_EQ(after([&](HnswBytes& f) { f.put(f.tall().lists[1] + 4, to); }), expected);
  }
}

TEST_F(HnswForgery, TooManyLinks) {
  EXPECT_EQ(after([](HnswBytes& f) { f.put(f.all[0].lists[0], 9u); }),
            "is corrupted: a node has 9 links");
  EXPECT_EQ(after([](HnswBytes& f) { f.put(f.tall().lists[1], 5u); }),
            "is corrupted: a node has 5 links");
  EXPECT_EQ(after([](HnswBytes& f) { f.put(f.all[0].lists[0], 0xffffffffu); }),
            "is corrupted: a node has 4294967295 links");
}

TEST_F(HnswForgery, LevelsThatDoNotMatch) {
  EXPECT_EQ(after([](HnswBytes& f) { f.put(f.all[5].level, 65u); }),
            "is corrupted: a node has level 65");
  EXPECT_EQ(after([](HnswBytes& f) { f.put(f.all[5].level, 0xffffffffu); }),
            "is corrupted: a node has level 4294967295");
  EXPECT_NE(
      after([](HnswBytes& f) { f.put(f.all[5].level, f.get<std::uint32_t>(f.all[5].level) + 1); }),
      "(nothing was thrown)");
  // An upper link to a row that does not reach so high.
  EXPECT_EQ(after([](HnswBytes& f) {
              std::uint32_t low = 0;
              while (f.all[low].lists.size() > 1) ++low;
              f.put(f.tall().lists[1] + 4, low);
            }),
            "is corrupted: a link leads above a node's level");
}

TEST_F(HnswForgery, IdsThatAreNoNumbering) {
  EXPECT_EQ(after([](HnswBytes& f) { f.put(f.all[5].id, f.get<std::uint32_t>(f.all[4].id)); }),
            "is corrupted: id 4 is out of range or stands twice");
  EXPECT_EQ(after([](HnswBytes& f) { f.put(f.all[5].id, 200u); }),
            "is corrupted: id 200 is out of range or stands twice");
}

TEST_F(HnswForgery, WrongEntryPoint) {
  const std::string expected = "is corrupted: its entry point is not on the top level";
  for (const std::uint32_t entry : {200u, 0xffffffffu})
    EXPECT_EQ(after([&](HnswBytes& f) { f.put(HnswBytes::entry, entry); }), expected);
  for (const std::int32_t level : {-1, 0, 63, std::numeric_limits<std::int32_t>::max()})
    EXPECT_EQ(after([&](HnswBytes& f) { f.put(HnswBytes::top_level, level); }), expected) << level;
  EXPECT_EQ(after([](HnswBytes& f) {
              std::uint32_t low = 0;
              while (f.all[low].lists.size() > 1) ++low;
              f.put(HnswBytes::entry, low);
            }),
            expected);
}

TEST_F(HnswForgery, RowsThatAreNotFinite) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()})
    for (const std::size_t entry : {0, 7, 8})  // 8: the coordinate that the reduction appended
      EXPECT_EQ(after([&](HnswBytes& f) { f.put(f.all[42].row + 4 * entry, bad); }),
                "is corrupted: a row holds " + lazygumbel::detail::text_of(bad));
}

TEST_F(HnswForgery, NormsThatDoNotMatch) {
  const std::string expected = "is corrupted: its norms do not match its rows";
  for (const double norm : {0.0, -1.0, nan, infinity})
    EXPECT_EQ(after([&](HnswBytes& f) { f.put(HnswBytes::max_norm, norm); }), expected) << norm;
  for (const double bound : {-1.0, nan, infinity})
    EXPECT_EQ(after([&](HnswBytes& f) { f.put(HnswBytes::norm_bound, bound); }), expected) << bound;
  // A longer row than the largest norm said: queries could overflow unseen.
  EXPECT_EQ(after([](HnswBytes& f) { f.put(f.all[1].row, 1e6f); }), expected);
}

// Seeded. A prefix of the file never has the right checksum at its end.
TEST_F(HnswForgery, AThousandTruncations) {
  PhiloxEngine engine(161);
  for (int round = 0; round < 1000; ++round) {
    const std::size_t kept = round < 100
                                 ? static_cast<std::size_t>(round)  // all through the header
                                 : uniform_index(static_cast<std::uint32_t>(good.size()), engine);
    const std::string text =
        complaint(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(kept)));
    ASSERT_TRUE(text.rfind("is ", 0) == 0) << kept << " bytes: " << text;
  }
}

// Seeded. FNV-1a maps files that differ in one byte to different values, so no flip passes.
TEST_F(HnswForgery, AThousandBitFlips) {
  PhiloxEngine engine(162);
  for (int round = 0; round < 1000; ++round) {
    const std::uint32_t bit =
        round < 400 ? 2 * static_cast<std::uint32_t>(round)  // half of the header's bits and more
                    : uniform_index(static_cast<std::uint32_t>(8 * good.size()), engine);
    Bytes flipped = good;
    flipped[bit / 8] = static_cast<unsigned char>(flipped[bit / 8] ^ (1u << bit % 8));
    const std::string text = complaint(flipped);
    ASSERT_TRUE(text.rfind("is ", 0) == 0 || text.rfind("has ", 0) == 0 ||
                text.rfind("holds ", 0) == 0)
        << "bit " << bit << ": " << text;
  }
}

// Random bytes in place of one, with a right checksum: an error or a sound index, never a crash.
TEST_F(HnswForgery, AThousandForgedBytes) {
  PhiloxEngine engine(163);
  for (int round = 0; round < 1000; ++round) {
    HnswBytes forgery(good, 9);
    const std::uint32_t at = uniform_index(static_cast<std::uint32_t>(good.size()), engine);
    forgery.bytes[at] = static_cast<unsigned char>(engine());
    write_bytes(path(), forgery.sealed());
    try {
      auto index = HnswIndex<float>::load(path());
      Retrieval found;
      index.search(gaussian_query<float>(index.dimension(), 164), 20, found);
      for (const item_id id : found.ids) ASSERT_LT(id, index.size());
    } catch (const file_error&) {
    }
  }
}

}  // namespace
}  // namespace lazygumbel::testing
