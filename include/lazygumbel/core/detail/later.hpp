#pragma once

/// \file
/// How code that names no template parameter stays out of every file that includes it.
///
/// A compiler works through the body of an inline function, and through the parts of a template
/// that depend on no parameter, in each file that includes the header: all expression types of
/// Eigen and all containers and algorithms that are named there are instantiated, used or not. What
/// depends on a template parameter waits until somebody calls it. So, where it costs something
/// (more than about 10 ms of a compiler's time):
/// - a function becomes a template that nobody has to know of,
///     template <std::same_as<double> Real = double>
///     double norm_of(...),
///   and in its body types are made of Real: Vector<Real>, Eigen::ArrayX<Real>, cast<Real>();
///   a parameter to which callers pass what converts to it is a Later<VectorView<double>, Real>;
/// - a class of detail/ becomes a template in the same way;
/// - a template over something else, Index say, has `using Real = Later<double, Index>;`.
/// Nothing else changes: Real is double (or float), and every operation is the same.

namespace lazygumbel::detail {

template <class T, class... Parameters>
struct LaterOf {
  using type = T;
};

/// T, but depending on template parameters: what is made of it waits for these to be known.
template <class T, class... Parameters>
using Later = typename LaterOf<T, Parameters...>::type;

}  // namespace lazygumbel::detail
