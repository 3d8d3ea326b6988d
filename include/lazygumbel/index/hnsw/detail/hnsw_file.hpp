#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/core/detail/binary_file.hpp"
#include "lazygumbel/index/hnsw/detail/hnsw_graph.hpp"

/// \file
/// The file format of HnswIndex, version 1. hnswlib's own format has neither version nor checksum
/// and is trusted when read; this one is written from its graph and checked number by number.
/// header: "LZGHNSW1", u32 version, u32 sizeof(Scalar), u64 dimension, count, M, ef_construction,
/// ef, seed, u32 geometry, u32 entry place, i32 top level, f64 norm bound, f64 largest norm;
/// then for each place: u32 id, u32 level, the stored row, and for levels 0 .. level: u32 number
/// of links, u32 places; then u64 FNV-1a checksum of all before it.

namespace lazygumbel::detail {

struct HnswHeader {
  std::size_t dimension = 0;
  double max_norm = 0.0;
  HnswParameters parameters;
};

inline constexpr std::array<char, 8> hnsw_magic = {'L', 'Z', 'G', 'H', 'N', 'S', 'W', '1'};
inline constexpr std::uint32_t hnsw_version = 1;

template <class Scalar>
void save_hnsw(const std::filesystem::path& path, const HnswGraph<Scalar>& graph,
               const HnswHeader& header) {
  const auto& engine = graph.engine();
  const HnswParameters& p = header.parameters;
  BinaryWriter out(path);
  out.put(hnsw_magic);
  out.put(hnsw_version);
  out.put(static_cast<std::uint32_t>(sizeof(Scalar)));
  for (const std::uint64_t number :
       {std::uint64_t{header.dimension}, std::uint64_t{graph.size()}, std::uint64_t{p.M},
        std::uint64_t{p.ef_construction}, std::uint64_t{p.ef}, p.seed})
    out.put(number);
  out.put(static_cast<std::uint32_t>(p.geometry));
  out.put(static_cast<std::uint32_t>(engine.enterpoint_node_));
  out.put(static_cast<std::int32_t>(engine.maxlevel_));
  out.put(p.norm_bound);
  out.put(header.max_norm);
  for (hnswlib::tableint place = 0; place < graph.size(); ++place) {
    const int level = engine.element_levels_[place];
    out.put(static_cast<std::uint32_t>(engine.getExternalLabel(place)));
    out.put(static_cast<std::uint32_t>(level));
    out.put(std::span<const Scalar>(HnswGraph<Scalar>::values(engine.getDataByInternalId(place)),
                                    graph.width()));
    for (int l = 0; l <= level; ++l) {
      auto* const links = engine.get_linklist_at_level(place, l);
      const std::uint32_t count = engine.getListCount(links);
      out.put(count);
      out.put(std::span<const hnswlib::tableint>(links + 1, count));
    }
  }
  out.finish();
}

namespace hnsw_reading {

/// The header, every field in range for a file of this size.
template <class Scalar>
std::pair<HnswHeader, std::uint64_t> read_header(BinaryReader& in) {
  if (in.get<std::array<char, 8>>() != hnsw_magic) in.fail("is not a lazygumbel HNSW index");
  if (const auto version = in.get<std::uint32_t>(); version != hnsw_version)
    in.fail("has format version " + text_of(version) + ", this library reads 1");
  if (const auto bytes = in.get<std::uint32_t>(); bytes != sizeof(Scalar))
    in.fail("holds scalars of " + text_of(bytes) + " bytes, not " + text_of(sizeof(Scalar)));
  HnswHeader header;
  header.dimension = in.get<std::uint64_t>();
  const auto count = in.get<std::uint64_t>();
  HnswParameters& p = header.parameters;
  p.M = in.get<std::uint64_t>();
  p.ef_construction = in.get<std::uint64_t>();
  p.ef = in.get<std::uint64_t>();
  p.seed = in.get<std::uint64_t>();
  p.geometry = HnswGeometry{in.get<std::uint32_t>()};
  // Everything is held against the file's size before memory is taken for it.
  if (header.dimension == 0 || count == 0 || header.dimension > in.left() / sizeof(Scalar) ||
      count > in.left() / (header.dimension * sizeof(Scalar) + 12) ||
      count > (std::numeric_limits<item_id>::max)())
    in.fail("is corrupted: " + text_of(count) + " rows of dimension " + text_of(header.dimension) +
            " do not fit it");
  if (p.M < 2 || p.M > 10000 || p.ef_construction < 1 || p.ef < 1 ||
      p.geometry >= HnswGeometry::automatic)
    in.fail("is corrupted: its parameters are out of range");
  return {header, count};
}

/// Where the graph is entered, and norms.
template <class Scalar>
EntryPoint read_rest(BinaryReader& in, HnswHeader& header) {
  EntryPoint entry{};
  entry.place = in.get<std::uint32_t>();
  entry.level = in.get<std::int32_t>();
  header.parameters.norm_bound = in.get<double>();
  header.max_norm = in.get<double>();
  return entry;
}

/// The links of one level: at most `most`, all below `count`. Fills `places`.
inline std::span<const std::uint32_t> read_links(BinaryReader& in, std::size_t most,
                                                 std::uint64_t count,
                                                 std::vector<std::uint32_t>& places) {
  const auto links = in.get<std::uint32_t>();
  if (links > most || links >= count)
    in.fail("is corrupted: a node has " + text_of(links) + " links");
  if (links > in.left() / sizeof(std::uint32_t)) in.fail("is truncated");
  places.resize((std::max)(places.size(), std::size_t{links}));
  const std::span<std::uint32_t> read(places.data(), links);
  in.get(read);
  for (const auto place : read)
    if (place >= count) in.fail("is corrupted: a link leads to row " + text_of(place));
  return read;
}

/// The links that a node needs room for, as hnswlib counts them: half of those on level 0 and all
/// on the others. Reads the file up to its checksum, in the memory of a row and a node's links, so
/// that damage shows before memory is taken for the graph.
template <class Scalar>
std::size_t room_for_links(const std::filesystem::path& path) {
  BinaryReader in(path);
  auto [header, count] = read_header<Scalar>(in);
  read_rest<Scalar>(in, header);
  const HnswParameters& p = header.parameters;
  std::vector<Scalar> row(header.dimension + (p.geometry == HnswGeometry::l2_reduction ? 1 : 0));
  std::vector<std::uint32_t> places;
  std::size_t room = 2;
  for (std::uint64_t place = 0; place < count; ++place) {
    static_cast<void>(in.get<std::uint32_t>());  // its id
    const auto level = in.get<std::uint32_t>();
    if (level > 64) in.fail("is corrupted: a node has level " + text_of(level));
    in.get(std::span<Scalar>(row));
    for (std::uint32_t l = 0; l <= level; ++l) {
      const std::size_t links = read_links(in, l == 0 ? 2 * p.M : p.M, count, places).size();
      room = (std::max)(room, l == 0 ? (links + 1) / 2 : links);
    }
  }
  in.finish();
  return (std::min)(room, p.M);
}

/// Reads the node at `place`; the engine owns it from here on, also when a later read fails.
template <class Scalar>
void read_node(BinaryReader& in, HnswGraph<Scalar>& graph, std::uint64_t count,
               hnswlib::tableint place, std::vector<std::uint32_t>& links) {
  auto& engine = graph.engine();
  const auto id = in.get<std::uint32_t>();
  const auto level = in.get<std::uint32_t>();
  if (id >= count || engine.label_lookup_.contains(id))
    in.fail("is corrupted: id " + text_of(id) + " is out of range or stands twice");
  if (level > 64) in.fail("is corrupted: a node has level " + text_of(level));
  open_node(engine, place, id, static_cast<int>(level));
  engine.label_lookup_[id] = place;
  const std::span<Scalar> row(HnswGraph<Scalar>::values(engine.getDataByInternalId(place)),
                              graph.width());
  in.get(row);
  for (const Scalar x : row)
    if (!std::isfinite(x)) in.fail("is corrupted: a row holds " + text_of(x));
  for (int l = 0; l <= static_cast<int>(level); ++l) {
    const auto read = read_links(in, l == 0 ? engine.maxM0_ : engine.maxM_, count, links);
    auto* const list = links_of(engine, place, l);
    std::copy(read.begin(), read.end(), list + 1);
    engine.setListCount(list, static_cast<unsigned short>(read.size()));
  }
}

}  // namespace hnsw_reading

template <class Scalar>
std::pair<HnswHeader, HnswGraph<Scalar>> load_hnsw(const std::filesystem::path& path) {
  const std::size_t room = hnsw_reading::room_for_links<Scalar>(path);
  BinaryReader in(path);
  auto [header, count] = hnsw_reading::read_header<Scalar>(in);
  const auto [entry, top_level] = hnsw_reading::read_rest<Scalar>(in, header);
  const bool extended = header.parameters.geometry == HnswGeometry::l2_reduction;
  HnswGraph<Scalar> graph(header.dimension + (extended ? 1 : 0), count, header.parameters, room);
  std::vector<std::uint32_t> links;
  for (hnswlib::tableint place = 0; place < count; ++place)
    hnsw_reading::read_node(in, graph, count, place, links);
  in.finish();

  // The checksum holds. What is left are files made wrong on purpose.
  auto& engine = graph.engine();
  if (entry >= count || top_level != engine.element_levels_[entry])
    in.fail("is corrupted: its entry point is not on the top level");
  for (hnswlib::tableint place = 0; place < count; ++place)
    for (int l = 1; l <= engine.element_levels_[place]; ++l) {
      auto* const list = engine.get_linklist(place, l);
      for (unsigned short i = 1; i <= engine.getListCount(list); ++i)
        if (engine.element_levels_[list[i]] < l)
          in.fail("is corrupted: a link leads above a node's level");
    }
  double largest = 0.0;
  for (hnswlib::tableint place = 0; place < count; ++place) {
    const auto* const row = HnswGraph<Scalar>::values(engine.getDataByInternalId(place));
    largest = (std::max)(
        largest, Eigen::Map<const Vector<Scalar>>(row, static_cast<Eigen::Index>(header.dimension))
                     .template cast<double>()
                     .stableNorm());
  }
  // The norms were taken in another order of summation: equal up to rounding.
  if (!(header.max_norm >= largest * (1.0 - 1e-9)) || !(header.parameters.norm_bound >= 0.0) ||
      !std::isfinite(header.max_norm) || !std::isfinite(header.parameters.norm_bound))
    in.fail("is corrupted: its norms do not match its rows");
  engine.enterpoint_node_ = entry;
  engine.maxlevel_ = top_level;
  graph.expect_norm(extended ? header.parameters.norm_bound : header.max_norm);
  graph.refresh();
  return {header, std::move(graph)};
}

}  // namespace lazygumbel::detail
