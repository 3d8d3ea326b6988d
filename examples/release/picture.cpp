#include "picture.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <run_program.hpp>
#include <stdexcept>

namespace private_release {

namespace {

constexpr std::size_t most_panels = 9, longest_label = 40;

/// A field of a gnuplot data file.
std::string quoted(std::string text) {
  if (text.size() > longest_label) {
    std::size_t end = longest_label - 3;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // UTF-8
    text = text.substr(0, end) + "...";
  }
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = '?';
    if (c == '"' || c == '\\') c = '\'';
  }
  return '"' + text + '"';
}

}  // namespace

std::vector<Panel> attribute_panels(const lazygumbel::SyntheticTable& released,
                                    const lazygumbel::Histogram* truth) {
  const auto& attributes = released.domain().attributes();
  std::vector<Panel> panels;
  for (std::size_t a = 0; a < (std::min)(attributes.size(), most_panels); ++a) {
    Panel panel{attributes[a].name(), {}, {}, {}};
    const auto marginal = released.marginal(std::array{a});
    panel.released.assign(marginal.weights().begin(), marginal.weights().end());
    for (std::uint32_t code = 0; code < attributes[a].size(); ++code)
      panel.labels.push_back(attributes[a].label(code));
    if (truth != nullptr) {
      panel.truth.assign(attributes[a].size(), 0.0);
      const auto cells = truth->domain().projected_cells(std::array{a});
      for (std::size_t x = 0; x < cells.size(); ++x)
        panel.truth[cells[x]] += static_cast<double>(truth->counts()[x]);
    }
    panels.push_back(std::move(panel));
  }
  return panels;
}

std::vector<Panel> panels_of_three(const lazygumbel::SyntheticTable& released,
                                   const lazygumbel::Histogram& truth) {
  const auto& attributes = released.domain().attributes();
  std::vector<Panel> panels;
  for (std::uint32_t b = 0; b < attributes[1].size(); ++b)
    for (std::uint32_t c = 0; c < attributes[2].size(); ++c) {
      const std::string name = attributes[1].label(b) + ", " + attributes[2].label(c);
      Panel panel{name + ", by " + attributes[0].name(), {}, {}, {}};
      for (std::uint32_t a = 0; a < attributes[0].size(); ++a) {
        const std::size_t cell = released.domain().cell_of(std::array{a, b, c});
        panel.labels.push_back(attributes[0].label(a));
        panel.released.push_back(released.weights()[cell]);
        panel.truth.push_back(static_cast<double>(truth.counts()[cell]));
      }
      panels.push_back(std::move(panel));
    }
  return panels;
}

std::filesystem::path numbers_of(const std::filesystem::path& picture) {
  return std::filesystem::path(picture).replace_extension(".dat");
}

std::string draw(const std::filesystem::path& picture, const std::string& title,
                 const std::string& subtitle, const std::vector<Panel>& panels) {
  const std::filesystem::path numbers = numbers_of(picture);
  std::ofstream file(numbers, std::ios::binary);
  file << "# " << title
       << "\n# One block a panel: its title, then label, released count, true count"
       << " (NaN: not shown)\n";
  for (const Panel& panel : panels) {
    if (&panel != &panels.front()) file << "\n\n";
    file << quoted(panel.title) << " 0 0\n";
    for (std::size_t i = 0; i < panel.labels.size(); ++i) {
      file << quoted(panel.labels[i]) << ' ' << panel.released[i] << ' ';
      panel.truth.empty() ? file << "NaN" : file << panel.truth[i];
      file << '\n';
    }
  }
  file.close();
  if (!file) throw std::runtime_error(numbers.string() + ": cannot be written");

  const bool both = !panels.empty() && !panels.front().truth.empty();
  return lazygumbel_tools::run_gnuplot(LAZYGUMBEL_PLOT_SCRIPT, numbers, picture,
                                       {title, subtitle, both ? "both" : "released"});
}

}  // namespace private_release
