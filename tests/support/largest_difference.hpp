#pragma once

#include <Eigen/Core>
#include <limits>

namespace lazygumbel::testing {

/// max |a - b| over the entries: NaN when one of them is NaN, infinite when the shapes differ.
/// Equal entries, infinities too, differ by 0. (Eigen's own maxCoeff may pass over NaN.)
template <class A, class B>
double largest_difference(const Eigen::DenseBase<A>& a, const Eigen::DenseBase<B>& b) {
  using Entries = Eigen::Array<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  if (a.rows() != b.rows() || a.cols() != b.cols()) return std::numeric_limits<double>::infinity();
  if (a.size() == 0) return 0.0;
  const Entries x = a.derived().array().template cast<double>();
  const Entries y = b.derived().array().template cast<double>();
  const Entries difference = (x == y).select(0.0, (x - y).abs());
  return difference.maxCoeff<Eigen::PropagateNaN>();
}

/// max |a - b| of one number b.
template <class A>
double largest_difference(const Eigen::DenseBase<A>& a, double b) {
  return largest_difference(
      a, A::PlainObject::Constant(a.rows(), a.cols(), static_cast<typename A::Scalar>(b)));
}

}  // namespace lazygumbel::testing
