#!/usr/bin/env bash
# farm.sh - the front door for somebody who has just cloned: demo, test, build, install
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
build=$root/build

# Debian 12's names. What builds it, what it runs with, what its tests need.
packages_build=(gcc libc6-dev cmake make pkg-config libczmq-dev libzmq3-dev libmsgpack-dev
    libsqlite3-dev libhwloc-dev libjansson-dev libncurses-dev zlib1g-dev libzstd-dev libsodium-dev)
# Blender opens libEGL by itself for Eevee and Workbench: no package says so.
packages_run=(blender python3 python3-numpy python3-openimageio libegl1 libgl1-mesa-dri)
packages_test=(libcmocka-dev python3-pytest python3-pytest-xdist python3-hypothesis python3-msgpack
    python3-zmq)
packages_bpy=(python3-venv libgl1 libsm6 libxfixes3 libxi6 libxkbcommon0 libxrender1)

usage() {
    cat <<'TEXT'
usage: ./farm.sh [--no-install] COMMAND

  demo                        build, make a small animated scene, render it with two workers
  test [--bpy] [PYTEST OPTION...]
                              build and run every test; -k NAME runs those of that name only;
                              --bpy: those of Blender also with the module bpy, from PyPI (350 MB)
                              into build/bpy, or of the Python $DBLEND_TEST_BPY; -k bpy: only them
  build [--tests]             build/bin/dblend, dblend-broker, dblend-worker (and the unit tests)
  install [--prefix DIR]      build and install them, with man pages and completion (/usr/local)

Debian packages that are missing are named and then installed, with sudo where it is needed.
  --no-install                do not install packages: name what is missing and stop
TEXT
}

say() { printf '%s\n' "$*"; }
fail() { printf 'farm.sh: %s\n' "$*" >&2; exit 1; }
misuse() { printf 'farm.sh: %s\n' "$*" >&2; usage >&2; exit 2; }

