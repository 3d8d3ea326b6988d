// Files that the programs of examples/ read: see README.md here.

#include <cstddef>
#include <cstdint>
#include <datasets.hpp>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <tables.hpp>

#include "fuzz_input.hpp"
#include "lp/glpk_problem.hpp"

namespace lazygumbel::fuzzing {
namespace {

using Read = std::function<void(const std::filesystem::path&)>;

Read made(const std::string& name) {
  if (name == "domain") return [](const auto& path) { lazygumbel_tables::read_domain(path); };
  if (name == "table") {
    const Domain domain(
        {Attribute::integers("age", 0, 99, 10), Attribute::categories("sex", {"female", "male"})});
    return [domain](const auto& path) { lazygumbel_tables::read_table(path, domain); };
  }
  if (name == "lp" || name == "mps")
    return [](const auto& path) {
      static_cast<void>(
          private_lp::GlpkProblem::read(path, private_lp::Format::automatic).program());
    };
  if (name == "npy" || name == "fvecs" || name == "words")
    return [](const auto& path) { lazygumbel_datasets::read_vectors(path); };
  unknown_reader(name);
}

}  // namespace
}  // namespace lazygumbel::fuzzing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lazygumbel::fuzzing;
  static const Read read = made(reader_name());
  static const FuzzFile file("." + reader_name());
  file.write(data, size);
  try {
    read(file.path());
  } catch (const std::runtime_error&) {
  }
  return 0;
}
