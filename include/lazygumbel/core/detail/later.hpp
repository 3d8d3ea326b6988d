#pragma once

/// \file
/// How code that names no template parameter stays out of every file that includes it.
///
/// A compiler works through the body of an inline function, and through the parts of a template
/// that depend on no parameter, in each file that includes the header: expression types of Eigen,
/// containers and algorithms that are named there are instantiated, used or not. What depends on a
/// template parameter waits until somebody calls it. So, where it costs something (10 ms a file):
/// - a function or member becomes a template of which no caller has to know,
///     template <std::same_as<double> Real = double>
///     double norm_of(...),
///   which defers the functions that it calls; to defer Eigen's types too, they are made of Real:
///   Vector<Real>, Eigen::ArrayX<Real>, x.template cast<Real>(). A parameter of another type than
///   the caller's argument is a Later<VectorView<double>, Real>;
/// - a class becomes a template in the same way, BasicX behind an alias X = BasicX<double>;
/// - a template over something else, Index say, has `using Real = Later<double, Index>;`.
/// Nothing else changes: Real is double (float, item_id), and every operation is the same.

namespace lazygumbel::detail {

template <class T, class... Parameters>
struct LaterOf {
  using type = T;
};

/// T, but depending on template parameters: what is made of it waits for these to be known.
template <class T, class... Parameters>
using Later = typename LaterOf<T, Parameters...>::type;

}  // namespace lazygumbel::detail
