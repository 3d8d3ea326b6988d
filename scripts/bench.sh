#!/usr/bin/env bash
# Builds the benchmarks (-O3, for this machine's processor) and runs them, on a fresh machine too.
#
# Usage: scripts/bench.sh [options] [-- further Google Benchmark arguments]
#   --filter REGEX   only the benchmarks whose names match
#   --json FILE      also write the results to FILE
#   --quick          smaller data and shorter runs: to see that it works, not to quote
#   --no-install     install nothing; say what is missing
#   --help           this text

set -euo pipefail
# shellcheck source=scripts/lib/setup.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/lib/setup.sh"

arguments=()
while (($#)); do
  case $1 in
    --filter) arguments+=("--benchmark_filter=${2:?--filter needs a regular expression}") && shift ;;
    --json) arguments+=("--benchmark_out=${2:?--json needs a file}" --benchmark_out_format=json) && shift ;;
    --quick)
      export LAZYGUMBEL_BENCH_QUICK=1
      arguments+=(--benchmark_min_time=0.02)
      ;;
    --no-install) install_packages=no ;;
    --help | -h) print_help "${BASH_SOURCE[0]}" && exit ;;
    --) shift && break ;;
    *) die "unknown option '$1' (see --help)" ;;
  esac
  shift
done

required_packages+=(libbenchmark-dev)
optional_packages+=(dataset-fashion-mnist)
provide_packages

configure_and_build release --target lazygumbel_bench \
  -D LAZYGUMBEL_BUILD_BENCHMARKS=ON -D LAZYGUMBEL_BUILD_EXAMPLES=OFF
exec "$root/build/release/bench/lazygumbel_bench" "${arguments[@]}" "$@"
