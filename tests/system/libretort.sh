#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A program made with the installed libretort, shared and static, reads what
# retort export writes; and the libraries have no other names than retort_*.
#
#     libretort.sh BUILD SOURCE CC FLAGS RETORT MAKE_DATASET
set -eu

build=$1 source=$2 cc=$3 flags=$4 retort=$5 make_dataset=$6
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() {
	echo "$*" >&2
	exit 1
}

cmake --install "$build" --prefix "$folder/usr" --component libretort >"$folder/log" 2>&1 ||
	fail "$(cat "$folder/log")"
PKG_CONFIG_PATH=$(dirname "$(find "$folder/usr" -name retort.pc)")
export PKG_CONFIG_PATH
lib=$(pkg-config --variable=libdir retort)

names() {
	nm "$@" | awk '$2 ~ /[A-Z]/ && $2 != "U" { print $3 }' | grep -v '^retort_' || true
}
strange=$(names -D --defined-only "$lib/libretort.so" | grep -Ev '^(__|_init|_fini)' || true)
[ -z "$strange" ] || fail "libretort.so shows: $strange"
strange=$(names -g --defined-only "$lib/libretort.a" | grep -Ev '^(__|$)' || true)
[ -z "$strange" ] || fail "libretort.a shows: $strange"

# The flags are a list.
# shellcheck disable=SC2046,SC2086
"$cc" -std=c17 -Wall -Wextra -Werror $flags "$source/tests/system/libretort_example.c" \
	$(pkg-config --cflags --libs retort) -lm -o "$folder/shared"
# shellcheck disable=SC2046,SC2086
"$cc" -std=c17 $flags "$source/tests/system/libretort_example.c" \
	$(pkg-config --cflags retort) "$lib/libretort.a" \
	$(pkg-config --libs --static retort | sed 's/-lretort//') -lm -o "$folder/static"

"$make_dataset" "$folder/run" 80 11
"$retort" export "$folder/run" --format jsonl -o "$folder/want" --logits
LD_LIBRARY_PATH=$lib "$folder/shared" "$folder/run" >"$folder/got"
cmp "$folder/got" "$folder/want"
"$folder/static" "$folder/run" >"$folder/got"
cmp "$folder/got" "$folder/want"
where="scores.answer >= 1 and 'duplicate' not in flags"
"$retort" export "$folder/run" --format jsonl -o "$folder/some" --logits --where "$where"
"$folder/static" "$folder/run" "$where" >"$folder/got"
cmp "$folder/got" "$folder/some"
"$retort" export "$folder/run" --format lmdb -o "$folder/snapshot"
"$folder/static" "$folder/snapshot" >"$folder/got"
cmp "$folder/got" "$folder/want"
"$folder/static" "$folder/run" "scores.anser" 2>"$folder/log" && fail "nonsense compiles"
grep -q "did you mean 'scores.answer'" "$folder/log" || fail "$(cat "$folder/log")"
"$folder/static" "$folder/nowhere" 2>"$folder/log" && fail "nothing opens"
echo "the same"
