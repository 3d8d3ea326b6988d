#pragma once

#include <cstddef>
#include <string>

#include "lazygumbel/core/types.hpp"
#include "lazygumbel/privacy/table/histogram.hpp"

/// \file
/// Tables and queries for the benchmarks of private release.

namespace bench {

/// Adult, projected to education-num, occupation, relationship and income: 48,842 records in 2,880
/// cells. Where adult.csv is not to be found: as many made-up records over the same domain, and
/// the reason in `why`.
lazygumbel::Histogram adult_table(std::string& why);

/// Adult projected to age in 5 ranges, workclass, marital-status, relationship, race, sex, hours a
/// week in 3 ranges and income: 113,400 cells, for marginals.
lazygumbel::Histogram adult_wide_table(std::string& why);

/// m dense queries over the cells of a domain:
/// - "float_dense": logistic scores, q(x) = 1 / (1 + exp(-b - sum_a w_a(x_a))), every value of
/// every
///   attribute with a random weight: what a model's average score over the table would be;
/// - "intervals": indicators of products of random intervals, as floats;
/// - "kernels": Gaussian kernels over the attributes as ordered axes, centred anywhere, each with a
///   random (correlated) metric and a width of .15 to .75 of an axis.
lazygumbel::RowMatrix<float> dense_queries(const std::string& kind,
                                           const lazygumbel::Domain& domain, std::size_t count);

}  // namespace bench
