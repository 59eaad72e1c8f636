#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs what the benches need, builds release, and measures: each figure is a
# ratio of two ways of doing the same, from one run, or a size.
#
#     tests/bench/run.sh [NAME...] [--json]      names: see tests/bench/run.sh --list
set -euo pipefail
cd "$(dirname "$0")/../.."

./deploy/setup.sh bench
cmake --preset release -DRETORT_BENCH=ON >/dev/null
cmake --build --preset release >&2
exec /usr/bin/python3 tests/bench/bench.py build/release "$@"
