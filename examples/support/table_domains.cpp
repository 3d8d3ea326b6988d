#include <algorithm>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

#include "file_input.hpp"
#include "tables.hpp"

namespace lazygumbel_tables {
namespace {

using lazygumbel::Attribute;
using lazygumbel_datasets::detail::fail;
using Json = nlohmann::ordered_json;

/// One attribute of a domain file; knows how to complain about it.
class Entry {
 public:
  Entry(const std::filesystem::path& path, std::string name)
      : path_(path), name_(std::move(name)) {}

  Attribute read(const Json& value) const {
    if (value.is_object()) return range(value);
    if (value.is_array()) return categories(value);
    if (!value.is_number_integer()) {
      refuse_to_look(value, "");
      complain("must be a number of codes, a list of categories, or {\"low\", \"high\", \"bins\"}");
    }
    const std::int64_t count = integer(value, "number of codes");
    if (count < 1) complain("the number of codes is " + value.dump() + ", must be at least 1");
    return Attribute::integers(name_, 0, count - 1);
  }

  [[noreturn]] void complain(const std::string& what) const {
    fail(path_, "attribute \"" + name_ + "\": " + what);
  }

 private:
  /// Complains where a value asks for the domain to be made from the data.
  void refuse_to_look(const Json& value, const std::string& what) const {
    if (!value.is_null() && !value.is_string()) return;
    complain(what + (what.empty() ? "" : " ") + value.dump() +
             " would leave it to the data, but the domain must be public: a value that is listed "
             "because somebody has it gives that person away. Write the values out");
  }

  std::int64_t integer(const Json& value, const std::string& what) const {
    refuse_to_look(value, what);
    if (!value.is_number_integer()) complain(what + " = " + value.dump() + " is no integer");
    if (value.is_number_unsigned() &&
        value.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
      complain(what + " = " + value.dump() + " is out of range");
    }
    return value.get<std::int64_t>();
  }

  Attribute categories(const Json& value) const {
    std::vector<std::string> labels;
    for (const Json& label : value) {
      if (label.is_null()) refuse_to_look(label, "category");
      if (!label.is_string()) complain("category " + label.dump() + " is no string");
      labels.push_back(label.get<std::string>());
    }
    if (labels.size() == 1 && (labels[0] == "*" || labels[0] == "auto")) {
      refuse_to_look(value[0], "category");
    }
    return Attribute::categories(name_, std::move(labels));
  }

  Attribute range(const Json& value) const {
    for (const auto& [key, unused] : value.items()) {
      if (key != "low" && key != "high" && key != "bins") {
        complain("\"" + key + "\" is none of low, high and bins");
      }
    }
    if (!value.contains("low") || !value.contains("high")) complain("needs both low and high");
    const std::int64_t low = integer(value["low"], "low"), high = integer(value["high"], "high");
    if (!value.contains("bins")) return Attribute::integers(name_, low, high);
    const std::int64_t bins = integer(value["bins"], "bins");
    if (bins < 1) complain("bins = " + value["bins"].dump() + " must be at least 1");
    return Attribute::integers(name_, low, high, static_cast<std::size_t>(bins));
  }

  const std::filesystem::path& path_;
  std::string name_;
};

/// Reads JSON. Refuses objects that give a member twice, of which the parser would drop one, and
/// values that are nested deeper than any domain: the library prints values by recursion.
Json parse(const std::filesystem::path& path) {
  auto file = lazygumbel_datasets::detail::open_file(path);
  std::vector<std::set<std::string>> open_objects;
  int depth = 0;
  const auto check = [&](int, Json::parse_event_t event, Json& parsed) {
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    const bool closes =
        event == Json::parse_event_t::object_end || event == Json::parse_event_t::array_end;
    depth += (opens ? 1 : 0) - (closes ? 1 : 0);
    if (depth > 2) fail(path, "holds lists or objects within the list or range of an attribute");
    if (event == Json::parse_event_t::object_start) open_objects.emplace_back();
    if (event == Json::parse_event_t::object_end) open_objects.pop_back();
    if (event == Json::parse_event_t::key &&
        !open_objects.back().insert(parsed.get<std::string>()).second) {
      fail(path, "the member " + parsed.dump() + " is given twice");
    }
    return true;
  };
  try {
    return Json::parse(file.stream, check);
  } catch (const Json::exception& error) {
    fail(path, std::string("is not JSON: ") + error.what());
  }
}

}  // namespace

lazygumbel::Domain read_domain(const std::filesystem::path& path,
                               const std::vector<std::string>& kept) {
  const Json json = parse(path);
  if (!json.is_object()) fail(path, "must hold one JSON object, of attributes");
  try {
    std::vector<Attribute> attributes;
    for (const auto& [name, value] : json.items()) {
      attributes.push_back(Entry(path, name).read(value));
    }
    if (kept.empty()) return lazygumbel::Domain(std::move(attributes));
    std::vector<Attribute> some;
    for (const std::string& name : kept) {
      const auto found = std::find_if(attributes.begin(), attributes.end(),
                                      [&](const Attribute& a) { return a.name() == name; });
      if (found == attributes.end()) fail(path, "has no attribute \"" + name + "\"");
      some.push_back(*found);
    }
    return lazygumbel::Domain(std::move(some));
  } catch (const std::invalid_argument& error) {
    fail(path, error.what());
  }
}

CountedTable berkeley_admissions() {
  return {lazygumbel::Domain({Attribute::categories("department", {"A", "B", "C", "D", "E", "F"}),
                              Attribute::categories("sex", {"Men", "Women"}),
                              Attribute::categories("outcome", {"Admitted", "Rejected"})}),
          // Men admitted and rejected, women admitted and rejected.
          {512, 313, 89,  19,    // A
           353, 207, 17,  8,     // B
           120, 205, 202, 391,   // C
           138, 279, 131, 244,   // D
           53,  138, 94,  299,   // E
           22,  351, 24,  317},  // F
          "University of California, Berkeley, graduate admissions of autumn 1973, six largest "
          "departments (Bickel, Hammel and O'Connell, Science 187, 1975)"};
}

}  // namespace lazygumbel_tables
