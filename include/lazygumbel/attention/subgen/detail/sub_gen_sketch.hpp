#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lazygumbel/attention/cache/detail/kv_file.hpp"
#include "lazygumbel/attention/exact/attention_options.hpp"
#include "lazygumbel/attention/subgen/detail/sketch_error.hpp"
#include "lazygumbel/attention/subgen/detail/sketch_estimate.hpp"
#include "lazygumbel/random/philox.hpp"

namespace lazygumbel::detail {

/// What a SubGenCache keeps of the tokens of one kv head that it does not keep exactly.
template <StorageScalar T>
class SubGenSketch {
 public:
  /// Precondition: options are in range.
  SubGenSketch(std::size_t d, std::size_t dv, const SubGenOptions& options, PhiloxEngine engine)
      : estimator_(options.estimator),
        surprise_(-std::log(0.5 * options.error_probability)),
        engine_(engine),
        clusters_(d, stratified() ? dv : 0, estimator_ == SubGenEstimator::centred,
                  options.samples_per_cluster, options.radius, options.max_clusters, best_simd()),
        slots_(d, dv, uniform_slots(options),
               stratified() ? 0 : options.slots - uniform_slots(options)) {
    sums_.value_sum.assign(dv, 0.0);
  }

  std::size_t tokens() const noexcept { return sums_.tokens; }
  const KeyClusters<T>& clusters() const noexcept { return clusters_; }
  const ValueSlots<T>& slots() const noexcept { return slots_; }
  const TokenSums& sums() const noexcept { return sums_; }

  /// Makes room for a token with this key, of which the `add` has to follow and cannot throw. When
  /// memory runs out, nothing has changed.
  void prepare(const T* key) {
    clusters_.prepare(key);
    slots_.make_room();
  }

  /// Precondition: `prepare` of this key came last.
  void add(const T* key, const T* value) {
    clusters_.add(key, value, engine_);
    ++sums_.tokens;
    double square = 0.0;
    for (std::size_t i = 0; i < sums_.value_sum.size(); ++i) {
      const auto x = static_cast<double>(value[i]);
      square += x * x;
      if (!stratified()) sums_.value_sum[i] += x;
    }
    sums_.largest = (std::max)(sums_.largest, std::sqrt(square));
    if (stratified()) return;
    sums_.squares += square;
    slots_.add(key, value, engine_);
  }

  /// Precondition: the same shapes and options; another engine.
  void merge(const SubGenSketch& later) {
    clusters_.merge(later.clusters_, engine_);
    if (!stratified()) slots_.merge(later.slots_, engine_);
    sums_.tokens += later.sums_.tokens;
    sums_.largest = (std::max)(sums_.largest, later.sums_.largest);
    sums_.squares += later.sums_.squares;
    for (std::size_t i = 0; i < sums_.value_sum.size(); ++i)
      sums_.value_sum[i] += later.sums_.value_sum[i];
  }

  /// For a query as `pad_query` makes it, of norm `norm`. Leaves o^ in work.output, and what
  /// `error` needs. Precondition: tokens() > 0.
  SketchRow estimate(const float* query, double norm, const AttentionOptions& options,
                     SketchWork& work) const {
    const SketchKernels<T>& kernels = select<SketchKernels<T>>(options.simd);
    const auto softcap = static_cast<float>(options.softcap);
    SketchRow row;
    row.normaliser = estimate_normaliser(clusters_, kernels, query, norm, softcap, surprise_,
                                         select<SketchKernels<float>>(options.simd), work);
    row.log_sum = row.normaliser.largest + std::log(row.normaliser.sum);
    row.rows_read = clusters_.keys().rows() + slots_.filled();
    if (stratified())
      estimate_stratified(clusters_, kernels, norm, sums_.tokens, row, work);
    else
      estimate_from_slots(slots_, estimator_, sums_, clusters_.dimension(), kernels, query, softcap,
                          row, work);
    return row;
  }

  /// The `sketch_error` of the last `estimate` with this `work`.
  double error(const SketchRow& row, std::span<const double> o, double share, double quantile,
               const SketchWork& work) const {
    return sketch_error<double>(row, estimator_, sums_, slots_.slots(), o, share, quantile, work);
  }

  /// The error of log Z, see sketch_log_error.
  double log_error(const SketchRow& row, double share, double quantile) const {
    return sketch_log_error(row, share, quantile);
  }

  void write(BinaryWriter& out) const {
    out.put(std::uint64_t{sums_.tokens});
    out.put(sums_.largest);
    out.put(sums_.squares);
    out.put(std::span<const double>(sums_.value_sum));
    for (const std::uint64_t number : {engine_.seed(), engine_.stream(), engine_.position()})
      out.put(number);
    out.put(std::uint64_t{clusters_.clusters().size()});
    for (std::size_t c = 0; c < clusters_.clusters().size(); ++c) {
      const auto& cluster = clusters_.clusters()[c];
      out.put(std::span<const float>(clusters_.representative(c), clusters_.dimension()));
      out.put(cluster.radius);
      out.put(
          std::span<const double>(clusters_.value_sums().row(c), clusters_.value_sums().width()));
      cluster.samples.write(out);
    }
    for (std::size_t row = 0; row < clusters_.keys().rows(); ++row) {
      out.put(clusters_.owners()[row]);
      out.put(std::span<const T>(clusters_.keys().row(row), clusters_.dimension()));
      out.put(std::span<const T>(clusters_.values().row(row), clusters_.values().width()));
    }
    slots_.uniform().write(out);
    slots_.others().write(out);
    for (std::size_t b = 0; b < slots_.filled(); ++b) {
      out.put(std::span<const T>(slots_.keys().row(b), slots_.keys().width()));
      out.put(std::span<const T>(slots_.values().row(b), slots_.values().width()));
    }
  }

