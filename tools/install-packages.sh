#!/bin/sh
# Installs the Debian packages that a build needs and that are missing. Nothing comes from anywhere
# else. Run twice, it does nothing the second time.
#
#   install-packages.sh [build|fuzz|bench]...       "build" if nothing is named
set -eu

build="g++ cmake ninja-build make ca-certificates jq
  libssl-dev libprotobuf-dev protobuf-compiler libonnx-dev libseccomp-dev
  libhwy-dev libcli11-dev nlohmann-json3-dev libgtest-dev libonnx-testdata
  libcurl4-openssl-dev
  libtss2-dev swtpm swtpm-tools pkgconf libxml2-dev libxmlsec1-dev libxmlsec1-openssl"
fuzz="clang-14 libclang-rt-14-dev"
bench="python3 python3-dev python3-venv"

wanted=""
[ "$#" -gt 0 ] || set -- build
for group in "$@"; do
  case "$group" in
    build) wanted="$wanted $build" ;;
    fuzz) wanted="$wanted $fuzz" ;;
    bench) wanted="$wanted $bench" ;;
    *) echo "install-packages.sh: no such group: $group (build, fuzz, bench)" >&2; exit 2 ;;
  esac
done

missing=""
for package in $wanted; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing="$missing $package"
done
if [ -z "$missing" ]; then
  echo "packages: everything is installed"
  exit 0
fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "packages missing:$missing; install them as root" >&2; exit 1; }
  as_root=sudo
fi
echo "packages: installing$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086 # the list is meant to be split
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
