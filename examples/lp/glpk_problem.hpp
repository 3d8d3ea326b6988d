#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "linear_program.hpp"

struct glp_prob;

namespace private_lp {

enum class Format { automatic, lp, mps, fixed_mps };

/// What a solver says of a program. NOT PRIVATE: it looks at the bounds without any noise.
struct Optimum {
  enum class Status { optimal, infeasible, unbounded } status = Status::optimal;
  double value = 0.0;  ///< where optimal
};

/// A problem of GLPK. What GLPK would print is kept for the messages of exceptions; an error inside
/// it, which would abort the program, becomes a std::runtime_error, after which GLPK is not used
/// any more. GLPK's state is one for each thread.
class GlpkProblem {
 public:
  /// Reads a file. Format::automatic goes by the name: .lp, .mps (free form). An entry for the
  /// objective in the RHS section of an MPS file is minus its constant (CPLEX's convention).
  /// \throws std::runtime_error no readable file, nothing of that format, or what unsupported.hpp
  ///         lists; the message names the file and the line, and quotes no right-hand side.
  static GlpkProblem read(const std::filesystem::path& path, Format format);

  /// Reads a problem in CPLEX LP format from memory, through a temporary file.
  static GlpkProblem read_text(const std::string& text);

  /// min t such that A x - t <= b, <c, x> = value, x >= 0: the least violation of any point of the
  /// region.
  static GlpkProblem least_violation(const LinearProgram& program, double value);

  /// The form that a private solver takes. \throws std::runtime_error what it cannot take, and what
  /// to do about it.
  LinearProgram program() const;

  /// By the simplex method; integer columns are relaxed. \throws std::runtime_error when the solver
  /// gives up.
  Optimum solve();

 private:
  struct Delete {
    void operator()(glp_prob* problem) const noexcept;
  };

  GlpkProblem();

  std::unique_ptr<glp_prob, Delete> problem_;
};

}  // namespace private_lp
