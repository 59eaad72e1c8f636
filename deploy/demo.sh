#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The first run: installs what is missing, builds build/release/retort, and takes a
# job through it: 400 problems asked twice of the built-in teacher by two workers,
# one of which is killed in the middle; then the exports, a snapshot, one sample.
# It leaves everything in build/demo, and may be run again.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '  $ %s\n' "$*"; }

./deploy/setup.sh demo

say "Building build/release/retort"
cmake --preset release >/dev/null
cmake --build --preset release

PATH=$PWD/build/release:$PATH
mkdir -p build/demo
cd build/demo
rm -rf -- * # an earlier demo

say "400 word problems, and a teacher that answers them"
python3 ../../deploy/make_problems.py --count 400 --seed 7 -o problems.jsonl
head -1 problems.jsonl

# A few hundred tokens a second in 32 slots, so that there is something to watch.
retort teacher --port 0 --port-file teacher.port --ledger teacher.jsonl \
  --slots 32 --tokens-per-second 450 2>teacher.log &
teacher=$!
trap 'kill "$teacher" 2>/dev/null || true' EXIT
for _ in $(seq 100); do
  [ -s teacher.port ] && break
  sleep 0.1
done

cat >job.json <<END
{
  "name": "demo",
  "corpus": ["problems.jsonl"],
  "template": "{{question}}\nPut your final answer within \\\\boxed{}.",
  "teachers": [
    {"name": "built-in", "url": "http://127.0.0.1:$(cat teacher.port)/v1",
     "model": "teacher", "max_in_flight": 32,
     "price": {"prompt_usd_per_mtok": 0.25, "completion_usd_per_mtok": 2}}
  ],
  "sampling": {"n": 2, "temperature": 0.7, "max_tokens": 1024, "seed": 42},
  "logits": {"top_logprobs": 20}
}
END

say "The job, on two workers"
show retort run job.json --workers 2
retort run job.json --workers 2 &
run=$!

ledger() { sqlite3 -readonly "$@" 2>/dev/null; }
committed() { ledger demo.run/ledger.sqlite 'select samples_committed from progress' || echo 0; }

# In the middle: one worker dies without a word.
while kill -0 "$run" 2>/dev/null && [ "$(committed)" -lt 250 ]; do sleep 0.2; done
victim=$(pgrep -P "$run" -f 'retort worker' | head -1 || true)
if [ -n "$victim" ]; then
  held=$(ledger demo.run/ledger.sqlite 'select max(in_flight) from workers')
  kill -9 "$victim"
  say "kill -9 $victim: a worker with about $held requests in flight is gone"
fi
wait "$run"

say "Progress, from any shell, during the run or after it"
show "sqlite3 -readonly demo.run/ledger.sqlite 'select * from progress'"
sqlite3 -readonly -line demo.run/ledger.sqlite 'select * from progress'

say "What the crash cost, from the teacher's own ledger"
retort export demo.run --format jsonl -o all.jsonl
python3 - <<'END'
import collections, json
asked, questions = collections.Counter(), 0
requests = [json.loads(line) for line in open("teacher.jsonl")]
for request in requests:
    # What this teacher gives was asked before the first prompt, always with one text.
    if request["digest"] in (None, requests[0]["digest"]):
        questions += 1
        continue
    # 499: the client hung up before its answer, as a killed one does.
    if request["status"] in (200, 499):
        asked[request["digest"], request["seed"]] += 1
stored = collections.Counter()
for line in open("all.jsonl"):
    sample = json.loads(line)
    stored[sample["prompt_no"], sample["sample"]] += 1
print("  what it gives, asked in: ", questions)
print("  samples that were needed:", len(asked))
print("  requests the teacher had:", asked.total())
print("  paid for twice:          ", asked.total() - len(asked), "(those in flight in the killed worker)")
print("  samples stored:          ", stored.total())
print("  samples stored twice:    ", stored.total() - len(stored))
assert stored.total() == len(stored) == len(asked) == 800
assert asked.total() - len(asked) <= 32
END

say "The same run under another filter: not one more request"
before=$(wc -l <teacher.jsonl)
show "retort export demo.run --format openai-messages -o right.jsonl --where 'accepted and scores.answer >= 1'"
retort export demo.run --format openai-messages -o right.jsonl \
  --where 'accepted and scores.answer >= 1'
echo "  all.jsonl has $(wc -l <all.jsonl) lines, right.jsonl $(wc -l <right.jsonl);" \
  "requests since: $(($(wc -l <teacher.jsonl) - before))"

say "A snapshot for a trainer, verified"
show retort export demo.run --format lmdb -o snapshot
retort export demo.run --format lmdb -o snapshot
show retort verify snapshot
retort verify snapshot

id=$(python3 -c 'import json; print(json.loads(open("problems.jsonl").readline())["id"])')
say "One sample, its tokens coloured by the teacher's probability"
show retort show demo.run "$id" 0 --logits
retort show demo.run "$id" 0 --logits --color always

say "Where to look"
cat <<END
  build/demo/job.json               the job
  build/demo/demo.run/              its run: ledger.sqlite, dataset/, log/
  build/demo/all.jsonl              every sample
  build/demo/right.jsonl            accepted and right, as a trainer reads them
  build/demo/snapshot/              LMDB, with manifest.json
  build/release/retort status build/demo/demo.run
END
