#!/usr/bin/env bash
# Builds the tests and runs them all through ctest, on a fresh machine too.
#
# Usage: scripts/test.sh [options] [-- further ctest arguments]
#   --preset NAME    test (default): optimised, because the laws need millions of draws, but with
#                    assertions and self-checks compiled in; ci, dev, asan-ubsan and tsan:
#                    see CMakePresets.json
#   --label REGEX    only tests with such a label: unit, concept, compile, law_fast, control,
#                    law_control, integration, race, consumer, meta, example
#   --target NAME    build only this, such as tests_unit, to go with --label unit (may be repeated)
#   -D NAME=VALUE    a further CMake setting, such as LAZYGUMBEL_WARNINGS_AS_ERRORS=ON
#   --no-install     install nothing; say what is missing
#   --help           this text

set -euo pipefail
# shellcheck source=scripts/lib/setup.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/lib/setup.sh"

preset="test"
label=()
build_arguments=()
while (($#)); do
  case $1 in
    --preset) preset=${2:?--preset needs a name} && shift ;;
    --label) label=(--label-regex "${2:?--label needs a regular expression}") && shift ;;
    --target) build_arguments+=(--target "${2:?--target needs a name}") && shift ;;
    -D) build_arguments+=(-D "${2:?-D needs NAME=VALUE}") && shift ;;
    -D*) build_arguments+=(-D "${1#-D}") ;;
    --no-install) install_packages=no ;;
    --help | -h) print_help "${BASH_SOURCE[0]}" && exit ;;
    --) shift && break ;;
    *) die "unknown option '$1' (see --help)" ;;
  esac
  shift
done

required_packages+=(libgtest-dev libboost-math-dev libcli11-dev libglpk-dev)
case $preset in
  dev) required_packages+=(libbenchmark-dev) ;;
  ci) optional_packages+=(clang) ;;  # a consumer's test compiles with it
  asan-ubsan | tsan) required_packages+=(clang libomp-dev) && optional_packages+=(libclang-rt-dev) ;;
esac
optional_packages+=(dataset-fashion-mnist libfaiss-dev libsodium-dev)
provide_packages

configure_and_build "$preset" "${build_arguments[@]}"
cd "$root"
exec ctest --preset "$preset" --output-on-failure --parallel "$(nproc)" "${label[@]}" "$@"
