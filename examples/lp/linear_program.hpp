#pragma once

#include <cstddef>
#include <lazygumbel/core/types.hpp>
#include <string>
#include <vector>

namespace private_lp {

/// A linear program as the private solver takes it: A x <= b, x >= 0, with an objective c > 0. Made
/// of a general one without changing what its rows are measured in:
///   low <= r x <= high   is one row for each finite side; the lower one is -r x <= -low;
///   x_j <= u_j           is a row, although that bound is public and needs no protection;
///   x_j >= l_j           is gone: the variable is x_j - l_j. Constants go over into b, and into
///                        `offset`; a fixed variable is a constant.
/// All of b counts as private, all else as public.
struct LinearProgram {
  std::string name;
  bool maximise = false;
  lazygumbel::RowMatrix<double> constraints;  ///< A
  std::vector<double> bounds;                 ///< b: PRIVATE
  std::vector<double> objective;              ///< c
  double offset = 0.0;                        ///< the file's objective is <c, x> + offset
  std::vector<std::string> variables;
  std::vector<double> shifts;  ///< l: the file's variable is x + l
  std::string objective_name;
  std::size_t relaxed = 0;     ///< integer variables, which may take any value here
  std::size_t fixed = 0;       ///< variables that were constants
  std::size_t bound_rows = 0;  ///< rows that stand for upper bounds of variables
};

}  // namespace private_lp
