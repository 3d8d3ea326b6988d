#include "report.hpp"

#include <algorithm>
#include <array>
#include <boost/math/distributions/binomial.hpp>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iomanip>
#include <ostream>
#include <stdexcept>
#include <string_view>

namespace demo {

namespace {

/// printf's "%.*<conversion>": text in the tables' fixed formats.
std::string number(double value, int digits, char conversion = 'f') {
  const std::array<char, 5> format{'%', '.', '*', conversion, '\0'};
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format.data(), digits, value);
  return text.data();
}

std::string ratio(double a, double b) { return number(a / b, a < 9.95 * b ? 2 : 1); }

std::string mass(double value) { return value == 0.0 ? "0" : number(value, 1, 'e'); }

std::string megabytes(std::size_t bytes) {
  return with_commas(static_cast<double>(bytes) / 1e6) + " MB";
}

std::string meaning(const Results& r) {
  if (r.race.guarantee.kind == lazygumbel::Guarantee::Kind::certified)
    return "certified: the index proves its bound on every score not retrieved, so the draws are "
           "exact.";
  return "assumed: a graph search proves nothing. The draws are exact but for rows it missed above "
         "its\n           bound; their share of the softmax is the clipped mass, measured here by "
         "full scans.";
}

std::string pays_off_after(const Results& r) {
  const double gain = mean(r.race.exhaustive) - mean(r.race.lazy);
  if (gain <= 0.0) return "never";
  const double draws = std::ceil(r.build_seconds / gain);
  return with_commas(draws) + (draws == 1.0 ? " draw" : " draws");
}

std::string verdict(const ChiSquare& test) {
  if (test.degrees == 0) return "nothing to compare: one row carries all the mass.";
  const double p = test.p_value();
  const std::string start = "p = " + number(p, p < 0.001 ? 1 : 3, p < 0.001 ? 'e' : 'f') + ": ";
  const std::string draws = with_commas(static_cast<double>(test.draws)) + " draws";
  if (p >= 0.01) return start + "no difference seen in " + draws + ".";
  if (p >= 0.001)
    return start + "a deviation this large in " + draws + " comes up by chance in one run of " +
           with_commas(1.0 / p) + ".";
  return start + "the laws differ visibly in " + draws +
         ": the index missed too much. A larger --ef or --gap mends that.";
}

std::ofstream open(const std::filesystem::path& path) {
  std::ofstream file(path);
  if (!file) throw std::runtime_error("cannot write " + path.string());
  file << std::setprecision(8);
  return file;
}

void close(std::ofstream& file, const std::filesystem::path& path) {
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path.string());
}

/// A gnuplot string constant that shows the text as it is, also where markup is on.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'') result += '\'';
    if (std::string_view("_^{}@&~\\").find(c) != std::string_view::npos) result += '\\';
    result += static_cast<unsigned char>(c) < ' ' ? '?' : c;
  }
  return result + "'";
}

/// The counts between which 99.9% of Binomial(draws, p) lies, as frequencies.
std::pair<double, double> band(double draws, double p) {
  const boost::math::binomial law(draws, p);
  return {boost::math::quantile(law, 0.0005) / draws,
          boost::math::quantile(boost::math::complement(law, 0.0005)) / draws};
}

}  // namespace

std::string with_commas(double value) {
  std::string digits = number(value, 0);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, 1, ',');
  return digits;
}

std::string duration(double seconds) {
  const auto three_digits = [](double x) { return number(x, x < 9.995 ? 2 : x < 99.95 ? 1 : 0); };
  if (seconds >= 1.0) return three_digits(seconds) + " s";
  if (seconds >= 1e-3) return three_digits(seconds * 1e3) + " ms";
  if (seconds >= 1e-6) return three_digits(seconds * 1e6) + " us";
  return three_digits(seconds * 1e9) + " ns";
}