  /// Fills one that is empty, made with the same shapes and options.
  void read(BinaryReader& in) {
    const auto tokens = get_count(in, "tokens of a sketch", 0, std::uint64_t{1} << 53);
    const auto is_size = [](double x) { return x >= 0.0 && std::isfinite(x); };
    sums_.largest = get_real(in, "largest value", is_size);
    sums_.squares = get_real(in, "sum of squares", is_size);
    for (double& x : sums_.value_sum) x = get_finite(in, "sum of values");
    const auto seed = in.get<std::uint64_t>(), stream = in.get<std::uint64_t>();
    engine_ = PhiloxEngine(seed, stream);
    engine_.discard(in.get<std::uint64_t>());
    read_clusters(in, tokens);
    read_slots(in, tokens);
    sums_.tokens = tokens;
  }

  std::size_t size_in_bytes() const noexcept {
    return clusters_.size_in_bytes() + slots_.size_in_bytes() +
           sums_.value_sum.capacity() * sizeof(double);
  }

 private:
  bool stratified() const noexcept { return is_stratified(estimator_); }

  /// Where weights of slots are divided by their own sum, or values are shifted, tokens of small
  /// values have to be seen: half of the slots are drawn uniformly.
  static std::size_t uniform_slots(const SubGenOptions& options) noexcept {
    const bool all = options.estimator == SubGenEstimator::self_normalised ||
                     options.estimator == SubGenEstimator::mean_shifted;
    return all ? options.slots / 2 : 0;
  }

  void read_clusters(BinaryReader& in, std::uint64_t tokens) {
    const std::size_t d = clusters_.dimension(), width = clusters_.values().width();
    const auto count = get_count(in, "clusters", 0, tokens);
    require_left(in, "clusters", count, d, sizeof(float));
    std::vector<float> representative(d);
    std::vector<double> sums(clusters_.value_sums().width());
    std::uint64_t members = 0, rows = 0;
    for (std::uint64_t c = 0; c < count; ++c) {
      get_row(in, std::span<float>(representative));
      const double radius = get_real(in, "radius of a cluster",
                                     [](double x) { return x >= 0.0 && std::isfinite(x); });
      for (double& sum : sums) sum = get_finite(in, "sum of values");
      UniformReservoir samples = UniformReservoir::read(in);
      if (samples.capacity() != clusters_.samples_per_cluster() || samples.seen() == 0 ||
          samples.seen() > tokens - members)
        in.fail("is corrupted: a cluster's sample is of " + text_of(samples.capacity()) + " of " +
                text_of(samples.seen()) + " keys");
      members += samples.seen();
      rows += samples.size();
      clusters_.restore(representative.data(), radius, sums.data(), std::move(samples));
    }
    if (members != tokens) in.fail("is corrupted: its clusters have too few keys");
    require_left(in, "samples", rows, d + width, sizeof(T));
    std::vector<T> key(d), value(width);
    for (std::uint64_t row = 0; row < rows; ++row) {
      const auto owner = in.get<std::uint32_t>();
      if (owner >= count || clusters_.is_whole(owner))
        in.fail("is corrupted: a sample belongs to cluster " + text_of(owner));
      get_row(in, std::span<T>(key));
      get_row(in, std::span<T>(value));
      clusters_.restore_row(owner, key.data(), value.data());
    }
  }

  void read_slots(BinaryReader& in, std::uint64_t tokens) {
    const std::size_t d = slots_.keys().width(), dv = slots_.values().width();
    WeightedReservoir uniform = WeightedReservoir::read(in), others = WeightedReservoir::read(in);
    if (uniform.slots() != slots_.uniform().slots() || others.slots() != slots_.others().slots())
      in.fail("is corrupted: it has " + text_of(uniform.slots()) + " + " + text_of(others.slots()) +
              " slots");
    if (uniform.slots() > 0 && uniform.total() != static_cast<double>(tokens))
      in.fail("is corrupted: its slots saw " + text_of(uniform.total()) + " tokens");
    if (others.slots() > 0 && !(std::abs(others.total() - sums_.squares) <= 1e-6 * sums_.squares &&
                                others.total() <= 1.1e60 * static_cast<double>(tokens)))
      in.fail("is corrupted: its slots saw squares of " + text_of(others.total()));
    const std::size_t filled =
        (uniform.total() > 0.0 ? uniform.slots() : 0) + (others.total() > 0.0 ? others.slots() : 0);
    require_left(in, "slots", filled, d + dv, sizeof(T));
    slots_.restore(std::move(uniform), std::move(others));
    std::vector<T> key(d), value(dv);
    for (std::size_t b = 0; b < filled; ++b) {
      get_row(in, std::span<T>(key));
      const double norm = get_row(in, std::span<T>(value));
      // One of less than 1e-30 of all squares has never been drawn.
      const double share = norm * norm / slots_.others().total();
      if (b >= slots_.uniform_slots() && !(share >= 1e-30 && share <= 1.000001))
        in.fail("is corrupted: a slot holds a value of norm " + text_of(norm));
      slots_.restore_row(key.data(), value.data());
    }
  }

  SubGenEstimator estimator_;
  double surprise_;  // -log of the probability of missing what is hidden
  PhiloxEngine engine_;
  KeyClusters<T> clusters_;
  ValueSlots<T> slots_;
  TokenSums sums_;
};

}  // namespace lazygumbel::detail
