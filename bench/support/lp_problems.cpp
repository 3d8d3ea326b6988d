#include "lp_problems.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "lazygumbel/random/philox.hpp"
#include "lazygumbel/random/uniform.hpp"

namespace bench {

namespace lg = lazygumbel;

LpProblem lp_problem(const std::string& kind, std::size_t m, std::size_t d, std::uint64_t seed) {
  lg::PhiloxEngine engine(seed);
  const auto uniform = [&] { return static_cast<float>(lg::open_uniform(engine)); };
  const auto rows = static_cast<Eigen::Index>(m), columns = static_cast<Eigen::Index>(d);
  LpProblem problem;
  problem.constraints.resize(rows, columns);
  lg::RowMatrix<float>& a = problem.constraints;
  if (kind == "random") {
    for (Eigen::Index i = 0; i < rows; ++i)
      for (float& entry : a.row(i)) entry = 2.0F * uniform() - 1.0F;
  } else if (kind == "structured") {
    lg::RowMatrix<float> resources(300, columns);
    for (Eigen::Index r = 0; r < resources.rows(); ++r)
      for (float& use : resources.row(r)) use = uniform() < 0.3F ? uniform() : 0.0F;
    for (Eigen::Index i = 0; i < rows; ++i)
      for (Eigen::Index j = 0; j < columns; ++j)
        a(i, j) = (std::min)(
            1.0F, resources(i % resources.rows(), j) * (1.0F + 0.1F * (2.0F * uniform() - 1.0F)));
  } else {
    throw std::invalid_argument("no problem called " + kind);
  }
  Eigen::VectorXd plan(columns);
  for (double& share : plan) share = -std::log(lg::open_uniform(engine));
  plan /= plan.sum();
  for (Eigen::Index i = 0; i < rows; ++i)
    problem.bounds.push_back(a.row(i).cast<double>().dot(plan.transpose()) +
                             0.05 * lg::open_uniform(engine));
  return problem;
}

}  // namespace bench
