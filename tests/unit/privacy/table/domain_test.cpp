#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <lazygumbel/privacy/table/domain.hpp>
#include <string>
#include <vector>

#include "message_of.hpp"

namespace lazygumbel::testing {
namespace {

using Codes = std::vector<std::uint32_t>;
using Places = std::vector<std::size_t>;

Domain small() {
  return Domain({Attribute::integers("a", 1, 2), Attribute::categories("b", {"x", "y", "z"}),
                 Attribute::integers("c", 0, 0), Attribute::integers("d", 10, 49, 4)});
}

TEST(Domain, NumbersItsCellsLastAttributeFastest) {
  const Domain domain = small();
  EXPECT_EQ(domain.size(), 24U);
  EXPECT_EQ(Places(domain.strides().begin(), domain.strides().end()), (Places{12, 4, 4, 1}));
  EXPECT_EQ(domain.cell_of(Codes{0, 0, 0, 0}), 0U);
  EXPECT_EQ(domain.cell_of(Codes{0, 0, 0, 1}), 1U);
  EXPECT_EQ(domain.cell_of(Codes{1, 2, 0, 3}), 23U);
  Codes codes(4);
  for (std::size_t cell = 0; cell < domain.size(); ++cell) {
    domain.codes_of(cell, codes);
    EXPECT_EQ(domain.cell_of(codes), cell);
  }
}

TEST(Domain, FindsAttributesByName) {
  EXPECT_EQ(small().attribute("c"), 2U);
  EXPECT_EQ(refusal([] { (void)small().attribute("e"); }),
            "lazygumbel: attribute name = e: is not in the domain");
}

TEST(Domain, ProjectsByPlaceAndByName) {
  const Domain domain = small();
  const Domain expected({domain.attributes()[3], domain.attributes()[0]});
  EXPECT_EQ(domain.project(Places{3, 0}), expected);
  EXPECT_EQ(domain.project({"d", "a"}), expected);
  EXPECT_EQ(domain.project(std::vector<std::string>{"d", "a"}), expected);
  EXPECT_EQ(domain.project(std::array<const char*, 2>{"d", "a"}), expected);
  EXPECT_NE(domain.project({"a", "d"}), expected);
  EXPECT_EQ(refusal([&] { domain.project(Places{}); }),
            "lazygumbel: attributes.size() = 0: must be at least 1");
  EXPECT_EQ(refusal([&] { domain.project(Places{4}); }),
            "lazygumbel: attribute = 4: must be below 4");
  EXPECT_EQ(refusal([&] {
              domain.project(Places{1, 1});
            }),
            "lazygumbel: attribute name = b: must occur once");
  EXPECT_EQ(refusal([&] {
              domain.project({"a", "q"});
            }),
            "lazygumbel: attribute name = q: is not in the domain");
}

TEST(Domain, ProjectedCellsAreThoseOfTheProjectedCodes) {
  const Domain domain = small();
  for (const Places& kept :
       std::vector<Places>{{0}, {1}, {2}, {3}, {3, 0}, {1, 2, 3}, {3, 2, 1, 0}}) {
    const Domain projection = domain.project(kept);
    const auto cells = domain.projected_cells(kept);
    ASSERT_EQ(cells.size(), domain.size());
    Codes codes(4), some(kept.size());
    for (std::size_t x = 0; x < domain.size(); ++x) {
      domain.codes_of(x, codes);
      for (std::size_t i = 0; i < kept.size(); ++i) some[i] = codes[kept[i]];
      EXPECT_EQ(cells[x], projection.cell_of(some));
    }
  }
}

TEST(Domain, CopiesAreEqual) {
  const Domain domain = small(), copy = domain;
  EXPECT_EQ(copy, domain);
  EXPECT_EQ(&copy.attributes(), &domain.attributes());
  EXPECT_EQ(small(), domain);
}

TEST(Domain, HoldsUpToTwoToThe31Cells) {
  const auto bits = [](const char* name, int count) {
    return Attribute::integers(name, 0, (std::int64_t{1} << count) - 1);
  };
  EXPECT_EQ(Domain({bits("a", 15), bits("b", 15)}).size(), std::size_t{1} << 30);
  EXPECT_EQ(refusal([&] {
              Domain({bits("z", 4), bits("a", 15), bits("b", 16)});
            }),
            "lazygumbel: domain cells of the attributes from \"a\" = 2147483648: must be at most "
            "2^31 - 1");
  std::vector<Attribute> many;  // 2^3000 cells
  for (int i = 0; i < 100; ++i) many.push_back(bits(std::to_string(i).c_str(), 30));
  EXPECT_NE(refusal([&] { Domain{many}; }).find("must be at most 2^31 - 1"), std::string::npos);
}

TEST(Domain, Refusals) {
  const Domain domain = small();
  EXPECT_EQ(refusal([] { Domain(std::vector<Attribute>{}); }),
            "lazygumbel: attributes.size() = 0: must be at least 1");
  EXPECT_EQ(refusal([] {
              Domain({Attribute::integers("a", 0, 1), Attribute::categories("a", {"x"})});
            }),
            "lazygumbel: attribute name = a: must occur once");
  EXPECT_EQ(refusal([&] {
              (void)domain.cell_of(Codes{0, 0, 0});
            }),
            "lazygumbel: codes.size() = 3: must equal the number of attributes 4");
  EXPECT_EQ(refusal([&] {
              (void)domain.cell_of(Codes{0, 3, 0, 0});
            }),
            "lazygumbel: code of attribute \"b\" = 3: must be below 3");
  Codes codes(5);
  EXPECT_EQ(refusal([&] { domain.codes_of(0, codes); }),
            "lazygumbel: codes.size() = 5: must equal the number of attributes 4");
  codes.resize(4);
  EXPECT_EQ(refusal([&] { domain.codes_of(24, codes); }),
            "lazygumbel: cell = 24: must be below 24");
}

}  // namespace
}  // namespace lazygumbel::testing
