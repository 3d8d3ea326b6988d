#pragma once

#include <cstddef>
#include <datasets.hpp>

namespace kv_tools {

/// The radius of clusters where none is given. Of 2,048 keys, evenly taken from the stream, the
/// distance of each to its nearest other; 1.5 times the 90% quantile of these.
///
/// Where keys lie in clusters that have several of the sample, that is 1.5 times the distance of
/// two keys of a cluster, and the first key of a cluster becomes the representative of all of it. A
/// tenth of the keys may be as lone as they like. Where keys do not cluster, all are about equally
/// far from one another; the radius then covers most of them, and a few clusters hold everything: a
/// sample that is hardly stratified. It does not look at queries or scores. O(2048^2 d).
double pick_radius(const lazygumbel_datasets::Matrix& keys);

/// The clusters that the keys form, one after the other, as SubGenCache forms them, counted up to
/// `most`. O(n most d).
std::size_t count_clusters(const lazygumbel_datasets::Matrix& keys, double radius,
                           std::size_t most);

}  // namespace kv_tools
