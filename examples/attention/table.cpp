#include "table.hpp"

#include <ostream>
#include <text.hpp>

namespace attention_tools {

using lazygumbel_tools::fixed;
using lazygumbel_tools::left;
using lazygumbel_tools::percent;
using lazygumbel_tools::right;
using lazygumbel_tools::text;

Line line_of(Method method, const Run& run, const lazygumbel::AttentionOutput& exact,
             double epsilon) {
  return {.method = name_of(method),
          .accuracy = {},
          .comparison = compare(run.output, exact, epsilon),
          .queries = static_cast<double>(run.output.values.rows()),
          .build = run.build,
          .seconds = run.seconds};
}

void print_table(std::ostream& out, const std::vector<Line>& lines, double epsilon) {
  const bool classifier = lines.front().accuracy.has_value(), built = lines.back().build > 0.0;
  const auto total = [](const Line& line) { return line.build + line.seconds; };
  out << "  method          " << (classifier ? " accuracy" : "") << " mean error  greatest"
      << (built ? "   build s" : "") << "   seconds  us a query    faster  rows a query"
      << "  done exactly  beyond " << percent(epsilon, 0) << "\n";
  for (const Line& line : lines) {
    const bool exact = &line == &lines.front();
    const Comparison& c = line.comparison;
    out << "  " << left(line.method, 16);
    if (classifier) out << right(percent(*line.accuracy, 2), 9);
    out << right(exact ? "-" : percent(c.mean, 2), 11)
        << right(exact ? "-" : percent(c.greatest, 1), 10);
    if (built) out << right(exact ? "-" : fixed(line.build, 3), 10);
    out << right(fixed(line.seconds, 3), 10)
        << right(text(1e6 * line.seconds / line.queries, 4), 12)
        << right(exact ? "-" : text(total(lines.front()) / total(line), 3) + " x", 10)
        << right(fixed(c.keys, 0), 14)
        << right(&line == &lines.back() ? percent(c.exact_share, 0) : "-", 14)
        << right(exact ? "-" : percent(c.beyond_share, 1), 11) << '\n';
  }
}

}  // namespace attention_tools
