#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# .clang-format decides the layout: format.sh CLANG-FORMAT SOURCE-FOLDER
set -eu
cd "$2"
find common store coordinator worker deploy tests -name '*.[ch]' -print0 |
  xargs -0 "$1" --dry-run -Werror
