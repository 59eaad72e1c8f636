#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# .clang-format decides the layout: format.sh CLANG-FORMAT SOURCE-FOLDER
set -eu
cd "$2"
# tests/real/.work has other people's sources.
find common store coordinator worker deploy tests -name .work -prune -o \
  -name '*.[ch]' -print0 |
  xargs -0 "$1" --dry-run -Werror
