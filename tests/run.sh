#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs what the tests need, builds with AddressSanitizer and UBSan, and runs
# every test. The last words are those of the runner, ctest.
#
#     tests/run.sh [CTEST-OPTION]...     e.g. -L fast, -R kill_storm, -j 1
set -euo pipefail
cd "$(dirname "$0")/.."

./deploy/setup.sh test
./tests/tokenizers.sh ||
  echo "tests/run.sh: no tokenizers: token ids are compared with a twin only" >&2
./tests/pyarrow.sh ||
  echo "tests/run.sh: no pyarrow: what exports as Parquet is read by one reader only" >&2
cmake --preset asan >/dev/null
cmake --build --preset asan
exec ctest --preset asan -j "$(($(nproc) + 1))" "$@"
