#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Takes a whole run through against a real llama.cpp server with a real model, and
# evaluates what was stored once more, by itself. Sets up what it needs in
# tests/real/.work the first time. README.md has times, sizes and what it shows.
#
#     tests/real/run.sh [--prompts N] [--topk] [option...]     --help lists them
#     tests/real/run.sh --set-up                               only set up
#     tests/real/run.sh --no-setup RETORT [option...]          exit 77 if it was not
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
work=$here/.work
retort=../../build/release/retort

if [ "${1:-}" = --no-setup ]; then
	retort=$2
	shift 2
	for part in model.gguf python/llama_cpp venv/bin/python llama/llama-server; do
		if [ ! -e "$work/$part" ]; then
			echo "SKIPPED: tests/real/.work has no $part; tests/real/run.sh --set-up" \
				"makes it"
			exit 77
		fi
	done
else
	./setup.sh
	if [ "${1:-}" = --set-up ]; then
		exit 0
	fi
	cmake -S ../.. --preset release >/dev/null
	cmake --build ../../build/release
fi
exec /usr/bin/python3 "$here/pipeline.py" "$retort" "$work" "$@"
