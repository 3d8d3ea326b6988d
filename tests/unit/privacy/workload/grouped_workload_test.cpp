#include <gtest/gtest.h>

#include <lazygumbel/privacy/workload/bit_workload.hpp>
#include <lazygumbel/privacy/workload/box_workload.hpp>
#include <lazygumbel/privacy/workload/grouped_workload.hpp>
#include <lazygumbel/privacy/workload/marginal_workload.hpp>
#include <lazygumbel/privacy/workload/parity_workload.hpp>
#include <vector>
#include <workload_checks.hpp>

namespace lazygumbel::testing {
namespace {

static_assert(GroupedWorkload<MarginalWorkload>);
static_assert(!GroupedWorkload<BoxWorkload>);
static_assert(!GroupedWorkload<BitWorkload>);
static_assert(!GroupedWorkload<ParityWorkload>);

/// What a model of the concept promises: each group's queries partition the cells.
template <GroupedWorkload W>
void check_partitions(const W& workload) {
  std::vector<double> query(workload.cells());
  for (std::size_t g = 0; g < workload.groups(); ++g) {
    std::vector<double> sum(workload.cells(), 0.0);
    for (std::size_t i = 0; i < workload.group_size(g); ++i) {
      const auto id = static_cast<item_id>(workload.group_offset(g) + i);
      EXPECT_EQ(workload.group_of(id), g);
      workload.query(id, query);
      for (std::size_t x = 0; x < query.size(); ++x) sum[x] += query[x];
    }
    EXPECT_EQ(sum, std::vector<double>(workload.cells(), 1.0)) << "group " << g;
  }
}

TEST(GroupedWorkload, MarginalsPartitionTheCells) {
  const auto domain = domain_of_sizes({3, 1, 4, 2});
  for (std::size_t ways = 1; ways <= 4; ++ways)
    check_partitions(MarginalWorkload::all(domain, ways));
}

}  // namespace
}  // namespace lazygumbel::testing
