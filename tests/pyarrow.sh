#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Fetches pyarrow from PyPI into build/pyarrow, where the tests look for it: the second
# reader of what `retort export` writes as Parquet, beside tests/parquet_reader.py.
# Debian has no package of it. Without it, the tests say what they do not do.
set -euo pipefail
cd "$(dirname "$0")/.."

version=26.0.1
mark=build/pyarrow/$version
[ -e "$mark" ] && exit 0
rm -rf build/pyarrow
mkdir -p build
/usr/bin/python3 -m venv build/pyarrow
timeout 300 build/pyarrow/bin/pip --disable-pip-version-check --quiet install \
  --retries 2 --timeout 20 --only-binary :all: "pyarrow==$version"
touch "$mark"
