#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdint>
#include <cstdlib>
#include <datasets.hpp>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>

/// \file
/// Running a built tool in a directory of its own.

namespace lazygumbel::testing {

struct ToolResult {
  int code = -1;
  std::string out, err;
};

inline std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A directory of its own for each test.
class ToolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "lazygumbel-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
  }
  /// As .fvecs, which readers take as well as .npy.
  void write(const std::string& name, const lazygumbel_datasets::Matrix& rows) const {
    std::ofstream file(folder_ / name, std::ios::binary);
    const auto d = static_cast<std::int32_t>(rows.cols());
    for (Eigen::Index i = 0; i < rows.rows(); ++i) {
      file.write(reinterpret_cast<const char*>(&d), sizeof d);
      file.write(reinterpret_cast<const char*>(rows.row(i).data()),
                 static_cast<std::streamsize>(sizeof(float)) * d);
    }
  }

  /// Runs the tool in the folder. `arguments` are for the shell; `variables`: "NAME=value ".
  ToolResult run_tool(const std::string& tool, const std::string& arguments,
                      const std::string& variables = "") const {
    const std::string command = "cd '" + folder_.string() + "' && " + variables + "'" + tool +
                                "' " + arguments + " >stdout 2>stderr </dev/null";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content_of(folder_ / "stdout"),
            content_of(folder_ / "stderr")};
  }

  /// A result that is one line on stderr which says so, nothing on stdout, none of these files.
  void expect_refusal(const ToolResult& result, const std::string& arguments,
                      const std::string& message, bool usage,
                      std::initializer_list<const char*> files) const {
    if (usage)
      EXPECT_GE(result.code, 100) << arguments;
    else
      EXPECT_EQ(result.code, 1) << arguments;
    EXPECT_TRUE(contains(result.err, message)) << arguments << '\n' << result.err;
    EXPECT_EQ(result.err.find("error: "), 0U) << result.err;
    EXPECT_EQ(result.err.find('\n') + 1, result.err.size()) << result.err;
    EXPECT_EQ(result.out, "") << arguments;
    for (const char* name : files)
      EXPECT_FALSE(std::filesystem::exists(folder_ / name)) << arguments;
  }

  std::filesystem::path folder_;
};

}  // namespace lazygumbel::testing
