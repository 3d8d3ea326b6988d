#pragma once

#include <filesystem>
#include <lazygumbel/privacy/table/histogram.hpp>
#include <lazygumbel/privacy/table/synthetic_table.hpp>
#include <string>
#include <vector>

namespace private_release {

/// A bar chart: one or two bars for each label.
struct Panel {
  std::string title;
  std::vector<std::string> labels;
  std::vector<double> released, truth;  ///< truth is empty where it must not be shown
};

/// The counts of each attribute by itself, of at most nine attributes. `truth`: nothing, or the
/// table whose counts may be shown beside the released ones, because they are public or because
/// somebody asked for it.
std::vector<Panel> attribute_panels(const lazygumbel::SyntheticTable& released,
                                    const lazygumbel::Histogram* truth);

/// Of a table over three attributes: the counts of the first, one panel for each combination of
/// values of the others.
std::vector<Panel> panels_of_three(const lazygumbel::SyntheticTable& released,
                                   const lazygumbel::Histogram& truth);

/// Writes the numbers to `picture` with the extension .dat and, where gnuplot is found, draws the
/// picture. Returns one line for a person. Throws std::runtime_error when the numbers cannot be
/// written.
std::string draw(const std::filesystem::path& picture, const std::string& title,
                 const std::string& subtitle, const std::vector<Panel>& panels);

/// The file of the numbers.
std::filesystem::path numbers_of(const std::filesystem::path& picture);

}  // namespace private_release