installed() {
    # A Blender of the user's own, in PATH, is as good as the package.
    if [[ $1 == blender ]] && command -v blender >/dev/null; then
        return 0
    fi
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# need PACKAGE...: make sure that these Debian packages are there
need() {
    local missing=() package as_root=()
    if ! command -v dpkg-query >/dev/null; then
        say "This is no Debian system; these packages must be there under its own names: $*"
        return 0
    fi
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    if [[ ${#missing[@]} -eq 0 ]]; then
        return 0
    fi
    say "Missing Debian packages: ${missing[*]}"
    if [[ $install_packages == no ]]; then
        fail "--no-install was given; install them with: apt-get install ${missing[*]}"
    fi
    if [[ $(id -u) -ne 0 ]]; then
        command -v sudo >/dev/null ||
            fail "not root and no sudo here; as root: apt-get install ${missing[*]}"
        as_root=(sudo)
        [[ -t 0 ]] || as_root=(sudo -n)
        # sudo resets the environment
        as_root+=(env)
    else
        as_root=(env)
    fi
    say "Installing them with apt-get ..."
    local log
    log=$(mktemp)
    if ! { "${as_root[@]}" apt-get update -qq &&
        "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
            --no-install-recommends "${missing[@]}"; } </dev/null >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        fail "apt-get failed (its last lines are above)"
    fi
    rm -f "$log"
}

# The interpreter that can import the modules named: DBLEND_PYTHON, Debian's, the first in PATH.
python_with() {
    local candidate modules
    modules=$(IFS=,; printf '%s' "$*")
    for candidate in "${DBLEND_PYTHON:-}" /usr/bin/python3 "$(command -v python3 || true)"; do
        if [[ -n $candidate ]] && "$candidate" -c "import $modules" 2>/dev/null; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    fail "no python3 here can import $modules (Debian: python3-openimageio, python3-pytest-xdist)"
}

jobs() { getconf _NPROCESSORS_ONLN 2>/dev/null || printf '2\n'; }

compile() {
    local log=$build/build.log
    mkdir -p "$build"
    say "Building in $build ..."
    if ! { cmake -S "$root" -B "$build" && cmake --build "$build" --parallel "$(jobs)"; } \
        >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        fail "the build failed (all of it: $log)"
    fi
    { grep -E 'warning:' "$log" >&2; } || true
}

command_build() {
    local packages=("${packages_build[@]}" "${packages_run[@]}")
    [[ ${1:-} != --tests ]] || { packages+=("${packages_test[@]}"); shift; }
    [[ $# -eq 0 ]] || misuse "build: what is $1?"
    need "${packages[@]}"
    compile
    say "Built: $build/bin/dblend, dblend-broker, dblend-worker"
}

command_install() {
    local prefix=/usr/local
    while [[ $# -gt 0 ]]; do
        case $1 in
        --prefix) [[ $# -ge 2 ]] || misuse "--prefix needs a folder"; prefix=$2; shift 2 ;;
        --prefix=*) prefix=${1#--prefix=}; shift ;;
        *) misuse "install: what is $1?" ;;
        esac
    done
    need "${packages_build[@]}" "${packages_run[@]}"
    [[ $prefix == /* ]] || prefix=$PWD/$prefix
    compile
    local as_root=() above=$prefix
    while [[ ! -e $above ]]; do
        above=$(dirname -- "$above")
    done
    if [[ ! -w $above ]]; then
        command -v sudo >/dev/null || fail "$prefix is not writable; try --prefix \"\$HOME/.local\""
        as_root=(sudo)
    fi
    "${as_root[@]}" cmake --install "$build" --prefix "$prefix" >"$build/install.log" ||
        fail "cmake --install failed"
    say "Installed in $prefix: bin/dblend, bin/dblend-broker, bin/dblend-worker, man pages, completion"
}

command_demo() {
    [[ $# -eq 0 ]] || misuse "demo takes no options"
    need "${packages_build[@]}" "${packages_run[@]}"
    compile
    local python demo=$build/demo devices=cpu/2 started=$SECONDS
    python=$(python_with OpenImageIO numpy)
    rm -rf "$demo"
    mkdir -p "$demo"
    say "Making the scene ..."
    blender --background --factory-startup --python-exit-code 9 \
        --python "$root/tests/scenes/demo_scene.py" -- "$demo/wave.blend" \
        >"$demo/scene.log" 2>&1 || {
        tail -n 20 "$demo/scene.log" >&2
        fail "Blender could not make the scene"
    }
    # One core alone cannot be shared by two workers.
    "$build/bin/dblend-worker" --list devices cpu/2 >/dev/null 2>&1 || devices=cpu/1
    say "Rendering 24 frames: dblend render --devices $devices $demo/wave.blend"
    DBLEND_HOME=$demo/home "$build/bin/dblend" render --devices "$devices" "$demo/wave.blend" ||
        fail "the render did not finish (farm log: $demo/home/log)"
    "$python" "$root/tests/scenes/contact_sheet.py" "$demo/contact-sheet.png" 6 \
        "$demo"/frames/wave_*.png
    say "Frames:        $demo/frames"
    say "Contact sheet: $demo/contact-sheet.png"
    say "Scene, render and sheet took $((SECONDS - started)) s."
}

# ctest knows names, not pytest's expressions: a -k that is one plain name selects there too.
ctest_filter() {
    local previous=''
    for option in "$@"; do
        if [[ $previous == -k && $option =~ ^[A-Za-z0-9_./-]+$ ]]; then
            printf '%s\n' "$option"
        fi
        previous=$option
    done
}

# black_box LOG PYTHON [PYTEST OPTION...]
black_box() {
    (cd "$root" && DBLEND_BIN=$build/bin "$2" -m pytest -o "cache_dir=$build/pytest-cache" \
        "${@:3}" tests) 2>&1 | tee "$1"
}

has_bpy() { [[ -n $1 ]] && "$1" -c 'import bpy' >/dev/null 2>&1; }

# The newest bpy that PyPI has for a Python of this machine, in an environment of its own.
get_bpy() {
    local python env=$build/bpy log=$build/bpy.log end=$((SECONDS + 3600))
    [[ ${CI:-} != true ]] || end=$((SECONDS + 300)) # its time is short
    mkdir -p "$build"
    for python in "${DBLEND_TEST_BPY:-}" "$env/bin/python"; do
        if has_bpy "$python"; then
            export DBLEND_TEST_BPY=$python
            return 0
        fi
    done
    unset DBLEND_TEST_BPY
    say "Getting bpy from PyPI into $env ..."
    : >"$log"
    for python in python3.13 python3.12 python3.11 python3; do
        "$python" -c '' 2>/dev/null || continue
        [[ $SECONDS -lt $end ]] || break
        rm -rf "$env"
        if { "$python" -m venv "$env" && timeout $((end - SECONDS)) \
            "$env/bin/pip" install --only-binary=:all: bpy; } >>"$log" 2>&1 &&
            has_bpy "$env/bin/python"; then
            export DBLEND_TEST_BPY=$env/bin/python
            return 0
        fi
    done
    rm -rf "$env"
    tail -n 5 "$log"
    say "No bpy could be had for a Python of this machine: its tests are skipped."
}

command_test() {
    local packages=("${packages_build[@]}" "${packages_run[@]}" "${packages_test[@]}") bpy=no
    if [[ ${1:-} == --bpy ]]; then
        shift
        bpy=yes
        packages+=("${packages_bpy[@]}")
    fi
    need "${packages[@]}"
    [[ $bpy == no ]] || get_bpy
    compile
    local python filter status=0 ctest_line='' pytest_line='' filters=()
    python=$(python_with OpenImageIO numpy pytest xdist)
    filter=$(ctest_filter "$@")
    [[ -z $filter ]] || filters=(-R "$filter")
    [[ -d $root/../shared/scenes ]] ||
        say "No ../shared/scenes here: the tests that render those scenes are skipped."

    say "== unit tests (ctest)"
    ctest --test-dir "$build" --output-on-failure --no-tests=ignore --parallel "$(jobs)" \
        "${filters[@]}" 2>&1 | tee "$build/ctest.log" || status=1
    say "== black-box tests (pytest)"
    local code=0 again_line=''
    # Most of a test is waiting for a Blender to start: one more at a time than there are cores.
    black_box "$build/pytest.log" "$python" --dist loadfile \
        -n $(($(jobs) < 8 ? $(jobs) + 1 : 8)) "$@" || code=$?
    pytest_line=$(tail -n 1 "$build/pytest.log")
    # Run again alone to show whether the neighbours were the cause; the failure stands either way.
    if [[ $code -eq 1 ]]; then
        say "== those that failed side by side, alone"
        black_box "$build/pytest-again.log" "$python" \
            --last-failed --last-failed-no-failures none "$@" || true
        again_line=$(tail -n 1 "$build/pytest-again.log")
    fi
    # 5: no test of that name there, which the other runner may have
    [[ $code -eq 0 || $code -eq 5 ]] || status=1

    ctest_line=$(grep -E '% tests passed|No tests were found' "$build/ctest.log" | tail -n 1 || true)
    say "== totals"
    say "ctest:  $ctest_line"
    say "pytest: $pytest_line"
    [[ -z $again_line ]] || say "again:  $again_line"
    return "$status"
}

install_packages=yes
command=
while [[ $# -gt 0 ]]; do
    case $1 in
    --no-install) install_packages=no; shift ;;
    -h | --help | help) usage; exit 0 ;;
    demo | test | build | install) command=$1; shift; break ;;
    *) misuse "what is $1?" ;;
    esac
done
[[ -n $command ]] || misuse "a command is missing"
arguments=()
for argument in "$@"; do
    if [[ $argument == --no-install ]]; then
        install_packages=no
    else
        arguments+=("$argument")
    fi
done
"command_$command" "${arguments[@]}"