void print(std::ostream& out, const Input& input, const Options& options, const Results& r) {
  const auto row = [&](const std::string& what, const std::string& exhaustive,
                       const std::string& lazy) {
    out << std::left << std::setw(42) << what << std::right << std::setw(18) << exhaustive
        << std::setw(22) << lazy << '\n';
  };
  const std::string rule(82, '-');
  const bool beam = r.tuned.best.ef > 0;
  const auto n = static_cast<double>(input.rows.rows());
  const double exhaustive = median(r.race.exhaustive), lazy = median(r.race.lazy);

  out << '\n'
      << input.name << ": " << with_commas(n) << " rows of " << input.rows.cols()
      << " numbers, temperature " << options.temperature << ", " << r.race.lazy.size()
      << " test queries, one thread\n"
      << rule << '\n';
  row("", "exhaustive scan", "lazy, " + r.index_name + " index");
  out << rule << '\n';
  row("one draw for a new query, median", duration(exhaustive), duration(lazy));
  row("                          mean", duration(mean(r.race.exhaustive)),
      duration(mean(r.race.lazy)));
  row("speed-up, of medians", "1", ratio(exhaustive, lazy));
  row("          of means", "1", ratio(mean(r.race.exhaustive), mean(r.race.lazy)));
  row("a further draw for the same query", duration(r.further.exhaustive),
      duration(r.further.lazy));
  row("rows scored per draw", with_commas(n),
      number(r.race.rows_scored, 1) + (beam ? " + search" : " + scan"));
  row("  retrieved, k", "-", number(r.race.head, 0));
  row("  tail rows proposed", "-", number(r.race.proposals, 1));
  if (beam)
    row("beam width of the search, ef", "-", number(static_cast<double>(r.tuned.best.ef), 0));
  row("guarantee", "exact", lazygumbel::name_of(r.race.guarantee));
  row("clipped mass, mean over the queries", "0", mass(mean(r.clipped)));
  row("              largest", "0", mass(*std::max_element(r.clipped.begin(), r.clipped.end())));
  row("queries that lost more than 1% to it", "0",
      std::to_string(std::count_if(r.clipped.begin(), r.clipped.end(),
                                   [](double lost) { return lost > 0.01; })) +
          " of " + std::to_string(r.clipped.size()));
  row("proposals that broke the bound", "-",
      with_commas(static_cast<double>(r.race.violations)) + " of " +
          with_commas(std::round(r.race.proposals * static_cast<double>(r.race.lazy.size()))));
  row("index: build (" + std::to_string(r.build_threads) + " threads)", "-",
      duration(r.build_seconds));
  row(options.index == Options::Index::codes ? "       memory beside the rows"
                                             : "       memory, rows included",
      "-", r.index_bytes > 0 ? megabytes(r.index_bytes) : "none");
  row("       has paid for itself after", "-", pays_off_after(r));
  if (r.growth.size() > 1)
    row("time per draw grows as", "n^" + number(r.exhaustive_growth.exponent, 2),
        "n^" + number(r.lazy_growth.exponent, 2));
  out << rule << '\n';

  out << "Exhaustive: one vectorised dot product for every row, then "
      << (r.race.by_inversion ? "inversion of the cumulative sum" : "Gumbel-max")
      << " (the faster of the two ways).\n"
      << "Guarantee, " << meaning(r) << '\n'
      << "Agreement: " << verdict(r.agreement) << "\n           Lazy draws for "
      << r.agreement.thetas << " queries against the exact softmax: chi-square "
      << number(r.agreement.statistic, 1) << " on "
      << with_commas(static_cast<double>(r.agreement.degrees))
      << "\n           degrees of freedom, rows pooled until each cell expects at least 5.\n";
  if (r.exhaustive_growth.exponent > 1.1)
    out << "Growth:    the scan's exponent is above 1 because small subsets fit the processor's "
           "caches.\n";
  if (!r.tuned.target_met)
    out << "Note: no setting tried kept the clipped mass within the target; this is the one with "
           "the least.\n";
}

void write_pictures(const std::filesystem::path& folder, const Input& input, const Options& options,
                    const Results& r) {
  std::filesystem::create_directories(folder);
  const auto draws = static_cast<double>(r.picture.draws);

  auto path = folder / "growth.dat";
  auto file = open(path);
  file << "# n  exhaustive (s)  lazy (s)  k  ef  label\n";
  for (const GrowthPoint& at : r.growth)
    file << at.n << ' ' << at.exhaustive << ' ' << at.lazy << ' ' << at.k << ' ' << at.ef << ' '
         << with_commas(static_cast<double>(at.n)) << '\n';
  close(file, path);

  // Rows expected at least ten times: below that the band reaches 0, which a logarithm cannot show.
  path = folder / "frequency.dat";
  file = open(path);
  file << "# exact probability  drawn frequency  1: retrieved, 0: proposed\n";
  const double rarest = 10.0 / draws;
  double largest = rarest;
  std::size_t shown = 0, inside = 0;
  for (std::size_t i = 0; i < r.picture.exact.size(); ++i) {
    const double p = r.picture.exact[i], frequency = r.picture.drawn[i] / draws;
    if (p < rarest) continue;
    file << p << ' ' << frequency << ' ' << r.picture.retrieved[i] << '\n';
    largest = (std::max)(largest, p);
    const auto [low, high] = band(draws, (std::min)(p, 1.0));
    ++shown;
    if (frequency >= low && frequency <= high) ++inside;
  }
  close(file, path);

  path = folder / "band.dat";
  file = open(path);
  file << "# exact probability  lower and upper end of the 99.9% band of the frequency\n";
  constexpr int steps = 300;
  for (int i = 0; i <= steps; ++i) {
    const double p = (std::min)(1.0, rarest * std::pow(largest / rarest, i / double{steps}));
    const auto [low, high] = band(draws, p);
    file << p << ' ' << low << ' ' << high << '\n';
  }
  close(file, path);

  path = folder / "demo.gp";
  file = open(path);
  const std::string data = input.name + ", " + with_commas(static_cast<double>(input.rows.rows())) +
                           " x " + std::to_string(input.rows.cols()) + ", temperature " +
                           number(options.temperature, 3, 'g');
  file << "data = " << quoted(data) << "\nindex_name = " << quoted(r.index_name)
       << "\nexhaustive_factor = " << r.exhaustive_growth.factor
       << "\nexhaustive_exponent = " << r.exhaustive_growth.exponent
       << "\nlazy_factor = " << r.lazy_growth.factor
       << "\nlazy_exponent = " << r.lazy_growth.exponent << "\nfitted = " << (r.growth.size() > 1)
       << "\ndraws = " << quoted(with_commas(draws)) << "\nshown = " << shown
       << "\ninside = " << inside << "\np_low = " << rarest << "\np_high = " << largest << '\n';
  close(file, path);
}

}  // namespace demo
