#!/usr/bin/env bash
# Prints what including the library costs a user: the processor time of compiling small files, in
# seconds and in multiples of a file with #include <Eigen/Dense> alone. Needs no build tree. The
# compiler is called as  CXX -std=c++20 -O2 -c;  each file's time is the median of three, and each
# time is held against one of the Eigen file taken just before it, since machines change their pace.
#
# Usage: scripts/compile_cost.sh [options] [-- further compiler flags, such as -fopenmp]
#   --compiler CXX   the compiler (default: $CXX, or g++)
#   --quick          each file once: to see that it works, not to quote
#   --no-install     install nothing; say what is missing
#   --help           this text

set -euo pipefail
# shellcheck source=scripts/lib/setup.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/lib/setup.sh"

read -ra compiler <<<"${CXX:-g++}"
repetitions=3
while (($#)); do
  case $1 in
    --compiler) read -ra compiler <<<"${2:?--compiler needs a name}" && shift ;;
    --quick) repetitions=1 ;;
    --no-install) install_packages=no ;;
    --help | -h) print_help "${BASH_SOURCE[0]}" && exit ;;
    --) shift && break ;;
    *) die "unknown option '$1' (see --help)" ;;
  esac
  shift
done

required_packages=(libeigen3-dev libhnswlib-dev librandom123-dev)
provide_packages
command -v "${compiler[0]}" >/dev/null || die "there is no compiler '${compiler[0]}'"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo '#include <Eigen/Dense>' >"$work/eigen.cpp"
for header in lazygumbel sampling privacy attention; do
  echo "#include <lazygumbel/$header.hpp>" >"$work/$header.cpp"
done
cat >"$work/draw.cpp" <<'END'
#include <lazygumbel/index/quantized/scalar_quantized_index.hpp>
#include <lazygumbel/random/philox.hpp>
#include <lazygumbel/sampling/lazy_sampler.hpp>

int main() {
  const lazygumbel::RowMatrix<float> rows = lazygumbel::RowMatrix<float>::Random(1000, 16);
  const lazygumbel::ScalarQuantizedIndex<float> index(rows);
  const lazygumbel::LazySampler sampler(index);
  const lazygumbel::Vector<float> theta = rows.row(0);
  lazygumbel::PhiloxEngine engine(1);
  return static_cast<int>(sampler.sample(theta, engine).id);
}
END
cat >"$work/decode.cpp" <<'END'
#include <lazygumbel/attention/knn/knn_attention.hpp>
#include <lazygumbel/random/philox.hpp>

int main() {
  using Rows = lazygumbel::RowMatrix<float>;
  const Rows keys = Rows::Random(4, 64), values = Rows::Random(4, 64), query = Rows::Random(1, 64);
  lazygumbel::KnnAttention<float> attention(1, 1, 64, 64);
  attention.append(keys, values);
  lazygumbel::PhiloxEngine engine(1);
  return static_cast<int>(attention.decode(query, engine).rows.size());
}
END

flags=(-std=c++20 -O2 "-I$root/include")
for folder in /usr/include/eigen3 /usr/local/include/eigen3; do
  [[ ! -d $folder ]] || flags+=(-isystem "$folder")
done
flags+=("$@")

# seconds_of PROGRAM [flags]: user and system time of compiling it.
seconds_of() {
  local program=$1 TIMEFORMAT='%U %S' taken
  shift
  taken=$({ time "${compiler[@]}" "${flags[@]}" "$@" -c "$work/$program.cpp" -o "$work/$program.o" \
    2>"$work/errors"; } 2>&1) || { cat "$work/errors" >&2 && die "$program.cpp does not compile"; }
  awk '{ print $1 + $2 }' <<<"$taken"
}

median() { sort -g | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }'; }

# row NAME PROGRAM [flags]
row() {
  local name=$1 program=$2 i
  shift 2
  : >"$work/eigen.times" && : >"$work/times"
  for ((i = 0; i < repetitions; ++i)); do
    seconds_of eigen >>"$work/eigen.times"
    seconds_of "$program" "$@" >>"$work/times"
  done
  awk -v name="$name" -v seconds="$(median <"$work/times")" \
    -v eigen="$(median <"$work/eigen.times")" \
    'BEGIN { printf "| %-45s | %6.2f | %6.2f |\n", name, seconds, seconds / eigen }'
}

say "$("${compiler[@]}" --version | head -n 1), ${flags[*]}, median of $repetitions"
printf '| %-45s | %6s | %6s |\n|%s|%s|%s|\n' "file" "s" "/Eigen" \
  "$(printf -- '-%.0s' {1..47})" "-------:" "-------:"
row "Eigen/Dense" eigen
row "lazygumbel.hpp" lazygumbel
row "sampling.hpp" sampling
row "privacy.hpp" privacy
row "attention.hpp" attention
row "sampler, coded index, one draw" draw
row "attention, append and decode" decode
# What the target lazygumbel::compiled and its pkg-config file define: core/config.hpp.
alignment=$(echo EIGEN_MAX_ALIGN_BYTES | "${compiler[@]}" "${flags[@]}" -x c++ -E -P -include Eigen/Core - |
  tail -n 1)
version=$(awk '/^#define LAZYGUMBEL_VERSION_(MAJOR|MINOR|PATCH)/ { v = 100 * v + $3 } END { print v }' \
  "$root/include/lazygumbel/core/version.hpp")
compiled=("-DLAZYGUMBEL_COMPILED=$version" "-DLAZYGUMBEL_COMPILED_ALIGN=$((alignment))"
  -DLAZYGUMBEL_COMPILED_AUDIT=0)
row "compiled: sampler, coded index, one draw" draw "${compiled[@]}"
row "compiled: attention, append and decode" decode "${compiled[@]}"
