#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The built-in teacher against its twin: every row of many answers, under several
# settings, as computed anew from deploy/teacher/MODEL.md.
#
# usage: teacher_twin.sh RETORT
set -eu
retort=$1
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
dir=$(mktemp -d "${TMPDIR:-/tmp}/retort-twin.XXXXXX")
pid=
trap 'if [ -n "$pid" ]; then kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; fi; rm -rf "$dir"' EXIT

# start OPTIONS...: a teacher on a free port, whose url is $url then.
start()
{
	rm -f "$dir/port"
	"$retort" teacher --port 0 --port-file "$dir/port" "$@" 2>"$dir/log" &
	pid=$!
	tries=0
	while [ ! -s "$dir/port" ]; do
		tries=$((tries + 1))
		if [ $tries -gt 5000 ] || ! kill -0 "$pid" 2>/dev/null; then
			cat "$dir/log" >&2
			exit 1
		fi
		sleep 0.02
	done
	url=http://127.0.0.1:$(cat "$dir/port")
}

stop()
{
	kill "$pid"
	wait "$pid" # and it must say that all was well
	pid=
}

# check OPTIONS...: the same model settings for the teacher and for the twin.
check()
{
	start "$@"
	"$python" "$here/../teacher_twin.py" --self-check "$url" --count 25 "$@"
	stop
}

"$python" "$here/../../deploy/make_problems.py" --count 25 -o "$dir/corpus.jsonl"
check
check --correct 0.3 --loops 0.4 --length 2.5
check --correct 0.5 --loops 0 --length 0 --no-open-think
check --correct 1 --references "$dir/corpus.jsonl"

# The teacher solves every problem that make_problems.py writes.
start --correct 1 --loops 0
"$python" "$here/teacher_problems.py" "$url" "$here/../../deploy/make_problems.py"
stop
