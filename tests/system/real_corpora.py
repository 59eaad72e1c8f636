#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real corpora, as their authors published them, through a whole run.

usage: real_corpora.py RETORT [TEST...]

Nothing is converted: the files are named in the job where they lie, in
../shared/data beside the project. Where one is not there its test says so, and
the exit code is 77 if it was not for all of them.
"""
import collections
import json
import sys

import rig
from rig import Rig, Server, digest, shared_corpus

SKIPPED = 77
CORRECT = 0.7
BOXED = "{{question}}\nPut your final answer within \\boxed{}."


def read(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


def whole_run(retort, r, t, path, lines, **changes):
    """The file from its first line to the last, two samples each; its export."""
    r.job(t.port, corpus=path, logits={"top_logprobs": 20}, **changes)
    r.run(workers=2)
    asked = read(path)
    assert len(asked) == lines, (path, len(asked))
    p = r.progress()
    assert p["samples_total"] == 2 * lines and p["prompts_failed"] == 0, p
    assert p["samples_failed"] == 0 and r.query("select * from rejects") == [], p
    rows = r.check_whole(lines, 2)
    r.check_against_teacher(rows, t)
    assert len(r.teacher_ledger(t)) == 2 * lines
    # All columns come back: as prompt, reference, or unchanged under `extra`.
    for i, row in enumerate(rows):
        line = asked[i // 2]
        assert (row["prompt_no"], row["sample"]) == (i // 2, i % 2), (i, row["prompt_no"])
        for key, value in line.items():
            if key in (row["extra"] or {}):
                assert row["extra"][key] == value, (path, i, key)
            else:
                assert value in (row["id"], row["reference"]) or any(
                    value in m["content"] for m in row["prompt"]), (path, i, key)
    return asked, rows


def gsm8k(retort, path):
    with Server(retort, "--references", path, "--correct", str(CORRECT)) as t, Rig(retort) as r:
        asked, rows = whole_run(retort, r, t, path, 1319, template=BOXED)
        told = {line["nonce"]: line["choices"][0] for line in r.teacher_ledger(t)}
        seen = collections.Counter()
        for row in rows:
            line = asked[row["prompt_no"]]
            assert row["reference"] == line["answer"], row["id"]
            assert row["prompt"][-1]["content"].startswith(line["question"]), row["id"]
            choice = told[row["provenance"]["request_id"]]
            truth, score = choice["truth"], row["scores"]["answer"]
            assert truth is not None, "the teacher has no reference for %s" % row["id"]
            assert digest(row["content"]) == choice["content"], row["id"]
            # A trace that went round in circles to its limit has no answer: not right.
            assert score == (1 if truth else 0), (row["id"], row["sample"], truth, score,
                                                  row["finish_reason"], row["content"])
            seen[truth] += 1
        right = r.export("--where", "scores.answer >= 1", name="right.jsonl")
        assert len(right) == seen[True], (len(right), seen)
        # At a temperature below 1 the likelier of two is likelier still. Five standard
        # deviations of 2 638 draws; traces that never end are a few in a thousand.
        sharp = [p ** (1 / 0.7) for p in (CORRECT, 1 - CORRECT)]
        assert abs(seen[True] / len(rows) - sharp[0] / sum(sharp)) < 0.045, seen
        return "%d of %d samples right, and every score says the same" % (
            seen[True], len(rows))


def humaneval(retort, path):
    with Server(retort) as t, Rig(retort) as r:
        asked, rows = whole_run(retort, r, t, path, 164)
        for row in rows:
            line = asked[row["prompt_no"]]
            assert row["prompt"] == [{"role": "user", "content": line["prompt"]}], row["id"]
            assert row["extra"]["test"] == line["test"], row["id"]
        return "%d samples" % len(rows)


def self_instruct(retort, path):
    with Server(retort) as t, Rig(retort) as r:
        asked, rows = whole_run(retort, r, t, path, 175)
        for row in rows:
            line = asked[row["prompt_no"]]
            assert row["id"] == line["id"], row["id"]
            assert line["instruction"] in row["prompt"][-1]["content"], row["id"]
            assert row["extra"]["instances"] == line["instances"], row["id"]
        return "%d samples" % len(rows)


FILES = {"gsm8k-test.jsonl": gsm8k, "humaneval.jsonl": humaneval,
         "self-instruct-seed-tasks.jsonl": self_instruct}


def main():
    skipped = 0
    for name, test in FILES.items():
        if sys.argv[2:] and test.__name__ not in sys.argv[2:]:
            continue
        path = shared_corpus(name)
        if path:
            with rig.timed(test.__name__):
                print("  %s: %s" % (name, test(sys.argv[1], path)))
        skipped += path is None
    if skipped:
        print("SKIPPED: %d of %d corpora are not there, nothing is known about them" % (
            skipped, len(FILES)))
        sys.exit(SKIPPED)


if __name__ == "__main__":
    main()
