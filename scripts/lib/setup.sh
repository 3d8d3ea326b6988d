# shellcheck shell=bash
# What demo.sh, test.sh and bench.sh share: installing what is missing, configuring, building.
# They source it; it sets `root`, the folder of the checkout.

# The Debian packages to provide. A script adds its own to both.
required_packages=(g++ cmake make libeigen3-dev libhnswlib-dev librandom123-dev zlib1g-dev
  libcsv-dev nlohmann-json3-dev)
optional_packages=(ninja-build)

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
install_packages=yes  # --no-install sets it to no

say() { printf '%s\n' "== $*" >&2; }
die() {
  printf '%s\n' "error: $*" >&2
  exit 1
}

# The comment at the top of a script is its --help text.
print_help() { sed -n '2,/^$/{s/^# \{0,1\}//p}' "$1"; }

# What each Debian package is for.
purpose_of() {
  case $1 in
    g++ | clang) echo "C++20 compiler" ;;
    cmake) echo "build system, 3.21 or newer" ;;
    make) echo "runs the compiler" ;;
    ninja-build) echo "runs it with less waiting; without it: make" ;;
    libeigen3-dev) echo "dense algebra (the library needs it)" ;;
    libhnswlib-dev) echo "graph index (the library needs it)" ;;
    librandom123-dev) echo "counter-based random numbers (the library needs it)" ;;
    libomp-dev) echo "OpenMP for clang" ;;
    libclang-rt-dev) echo "clang's sanitizers, where clang comes without them" ;;
    zlib1g-dev) echo "reads compressed data sets" ;;
    libcsv-dev) echo "reads and writes tables (CSV)" ;;
    nlohmann-json3-dev) echo "reads the domains of tables (JSON)" ;;
    libgtest-dev) echo "GoogleTest" ;;
    libboost-math-dev) echo "reference distributions for the tests" ;;
    libfaiss-dev) echo "the optional component faiss; without it: not built" ;;
    libsodium-dev) echo "the optional component secure; without it: not built" ;;
    libbenchmark-dev) echo "Google Benchmark" ;;
    libcli11-dev) echo "command lines of the demo and the tools of examples/" ;;
    libglpk-dev) echo "reads linear programs (LP, MPS) and solves them: examples/06_private_lp" ;;
    dataset-fashion-mnist) echo "60,000 real images (31 MB); without it: generated vectors" ;;
    gnuplot-nox) echo "draws the pictures; without it: numbers only" ;;
  esac
}

# Tools count however they were installed, libraries as Debian packages.
is_present() {
  case $1 in
    g++) command -v c++ || command -v g++ ;;
    clang) command -v clang++ ;;
    cmake) command -v cmake ;;
    make) command -v make || command -v ninja ;;
    ninja-build) command -v ninja ;;
    gnuplot-nox) command -v gnuplot ;;
    *) [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]] ;;
  esac >/dev/null
}

missing_of() {
  local package
  for package in "$@"; do is_present "$package" || echo "$package"; done
}

list_packages() {
  local package
  for package in "$@"; do printf '     %-22s %s\n' "$package" "$(purpose_of "$package")" >&2; done
}

# Installs the packages that are missing, or says what to do. Stops when a required one stays
# missing, except where there is no dpkg to ask: then CMake decides.
provide_packages() {
  local required optional
  mapfile -t required < <(missing_of "${required_packages[@]}")
  mapfile -t optional < <(missing_of "${optional_packages[@]}")
  local all=("${required[@]}" "${optional[@]}")
  ((${#all[@]})) || return 0

  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "this is not a Debian or Ubuntu system; the build needs, under whatever name it has here:"
    list_packages "${all[@]}"
    say "going on: CMake uses what it finds and downloads Eigen, hnswlib and Random123 if need be"
    return 0
  fi

  local as_root=()
  ((EUID == 0)) || as_root=(sudo)
  local command_line="apt-get install --no-install-recommends ${all[*]}"

  if [[ $install_packages == no ]]; then
    say "missing, and --no-install was given:"
    list_packages "${all[@]}"
    ((${#required[@]} == 0)) || die "needed: ${required[*]}. To install, as root: $command_line"
    return 0
  fi
  ((EUID == 0)) || command -v sudo >/dev/null || die "neither root nor sudo here. As root: $command_line"

  say "installing with apt-get${as_root[*]:+ (sudo may ask for your password)}:"
  list_packages "${all[@]}"
  local log
  log=$(mktemp)
  apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" </dev/null >>"$log" 2>&1; }
  apt update || say "apt-get update failed; trying with the package lists that are here"
  # Optional packages each by itself, so that one that a release lacks does not spoil the rest.
  if ((${#required[@]})) && ! apt install --no-install-recommends "${required[@]}"; then
    tail -n 20 "$log" >&2
    die "apt-get could not install ${required[*]} (log: $log)"
  fi
  local package
  for package in "${optional[@]}"; do
    apt install --no-install-recommends "$package" ||
      say "could not install $package: $(purpose_of "$package")"
  done
  rm -f "$log"
}

# run_logged WHAT LOG command...: one line on the terminal, everything else in LOG; on failure, the
# lines that tell why.
run_logged() {
  local what=$1 log=$2 start=$SECONDS
  shift 2
  mkdir -p "$(dirname "$log")"
  printf '%s' "== $what ... " >&2
  if "$@" >"$log" 2>&1; then
    printf '%s\n' "$((SECONDS - start)) s" >&2
  else
    printf '%s\n' "failed" >&2
    grep -nE -A 5 '([Ee]rror:|Error at|undefined reference)' "$log" | head -n 60 >&2 || tail -n 40 "$log" >&2
    die "$what failed; the whole output is in $log"
  fi
}

# configure_and_build PRESET [--target NAME]... [-D NAME=VALUE]...
configure_and_build() {
  local preset=$1 build=$root/build/$1 targets=() settings=()
  shift
  while (($#)); do
    case $1 in
      --target) targets+=(--target "$2") ;;
      -D) settings+=("-D$2") ;;
    esac
    shift 2
  done
  # Ninja keeps all processors busy where make waits for whole libraries; a folder keeps what it has.
  if [[ ! -e $build/CMakeCache.txt ]] && command -v ninja >/dev/null; then
    settings+=(-G Ninja)
  fi
  run_logged "configuring $preset" "$build/configure.log" \
    cmake -S "$root" --preset "$preset" "${settings[@]}"
  run_logged "building $preset" "$build/build.log" \
    cmake --build "$build" --parallel "$(nproc)" "${targets[@]}"
}
