#include "glpk_problem.hpp"

#include <glpk.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "unsupported.hpp"

namespace private_lp {

namespace {

/// The end of what GLPK said, and where to go on after an error.
struct Watch {
  static constexpr std::size_t capacity = 4096;
  std::jmp_buf where;
  char text[capacity];
  std::size_t used = 0;
};

int keep(void* watch, const char* text) {
  Watch& to = *static_cast<Watch*>(watch);
  for (; *text != '\0'; ++text) {
    if (to.used == Watch::capacity) {
      std::memmove(to.text, to.text + Watch::capacity / 2, Watch::capacity / 2);
      to.used = Watch::capacity / 2;
    }
    to.text[to.used++] = *text;
  }
  return 1;  // nothing goes to the terminal
}

void leave(void* watch) {
  // NOLINTNEXTLINE(cert-err52-cpp): an exception would have to cross GLPK's C
  std::longjmp(static_cast<Watch*>(watch)->where, 1);
}

/// Calls call(argument) with GLPK's messages kept. False after an error inside GLPK. The frames
/// that longjmp drops are those of C functions and of `call`, which may own nothing.
bool guarded(Watch& watch, void (*call)(void*), void* argument) {
  glp_term_hook(keep, &watch);
  glp_error_hook(leave, &watch);
  const bool good = setjmp(watch.where) == 0;  // NOLINT(cert-err52-cpp)
  if (good) call(argument);
  glp_error_hook(nullptr, nullptr);
  glp_term_hook(nullptr, nullptr);
  return good;
}

/// Fit for a terminal.
std::string printable(std::string text) {
  for (char& c : text)
    if (c != '\n' && (c < ' ' || c > '~')) c = '?';
  return text;
}

/// Where a right-hand side may stand: what lies between the first quote and the last is left out if
/// it holds a digit. (A value may hold quotes itself: 1'000.)
std::string without_values(const std::string& message) {
  const std::size_t first = message.find('\''), last = message.rfind('\'');
  if (first == last) return message;
  const std::string quoted = message.substr(first, last + 1 - first);
  if (quoted.find_first_of("0123456789") == quoted.npos) return message;
  return message.substr(0, first) + "'...'" + message.substr(last + 1);
}

std::string said(const Watch& watch) { return printable({watch.text, watch.used}); }

/// The last two lines, as one: those of an error inside GLPK. What came before may be a log of
/// numbers.
std::string last_words(const Watch& watch) {
  std::istringstream lines(said(watch));
  std::string line, last, before;
  while (std::getline(lines, line))
    if (!line.empty()) before = std::exchange(last, line);
  return before + ' ' + last;
}

template <class Call>
void glpk(const std::string& what, Watch& watch, Call& call) {
  const auto forward = [](void* to) { (*static_cast<Call*>(to))(); };
  if (guarded(watch, forward, &call)) return;
  throw std::runtime_error(what + ": GLPK failed: " + without_values(last_words(watch)));
}

template <class Call>
void glpk(const std::string& what, Call&& call) {
  Watch watch;
  glpk(what, watch, call);
}

/// The last line that says where in `path` something is wrong, without the path and without what
/// may be a right-hand side.
std::string complaint_of(const Watch& watch, const std::string& path) {
  std::istringstream lines(said(watch));
  const std::string start = printable(path) + ":";
  std::string line, found = "is not understood";
  while (std::getline(lines, line))
    if (line.rfind(start, 0) == 0 && line.find(": warning:") == std::string::npos)
      found = "line " + without_values(line.substr(start.size()));
  return found;
}

std::string name_or(const char* name, const char* kind, int number) {
  return name != nullptr ? name : kind + std::to_string(number);
}

[[noreturn]] void refuse(const std::string& variable, const std::string& why) {
  throw std::runtime_error("variable '" + variable + "' " + why);
}

void require_finite(const std::string& what, double value) {
  if (!std::isfinite(value)) throw std::runtime_error(what + " is not a finite number");
}

/// Of column j: its index among the variables, or none when it is fixed.
struct Column {
  double lower = 0.0;
  int variable = -1;
};

Column take_column(glp_prob* problem, int j, LinearProgram& program) {
  const std::string name = name_or(glp_get_col_name(problem, j), "column ", j);
  const double cost = glp_get_obj_coef(problem, j);
  require_finite("the objective's coefficient of '" + name + "'", cost);
  const int type = glp_get_col_type(problem, j);
  if (type == GLP_FR || type == GLP_UP)
    refuse(name,
           "has no lower bound, but the private solver takes x >= 0 only: give it the lowest value "
           "that makes sense");
  Column column{glp_get_col_lb(problem, j), -1};
  require_finite("the lower bound of '" + name + "'", column.lower);
  program.offset += cost * column.lower;
  if (type == GLP_FX) {
    ++program.fixed;
    return column;
  }
  if (!(cost > 0.0)) {
    std::ostringstream why;
    why << "has the objective coefficient " << cost
        << ", but the private solver searches among all x >= 0 with <c, x> = value, which only "
           "c > 0 bounds: give it a small positive coefficient, put (upper bound - variable) in "
           "its "
           "place, fix it, or leave it out";
    refuse(name, why.str());
  }
  if (glp_get_col_kind(problem, j) != GLP_CV) ++program.relaxed;
  column.variable = static_cast<int>(program.variables.size());
  program.variables.push_back(name);
  program.objective.push_back(cost);
  program.shifts.push_back(column.lower);
  return column;
}

bool has_lower(int type) { return type == GLP_LO || type == GLP_DB || type == GLP_FX; }
bool has_upper(int type) { return type == GLP_UP || type == GLP_DB || type == GLP_FX; }

}  // namespace

void GlpkProblem::Delete::operator()(glp_prob* problem) const noexcept {
  if (glp_at_error() == 0) glp_delete_prob(problem);  // after an error its state is unknown
}

GlpkProblem::GlpkProblem() {
  glp_prob* made = nullptr;
  glpk("a new problem", [&made] { made = glp_create_prob(); });
  problem_.reset(made);
}

GlpkProblem GlpkProblem::read(const std::filesystem::path& path, Format format) {
  const std::string name = path.string();
  std::error_code error;
  if (!std::filesystem::exists(path, error)) throw std::runtime_error(name + ": no such file");
  if (!std::filesystem::is_regular_file(path, error))
    throw std::runtime_error(name + ": not a regular file");
  if (!std::ifstream(path, std::ios::binary))
    throw std::runtime_error(name + ": cannot be opened for reading");
  if (format == Format::automatic) {
    const std::string extension = path.extension().string();
    if (extension != ".lp" && extension != ".mps")
      throw std::runtime_error(name + ": --format lp, mps or fixed-mps has to say what it holds");
    format = extension == ".lp" ? Format::lp : Format::mps;
  }
  GlpkProblem made;
  Watch watch;
  int status = 0;
  auto call = [&status, format, problem = made.problem_.get(), file = name.c_str()] {
    status = format == Format::lp
                 ? glp_read_lp(problem, nullptr, file)
                 : glp_read_mps(problem, format == Format::mps ? GLP_MPS_FILE : GLP_MPS_DECK,
                                nullptr, file);
  };
  glpk(name, watch, call);
  if (status != 0) {
    const std::string complaint = complaint_of(watch, name);
    const std::string better = unsupported_part(path, format, complaint);
    throw std::runtime_error(name + ": " + (better.empty() ? complaint : better));
  }
  // GLPK takes an entry of RHS for the objective as its constant, everybody else as minus that.
  if (format != Format::lp) {
    const double constant = glp_get_obj_coef(made.problem_.get(), 0);
    glp_set_obj_coef(made.problem_.get(), 0, 0.0 - constant);
  }
  return made;
}

GlpkProblem GlpkProblem::read_text(const std::string& text) {
  std::string name = (std::filesystem::temp_directory_path() / "lazygumbel-XXXXXX").string();
  const int file = mkstemp(name.data());
  if (file == -1) throw std::runtime_error(name + ": cannot be made");
  close(file);
  struct Remove {
    std::string name;
    ~Remove() {
      std::error_code error;
      std::filesystem::remove(name, error);
    }
  } const remove{name};
  std::ofstream out(name, std::ios::binary);
  out << text;
  out.close();
  if (!out) throw std::runtime_error(name + ": cannot be written");
  return read(name, Format::lp);
}

GlpkProblem GlpkProblem::least_violation(const LinearProgram& program, double value) {
  GlpkProblem made;
  const auto rows = static_cast<int>(program.bounds.size()),
             columns = static_cast<int>(program.variables.size());
  std::vector<int> places(static_cast<std::size_t>(columns) + 2);
  std::vector<double> values(places.size());
  glpk("the least violation", [&, problem = made.problem_.get()] {
    glp_add_rows(problem, rows + 1);
    glp_add_cols(problem, columns + 1);
    for (int j = 1; j <= columns; ++j) glp_set_col_bnds(problem, j, GLP_LO, 0.0, 0.0);
    glp_set_col_bnds(problem, columns + 1, GLP_FR, 0.0, 0.0);
    glp_set_obj_coef(problem, columns + 1, 1.0);
    const auto set_row = [&](int i, auto&& coefficient, double last) {
      int used = 0;
      const auto take = [&](int j, double a) {
        if (a == 0.0) return;
        places[static_cast<std::size_t>(++used)] = j;
        values[static_cast<std::size_t>(used)] = a;
      };
      for (int j = 0; j < columns; ++j) take(j + 1, coefficient(j));
      take(columns + 1, last);
      glp_set_mat_row(problem, i, used, places.data(), values.data());
    };
    for (int i = 0; i < rows; ++i) {
      glp_set_row_bnds(problem, i + 1, GLP_UP, 0.0, program.bounds[static_cast<std::size_t>(i)]);
      set_row(
          i + 1, [&](int j) { return program.constraints(i, j); }, -1.0);
    }
    glp_set_row_bnds(problem, rows + 1, GLP_FX, value, value);
    set_row(
        rows + 1, [&](int j) { return program.objective[static_cast<std::size_t>(j)]; }, 0.0);
  });
  return made;
}

LinearProgram GlpkProblem::program() const {
  constexpr double most_entries = 5e7;
  glp_prob* const problem = problem_.get();
  LinearProgram program{.name = name_or(glp_get_prob_name(problem), "", 0),
                        .maximise = glp_get_obj_dir(problem) == GLP_MAX,
                        .offset = glp_get_obj_coef(problem, 0),
                        .objective_name = name_or(glp_get_obj_name(problem), "objective", 0)};
  const int columns = glp_get_num_cols(problem), rows = glp_get_num_rows(problem);
  std::vector<Column> taken;
  for (int j = 1; j <= columns; ++j) taken.push_back(take_column(problem, j, program));
  require_finite("the objective's constant", program.offset);
  if (program.variables.empty()) throw std::runtime_error("there are no variables");

  std::size_t count = 0;
  for (int i = 1; i <= rows; ++i) {
    const int type = glp_get_row_type(problem, i);
    count += static_cast<std::size_t>(has_lower(type)) + static_cast<std::size_t>(has_upper(type));
  }
  for (int j = 1; j <= columns; ++j)
    program.bound_rows += static_cast<std::size_t>(glp_get_col_type(problem, j) == GLP_DB);
  count += program.bound_rows;
  if (count == program.bound_rows) throw std::runtime_error("there are no constraints");
  if (static_cast<double>(count) * static_cast<double>(program.variables.size()) > most_entries)
    throw std::runtime_error(std::to_string(count) + " rows of " +
                             std::to_string(program.variables.size()) +
                             " variables are too many: 5e7 entries are the most");

  auto& a = program.constraints;
  a.setZero(static_cast<Eigen::Index>(count), static_cast<Eigen::Index>(program.variables.size()));
  std::vector<int> places(static_cast<std::size_t>(columns) + 1);
  std::vector<double> values(places.size());
  const auto next = [&] { return static_cast<Eigen::Index>(program.bounds.size()); };
  for (int i = 1; i <= rows; ++i) {
    const std::string name = name_or(glp_get_row_name(problem, i), "row ", i);
    const int type = glp_get_row_type(problem, i);
    if (type == GLP_FR) continue;
    const int used = glp_get_mat_row(problem, i, places.data(), values.data());
    double constant = 0.0;
    for (int k = 1; k <= used; ++k) {
      require_finite("a coefficient of '" + name + "'", values[static_cast<std::size_t>(k)]);
      constant += values[static_cast<std::size_t>(k)] *
                  taken[static_cast<std::size_t>(places[static_cast<std::size_t>(k)]) - 1].lower;
    }
    const auto add_side = [&](double sign, double bound) {
      require_finite("a bound of '" + name + "'", bound - constant);
      for (int k = 1; k <= used; ++k) {
        const Column& column =
            taken[static_cast<std::size_t>(places[static_cast<std::size_t>(k)]) - 1];
        if (column.variable >= 0)
          a(next(), column.variable) = sign * values[static_cast<std::size_t>(k)];
      }
      program.bounds.push_back(sign * (bound - constant));
    };
    if (has_upper(type)) add_side(1.0, glp_get_row_ub(problem, i));
    if (has_lower(type)) add_side(-1.0, glp_get_row_lb(problem, i));
  }
  for (int j = 1; j <= columns; ++j) {
    if (glp_get_col_type(problem, j) != GLP_DB) continue;
    const Column& column = taken[static_cast<std::size_t>(j) - 1];
    a(next(), column.variable) = 1.0;
    program.bounds.push_back(glp_get_col_ub(problem, j) - column.lower);
    require_finite(
        "the upper bound of '" + program.variables[static_cast<std::size_t>(column.variable)] + "'",
        program.bounds.back());
  }
  return program;
}

Optimum GlpkProblem::solve() {
  int failure = 0, status = 0;
  double value = 0.0;
  glpk("the simplex method", [&failure, &status, &value, problem = problem_.get()] {
    glp_scale_prob(problem, GLP_SF_AUTO);
    glp_adv_basis(problem, 0);
    glp_smcp options;
    glp_init_smcp(&options);
    options.tm_lim = 60'000;  // milliseconds
    failure = glp_simplex(problem, &options);
    status = glp_get_status(problem);
    value = glp_get_obj_val(problem);
  });
  if (failure == 0 && status == GLP_OPT) return {Optimum::Status::optimal, value};
  if (failure == 0 && status == GLP_NOFEAS) return {Optimum::Status::infeasible};
  if (failure == 0 && status == GLP_UNBND) return {Optimum::Status::unbounded};
  throw std::runtime_error("GLPK's simplex method gave up (code " + std::to_string(failure) +
                           ", status " + std::to_string(status) + ")");
}

}  // namespace private_lp
