#pragma once

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
#include "lazygumbel/index/ivf/detail/inverted_lists.hpp"
#include "lazygumbel/index/ivf/ivf_parameters.hpp"

/// \file
/// The file format of IvfIndex, version 1.
/// header: "LZGIVF_1", u32 version, u32 sizeof(Scalar), u64 dimension, count, lists, and the
/// parameters lists, probes, iterations, rows_per_list, seed; then for each list: the centroid, u32
/// number of rows, their u32 ids, the rows; then u64 FNV-1a checksum of all before it.

namespace lazygumbel::detail {

inline constexpr std::array<char, 8> ivf_magic = {'L', 'Z', 'G', 'I', 'V', 'F', '_', '1'};
inline constexpr std::uint32_t ivf_version = 1;

template <class Scalar>
void save_ivf(const std::filesystem::path& path, const InvertedLists<Scalar>& lists,
              const IvfParameters& p) {
  BinaryWriter out(path);
  out.put(ivf_magic);
  out.put(ivf_version);
  out.put(static_cast<std::uint32_t>(sizeof(Scalar)));
  for (const std::uint64_t number :
       {std::uint64_t{lists.dimension()}, std::uint64_t{lists.size()}, std::uint64_t{lists.lists()},
        std::uint64_t{p.lists}, std::uint64_t{p.probes}, std::uint64_t{p.iterations},
        std::uint64_t{p.rows_per_list}, p.seed})
    out.put(number);
  for (std::size_t g = 0; g < lists.lists(); ++g) {
    const auto items = lists.directory().items(g);
    const auto rows = lists.rows(g);
    out.put(std::span<const Scalar>(lists.centroids().row(static_cast<Eigen::Index>(g)).data(),
                                    lists.dimension()));
    out.put(static_cast<std::uint32_t>(items.size()));
    out.put(items);
    out.put(std::span<const Scalar>(rows.data(), static_cast<std::size_t>(rows.size())));
  }
  out.finish();
}

namespace ivf_reading {

/// Reads `numbers`, each finite and at most a quarter of the largest Scalar in length together.
template <class Scalar>
void read_vector(BinaryReader& in, std::span<Scalar> numbers) {
  in.get(numbers);
  const Eigen::Map<const Vector<Scalar>> vector(numbers.data(),
                                                static_cast<Eigen::Index>(numbers.size()));
  const double norm = vector.template cast<double>().stableNorm();
  if (!(norm <= 0.25 * static_cast<double>((std::numeric_limits<Scalar>::max)())))
    in.fail("is corrupted: a row or centroid has norm " + text_of(norm));
}

}  // namespace ivf_reading

template <class Scalar>
std::pair<IvfParameters, InvertedLists<Scalar>> load_ivf(const std::filesystem::path& path) {
  BinaryReader in(path);
  if (in.get<std::array<char, 8>>() != ivf_magic) in.fail("is not a lazygumbel IVF index");
  if (const auto version = in.get<std::uint32_t>(); version != ivf_version)
    in.fail("has format version " + text_of(version) + ", this library reads 1");
  if (const auto bytes = in.get<std::uint32_t>(); bytes != sizeof(Scalar))
    in.fail("holds scalars of " + text_of(bytes) + " bytes, not " + text_of(sizeof(Scalar)));
  const auto dimension = in.get<std::uint64_t>();
  const auto count = in.get<std::uint64_t>();
  const auto list_count = in.get<std::uint64_t>();
  IvfParameters p;
  p.lists = in.get<std::uint64_t>();
  p.probes = in.get<std::uint64_t>();
  p.iterations = in.get<std::uint64_t>();
  p.rows_per_list = in.get<std::uint64_t>();
  p.seed = in.get<std::uint64_t>();
  // Everything is held against the file's size before memory is taken for it.
  if (dimension == 0 || count == 0 || dimension > in.left() / sizeof(Scalar) ||
      count > in.left() / (dimension * sizeof(Scalar) + sizeof(item_id)) ||
      count > (std::numeric_limits<item_id>::max)() || list_count == 0 || list_count > count)
    in.fail("is corrupted: " + text_of(count) + " rows of dimension " + text_of(dimension) +
            " in " + text_of(list_count) + " lists do not fit it");
  if (p.iterations < 1 || p.rows_per_list < 1)
    in.fail("is corrupted: its parameters are out of range");

  InvertedLists<Scalar> lists(dimension);
  std::vector<bool> seen(count);
  std::uint64_t left = count;
  std::vector<Scalar> numbers(dimension);
  std::vector<item_id> items;
  for (std::uint64_t g = 0; g < list_count; ++g) {
    ivf_reading::read_vector<Scalar>(in, numbers);
    lists.open(numbers.data());
    const auto size = in.get<std::uint32_t>();
    if (size == 0 || size > left) in.fail("is corrupted: a list has " + text_of(size) + " rows");
    left -= size;
    items.resize(size);
    in.get(std::span<item_id>(items));
    for (const item_id id : items) {
      if (id >= count || seen[id])
        in.fail("is corrupted: id " + text_of(id) + " is out of range or stands twice");
      seen[id] = true;
    }
    lists.adopt(items, [&](std::span<Scalar> row) { ivf_reading::read_vector<Scalar>(in, row); });
  }
  if (left != 0) in.fail("is corrupted: " + text_of(left) + " rows are in no list");
  in.finish();
  return {p, std::move(lists)};
}

}  // namespace lazygumbel::detail
