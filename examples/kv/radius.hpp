#pragma once

#include <cstddef>
#include <datasets.hpp>

namespace kv_tools {

/// The radius of clusters where none is given. Of 2,048 keys, evenly taken from the stream, the
/// distance of each to its nearest other: 1.6 times the median of these.
///
/// Where keys lie in clusters that have several of the sample, that is about 1.6 times the distance
/// of two keys of a cluster, and its first key represents all of it; half of the keys may be as
/// lone as they like. Where most keys are repeated, as words are in a text, it is 0: each distinct
/// key is a cluster. Where keys do not cluster, all are about equally far from one another, and it
/// covers most of them: a few clusters hold nearly everything, a sample that is hardly stratified.
/// Queries and scores are not looked at. O(2048^2 d).
double pick_radius(const lazygumbel_datasets::Matrix& keys);

/// The clusters that the keys form, one after the other, as SubGenCache forms them, counted up to
/// `most`. O(n most d).
std::size_t count_clusters(const lazygumbel_datasets::Matrix& keys, double radius,
                           std::size_t most);

}  // namespace kv_tools
