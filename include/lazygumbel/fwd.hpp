#pragma once

/// \file
/// Names and defaults on one page: the public classes and class templates, family by family, each
/// declared and none defined. The default template arguments stand here and nowhere else.
///
/// Not here: functions; templates over a concept that would bring in the headers that it speaks of
/// (named in comments); concepts themselves; what an alias or an optional component provides.

#include <cstdint>

#include "lazygumbel/core/storage_scalar.hpp"

namespace lazygumbel {

// core: errors, parameters, sums in the log domain.
class index_error;
class file_error;
class Confidence;
class Accuracy;
enum class ErrorScale;
enum class Simd;
class LogSumExp;

// random: engines (concepts BitGenerator, SecureBitGenerator), laws.
class PhiloxEngine;
class SystemEngine;
class NotPrivateEngine;
class Categorical;
class PoissonRace;
class Ratio;

// index: what a search returns, exact scans. Over an index of one's own (concept MipsIndex):
// template <MipsIndex Inner> class ProjectedIndex.
struct Retrieval;
struct Guarantee;
struct Gap;
struct GapCalibration;
struct Proposal;
class UniformTail;
template <class Scalar = float>
class FlatIndex;
enum class ProjectionKind : std::uint32_t;
struct ProjectionOptions;

// index/quantized: certified search on codes of 4 or 8 bits.
struct ScalarQuantizedParameters;
class QuantizedTail;
class QuantizedProposals;
template <class Scalar = float>
class ScalarQuantizedIndex;

// index/ivf: inverted lists around k-means centroids.
struct KmeansParameters;
struct IvfParameters;
template <class Scalar = float>
class IvfIndex;
template <class Scalar>
class CertifiedIvfView;

// index/hnsw: graphs.
enum class HnswGeometry : std::uint32_t;
struct HnswParameters;
class MipsToL2;
template <class Scalar = float>
class HnswIndex;

// sampling: draws from the softmax. template <MipsIndex Index> class LazySampler, Envelope.
struct Trace;
struct Draw;
struct Draws;
struct RankedDraws;
struct LazySamplerOptions;
struct TuneOptions;
struct TuneTrial;
struct TuneResult;
enum class IndexKind : std::uint8_t;
struct IndexCost;
struct ChooseIndexOptions;
struct IndexChoice;

// sampling/reservoirs: samples of streams.
class UniformReservoir;
class WeightedReservoir;

// estimation: template <MipsIndex Index> class LogPartition, SoftmaxExpectation.
template <class F>
class BoundedFunction;
struct Estimate;
struct EstimateTrace;
struct VectorEstimate;
struct EstimatorOptions;
enum class Interval;

// privacy/accounting: what may be spent, and for whose protection.
enum class Accountant;
enum class Neighbours;
class Budget;
class budget_error;
struct Expense;

// privacy/noise: discrete noise on a grid.
class Grid;
class GridNoise;
enum class Answers;

// privacy/table: tables over a public domain.
class Attribute;
class Domain;
class Histogram;
class SyntheticTable;

// privacy/workload: sets of linear queries (concepts Workload, GroupedWorkload), and the index over
// one: template <Workload W> class WorkloadIndex.
struct QueryRange;
template <class Scalar = float>
class DenseWorkload;
class BitWorkload;
class BoxWorkload;
class MarginalWorkload;
class ParityWorkload;

// privacy/selection: modes. template <MipsIndex Index> class ExponentialMechanism, AbsoluteIndex.
struct Selection;
struct ExponentialMechanismOptions;
struct ScanCounts;
struct CertifiedScanOptions;
struct FullScan;
struct LazyCertified;
template <class Proposer>
struct LazyProposed;

// privacy/release: a table in, a synthetic one out. template <Workload W> class Mwem,
// template <GroupedWorkload W> class GroupMwem.
enum class ReleaseMethod;
struct ReleaseOptions;
struct Release;
struct PublicNumbers;
struct MethodHint;
struct MwemOptions;
struct MwemRound;
struct MwemResult;
struct LazyClipped;

// privacy/lp: private linear programs.
class ScaledSimplex;
enum class LpNeighbours;
struct ScalarLpOptions;
struct ScalarLpSize;
struct LazySampled;
template <class Scalar = float>
class ScalarPrivateLp;
struct ConstraintLpOptions;
class ConstraintPrivateLp;
struct LpBound;
struct LpViolation;
struct LpRound;
struct LpResult;
struct LpSearchOptions;
struct LpSearchStep;
struct LpSearchResult;

// attention/exact: views, what goes in and comes out.
template <StorageScalar T>
class HeadsView;
class AttentionMask;
struct AttentionOptions;
enum class AttentionPath : std::uint8_t;
struct AttentionRow;
struct AttentionOutput;
struct AttentionGradients;
struct GradientErrors;

// attention/cache: keys and values of a stream (concept KvCache).
template <StorageScalar T>
class KeyValueCache;
enum class SpaceRegime : std::uint8_t;
struct SpaceBound;

// attention/window: the last keys and a mass for the others.
struct ResidualMass;
struct SlidingWindowOptions;
template <StorageScalar T = float>
class SlidingWindowCache;

// attention/subgen: a sketch of clusters.
enum class SubGenEstimator : std::uint8_t;
struct SubGenOptions;
struct SubGenBounds;
template <StorageScalar T = float>
class SubGenCache;

// attention/knn: few keys for each query.
enum class KeyIndex;
struct KnnAttentionOptions;
struct AttentionTape;
template <StorageScalar T = float>
class KnnAttention;

// attention/walks (concept WalkSteps): template <MipsIndex Index> class AttentionDraws,
// AttentionSteps; template <class DrawRow> class RowSteps, constrained.
struct AttentionDrawsOptions;
struct DrawnAttention;
struct MedianOfMeansSize;
struct WalkEstimate;

}  // namespace lazygumbel
