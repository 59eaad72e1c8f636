#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian packages that retort needs, those that are missing only.
#
#     deploy/setup.sh [run|build|demo|test|bench]...     (build when none is named)
#
# Works as root, or as a user who may use sudo. With --list it only prints names.
set -eu

run="libzmq5 libcurl4 libsqlite3-0 liblmdb0 libjansson4 libzstd1 zlib1g libxxhash0
  libsodium23 libmicrohttpd12 libonig5 libutf8proc2 ca-certificates"
build="gcc libc6-dev cmake ninja-build pkg-config libzmq3-dev libcurl4-openssl-dev
  libsqlite3-dev liblmdb-dev libjansson-dev libzstd-dev zlib1g-dev libxxhash-dev
  libsodium-dev libmicrohttpd-dev libonig-dev libutf8proc-dev ca-certificates"
demo="sqlite3 python3 procps"
test="libcmocka-dev sqlite3 python3 python3-venv python3-jinja2 python3-lmdb python3-regex python3-zstandard python3-xxhash
  clang clang-format man-db procps curl strace mount openssl util-linux
  zstd gzip"
bench="nginx-light wrk sqlite3 python3 libcmocka-dev g++ libsimdjson-dev"

list=no
wanted=""
for arg in "$@"; do
  case $arg in
    run) wanted="$wanted $run" ;;
    build) wanted="$wanted $build" ;;
    demo) wanted="$wanted $build $demo" ;;
    test) wanted="$wanted $build $test" ;;
    bench) wanted="$wanted $build $bench" ;;
    --list) list=yes ;;
    *)
      echo "usage: deploy/setup.sh [--list] [run|build|demo|test|bench]..." >&2
      exit 2
      ;;
  esac
done
[ -n "$wanted" ] || wanted=$build

if [ $list = yes ]; then
  for package in $wanted; do echo "$package"; done | sort -u
  exit 0
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "setup.sh: this is not Debian; please install what answers to these packages:" >&2
  for package in $wanted; do echo "  $package"; done | sort -u >&2
  exit 1
fi

missing=""
for package in $wanted; do
  case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
    "install ok installed") ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "setup.sh: not root, and there is no sudo; please have these installed:$missing" >&2
    exit 1
  fi
  as_root="sudo"
fi

echo "setup.sh: installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get -o DPkg::Lock::Timeout=300 update -qq
# shellcheck disable=SC2086  # a list of words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
  install -y -qq --no-install-recommends $missing >&2
