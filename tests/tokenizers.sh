#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Fetches Hugging Face's tokenizers from PyPI into build/tokenizers, where the tests look
# for it: the library whose ids system/encoder compares with ours, beside the twin in
# tests/encoder_twin.py. Debian has no package of it. Without it, the test says so.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.21.1
mark=build/tokenizers/$version
[ -e "$mark" ] && exit 0
rm -rf build/tokenizers
mkdir -p build
/usr/bin/python3 -m venv build/tokenizers
timeout 300 build/tokenizers/bin/pip --disable-pip-version-check --quiet install \
  --retries 2 --timeout 20 --only-binary :all: --no-deps "tokenizers==$version"
touch "$mark"
