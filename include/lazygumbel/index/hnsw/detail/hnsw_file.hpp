#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <new>
#include <span>
#include <utility>

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

/// Reads the links of one level into hnswlib's list: at most `capacity`, all below `count`.
template <class Engine>
void read_links(BinaryReader& in, Engine& engine, hnswlib::linklistsizeint* list,
                std::size_t capacity, std::uint64_t count) {
  const auto links = in.get<std::uint32_t>();
  if (links > capacity) in.fail("is corrupted: a node has " + text_of(links) + " links");
  const std::span<hnswlib::tableint> places(list + 1, links);
  in.get(places);
  for (const auto place : places)
    if (place >= count) in.fail("is corrupted: a link leads to row " + text_of(place));
  engine.setListCount(list, static_cast<unsigned short>(links));
}

/// Reads the node at `place`; the engine owns it from here on, also when a later read fails.
template <class Scalar>
void read_node(BinaryReader& in, HnswGraph<Scalar>& graph, std::uint64_t count,
               hnswlib::tableint place) {
  auto& engine = graph.engine();
  const auto id = in.get<std::uint32_t>();
  const auto level = in.get<std::uint32_t>();
  if (id >= count || engine.label_lookup_.contains(id))
    in.fail("is corrupted: id " + text_of(id) + " is out of range or stands twice");
  if (level > 64) in.fail("is corrupted: a node has level " + text_of(level));
  std::memset(engine.get_linklist0(place), 0, engine.size_data_per_element_);
  if (level > 0) {
    auto* const upper = static_cast<char*>(std::calloc(level, engine.size_links_per_element_));
    if (upper == nullptr) throw std::bad_alloc();
    engine.linkLists_[place] = upper;
  }
  engine.element_levels_[place] = static_cast<int>(level);
  engine.cur_element_count = place + 1u;
  engine.label_lookup_[id] = place;
  engine.setExternalLabel(place, id);
  const std::span<Scalar> row(HnswGraph<Scalar>::values(engine.getDataByInternalId(place)),
                              graph.width());
  in.get(row);
  for (const Scalar x : row)
    if (!std::isfinite(x)) in.fail("is corrupted: a row holds " + text_of(x));
  read_links(in, engine, engine.get_linklist0(place), engine.maxM0_, count);
  for (int l = 1; l <= static_cast<int>(level); ++l)
    read_links(in, engine, engine.get_linklist(place, l), engine.maxM_, count);
}

}  // namespace hnsw_reading

template <class Scalar>
std::pair<HnswHeader, HnswGraph<Scalar>> load_hnsw(const std::filesystem::path& path) {
  BinaryReader in(path);
  auto [header, count] = hnsw_reading::read_header<Scalar>(in);
  const auto entry = in.get<std::uint32_t>();
  const auto top_level = in.get<std::int32_t>();
  header.parameters.norm_bound = in.get<double>();
  header.max_norm = in.get<double>();
  const bool extended = header.parameters.geometry == HnswGeometry::l2_reduction;
  HnswGraph<Scalar> graph(header.dimension + (extended ? 1 : 0), count, header.parameters);
  for (hnswlib::tableint place = 0; place < count; ++place)
    hnsw_reading::read_node(in, graph, count, place);
  in.finish();

  // The checksum holds. What is left are files made wrong on purpose.
  auto& engine = graph.engine();
  if (entry >= count || top_level != engine.element_levels_[entry])
    in.fail("is corrupted: its entry point is not on the top level");
  for (hnswlib::tableint place = 0; place < count; ++place)
    for (int l = 1; l <= engine.element_levels_[place]; ++l) {
      auto* const links = engine.get_linklist(place, l);
      for (unsigned short i = 1; i <= engine.getListCount(links); ++i)
        if (engine.element_levels_[links[i]] < l)
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
  graph.refresh();
  return {header, std::move(graph)};
}

}  // namespace lazygumbel::detail
