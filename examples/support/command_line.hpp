#ifndef LAZYGUMBEL_EXAMPLES_SUPPORT_COMMAND_LINE_HPP
#define LAZYGUMBEL_EXAMPLES_SUPPORT_COMMAND_LINE_HPP

/// \file
/// What the command lines of the tools share, over CLI11.

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <iostream>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace lazygumbel_tools {

/// A check for counts: CLI11's own conversion takes -1 for a very large number.
inline std::string whole_number(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole ? "" : "'" + text + "' is not a number of 0 .. 2^64 - 1";
}

/// An option that takes one of some words.
template <class Value>
void add_choice(CLI::App& app, const std::string& name, Value& value,
                std::vector<std::pair<std::string, Value>> choices, const std::string& help) {
  std::vector<std::string> words;
  for (const auto& choice : choices) words.push_back(choice.first);
  app.add_option_function<std::string>(
         name,
         [choices = std::move(choices), &value](const std::string& word) {
           for (const auto& choice : choices)
             if (choice.first == word) value = choice.second;
         },
         help)
      ->type_name("WORD")
      ->check(CLI::IsMember(words));
}

/// An option that makes sense only together with something else.
inline void require(const CLI::App& app, const std::string& option, bool makes_sense,
                    const std::string& why) {
  if (app.count(option) > 0 && !makes_sense) throw CLI::ValidationError(option, why);
}

/// Parses the command line and calls check(), which may throw CLI errors, too. Returns the code to
/// leave with, after --help or an error, which is one line on stderr; else nothing.
template <class Check>
std::optional<int> parse(CLI::App& app, int argc, char** argv, Check&& check) {
  try {
    app.parse(argc, argv);
    check();
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::cerr << "error: " << error.what() << " (--help lists the options)\n";
    return error.get_exit_code();
  }
  return std::nullopt;
}

}  // namespace lazygumbel_tools

#endif  // LAZYGUMBEL_EXAMPLES_SUPPORT_COMMAND_LINE_HPP
