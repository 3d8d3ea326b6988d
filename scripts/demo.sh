#!/usr/bin/env bash
# Builds the demo and runs it: exhaustive scan and lazy sampler side by side on real data, as a table
# and two pictures, on a fresh machine too.
#
# Usage: scripts/demo.sh [options] [further arguments of the demo program]
#   --vectors FILE   your own vectors: .fvecs, .npy (float32 or float64, C order), or text with a
#                    "word v1 v2 ..." on each line (GloVe). Default: Fashion-MNIST
#   --out DIR        where the numbers and pictures go (default: build/demo)
#   --quick          a smaller run
#   --no-install     install nothing; say what is missing and use what is there
#   --help           this text

set -euo pipefail
# shellcheck source=scripts/lib/setup.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/lib/setup.sh"

out=$root/build/demo
use_own_vectors=no
arguments=()
while (($#)); do
  case $1 in
    --vectors)
      [[ -r ${2:?--vectors needs a file} ]] || die "cannot read $2"
      arguments+=(--vectors "$2") && shift
      use_own_vectors=yes
      ;;
    --out) out=${2:?--out needs a folder} && shift ;;
    --no-install) install_packages=no ;;
    --help | -h) print_help "${BASH_SOURCE[0]}" && exit ;;
    *) arguments+=("$1") ;;  # --quick and whatever else the program knows
  esac
  shift
done

required_packages+=(libcli11-dev libboost-math-dev libglpk-dev)
optional_packages+=(gnuplot-nox)
[[ $use_own_vectors == yes ]] || optional_packages+=(dataset-fashion-mnist)
provide_packages

configure_and_build release --target lazygumbel_demo \
  -D LAZYGUMBEL_BUILD_EXAMPLES=ON -D LAZYGUMBEL_BUILD_BENCHMARKS=OFF
mkdir -p "$out"
"$root/build/release/examples/lazygumbel_demo" --out "$out" "${arguments[@]}"

if ! command -v gnuplot >/dev/null; then
  say "no gnuplot, so no pictures; the numbers are in $out"
  exit
fi
for term in png svg; do
  gnuplot -e "dir='${out//\'/\'\'}'; term='$term'" "$root/scripts/plot_demo.gp" ||
    die "gnuplot could not draw the $term pictures; the numbers are in $out"
done
say "pictures:"
find "$out" -maxdepth 1 \( -name '*.png' -o -name '*.svg' \) | sort | sed 's/^/     /' >&2
