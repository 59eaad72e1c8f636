#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Exit codes, messages and streams of retort export, show and verify.
#
#     store_commands.sh RETORT MAKE_DATASET
set -eu

retort=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$2" "$folder/run" 30 4
cd "$folder"

fail() {
	echo "$*" >&2
	exit 1
}

# expect CODE COMMAND...: runs it, with its streams in the files out and err.
expect() {
	want=$1
	shift
	got=0
	"$retort" "$@" >out 2>err || got=$?
	[ "$got" = "$want" ] || fail "retort $*: exit $got, not $want: $(cat err)"
}

says() {
	grep -qF -- "$2" "$1" || fail "$1 does not say '$2': $(cat "$1")"
}

expect 2 export
expect 2 export run --format jsonl
says err "--out is missing"
expect 2 export run --format jsonk --out x
says err "did you mean 'jsonl'?"
expect 2 export run --format jsonl -o x --where "scores.anser >= 1"
says err "column 1: unknown name 'scores.anser' (did you mean 'scores.answer'?)"
says err "  scores.anser >= 1"
says err "  ^"
expect 2 export run --format lmdb -o -
expect 2 export run --format openai-messages -o x --logits
expect 2 export run --format jsonl -o - --json
expect 1 export nowhere --format jsonl -o x
says err "(it is not there)"
[ ! -e x ] || fail "an export that failed left a file"

expect 0 export run --format jsonl -o lines.jsonl
[ ! -s out ] || fail "an export talks on standard output"
says err "wrote 90 samples of 30 prompts"
[ "$(wc -l <lines.jsonl)" = 90 ] || fail "not 90 lines"
sum=$(b2sum -l 256 lines.jsonl | cut -d' ' -f1)
says lines.jsonl.manifest.json "$sum"
expect 1 export run --format jsonl -o lines.jsonl
says err "--force replaces it"
expect 0 export run --format jsonl -o - --where "accepted"
cmp -s out lines.jsonl && fail "--where changes nothing"
expect 0 export run/dataset --format jsonl -o -
cmp out lines.jsonl
expect 0 export run --format lmdb -o snapshot --json
says out '"blake2b_256"'
expect 0 export snapshot --format jsonl -o -
cmp out lines.jsonl
expect 0 export run --format openai-messages -o - --since 1000000
[ ! -s out ] || fail "nothing came after sequence 1000000"
ls | grep -q tmp && fail "something aside is left"

expect 0 show run p-3
says out "p-3  prompt 3"
expect 0 show run 3 1
says out "-- content --"
grep -q "$(printf '\033')" out && fail "colours into a file"
expect 0 show run 3 1 --logits --color always
says out "-- tokens --"
expect 0 show run p-3 1 --json --logits
says out '"logprobs_mode"'
expect 0 show run p-3 --json
says out '"sample": 2'
expect 1 show run p-9999
says err 'no prompt with the id "p-9999"'
expect 1 show run p-3 99
expect 2 show run p-3 x
expect 2 show run p-3 --logits
expect 2 show run

expect 0 verify run
says out "clean"
expect 0 verify snapshot --json
says out '"clean": true'
printf x >>snapshot/data.mdb
expect 1 verify snapshot
says out "manifest.json says"
expect 1 verify nowhere
echo "as they should be"
