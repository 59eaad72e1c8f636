#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What trainers get: each distribution at the position whose token comes next.

usage: trainer_exports.py RETORT [TEST...]

Whole runs against the built-in teacher are exported as `distillkit` and `axolotl` and
read back, by tests/parquet_reader.py and by pyarrow where it is there. At every
position i the teacher's list must be that of input_ids[i + 1]: at temperature 0 its
first is that token, and at any temperature tests/teacher_twin.py says what it holds.
An export that is shifted by one must fail both.
"""
import glob
import json
import math
import os

from fidelity import HALF_ULP, K, LIBM, Row, float32, near
from rig import OwnTeacher, Rig, Server, main, problems
import parquet_reader  # in the folder above, which rig knows
from teacher_twin import EOS, Teacher

NOTHING, IGNORE = -1000.0, -100
COLUMNS = {
    "distillkit": ["input_ids", "attention_mask", "labels", "token_ids", "top_values"],
    "axolotl": ["input_ids", "attention_mask", "labels", "target_logprobs",
                "target_token_ids", "target_mask"],
}
IDS = {"distillkit": "token_ids", "axolotl": "target_token_ids"}
VALUES = {"distillkit": "top_values", "axolotl": "target_logprobs"}
PYARROW = parquet_reader.pyarrow()


def load(r, form, *args, name=None):
    """(rows as objects, manifest, what was said) of an export."""
    out = r.path(name or form)
    done = r.command("export", r.run_dir, "-f", form, "-o", out, "--force", *args)
    assert done.returncode == 0, done
    assert not glob.glob(out + "*.tmp"), "something was left beside it"
    with open(os.path.join(out, "manifest.json"), encoding="utf-8") as f:
        manifest = json.load(f)
    files = ["data_%d.parquet" % i for i in range(len(manifest["files"]))]
    assert [f["name"] for f in manifest["files"]] == files
    assert sorted(os.listdir(out)) == sorted([*files, "manifest.json"])
    rows = []
    for name in files:
        path = os.path.join(out, name)
        table = parquet_reader.read(path)
        if PYARROW:
            read = PYARROW.read_table(path)
            assert read.to_pydict() == table, "the two readers differ"
            assert read.schema.names == COLUMNS[form], read.schema
        assert list(table) == COLUMNS[form]
        rows += [dict(zip(table, values)) for values in zip(*table.values())]
    assert len(rows) == manifest["counts"]["samples"]
    assert manifest["rows"]["logprobs"]["raw"] in (0, len(rows)), manifest["rows"]
    return rows, manifest, done.stderr


def check_shape(form, row, k):
    """Rectangles of valid entries, whatever they are worth."""
    n = len(row["input_ids"])
    for name in COLUMNS[form]:
        assert len(row[name]) == n, (name, len(row[name]), n)
    for i, (ids, values) in enumerate(zip(row[IDS[form]], row[VALUES[form]])):
        assert len(ids) == len(values) == len(set(ids)) == k, (i, ids, values)
        assert min(ids) >= 0 and all(NOTHING <= v <= 0 for v in values), (i, ids, values)
    if form == "axolotl":
        for mask, values in zip(row["target_mask"], row["target_logprobs"]):
            assert len(mask) == k and mask == [int(v > NOTHING) for v in values]
            assert not mask[0] or abs(math.fsum(map(math.exp, values)) - 1) < 1e-6


def listed(form, row, i):
    """What the teacher listed at position i."""
    ids, values = row[IDS[form]][i], row[VALUES[form]][i]
    n = sum(v > NOTHING for v in values)
    assert all(v == NOTHING for v in values[n:]), values
    return ids[:n], values[:n]


def check_sequence(form, row, sample, length=None, at=1):
    """Tokens, masks and labels; `at`: how far a row stands before its token."""
    prompt, tokens = sample["prompt_token_ids"], sample["token_ids"]
    whole = prompt + tokens
    n, p = length or len(whole), len(prompt)
    there = min(n, len(whole))
    assert row["input_ids"] == whole[:n] + [0] * (n - there)
    assert row["attention_mask"] == [1] * there + [0] * (n - there)
    rows = range(p - at, min(n, len(whole) - at))
    for i in range(n):
        has_row = i in rows
        assert bool(listed(form, row, i)[0]) == has_row, (i, has_row)
        is_label = p <= i < there and (form == "axolotl" or has_row)
        assert row["labels"][i] == (whole[i] if is_label else IGNORE), i
    return rows


def check_top_1(form, row, rows):
    """The shift, seen without knowing the teacher: greedy means the list's first."""
    for i in rows:
        if i + 1 < len(row["input_ids"]) and row["attention_mask"][i + 1]:
            assert row[IDS[form]][i][0] == row["input_ids"][i + 1], i


def same(form, got, want, where):
    """The teacher's logprobs; in axolotl's columns they sum to 1. There the bound has
    three float32 roundings: of the logprob, of the sum, of the difference."""
    p = [math.exp(x) for x in want]
    total = math.log(math.fsum(p))
    weight = sum(-a * b for a, b in zip(p, want)) / math.fsum(p)
    for a, b in zip(float32(got), want, strict=True):
        if form == "distillkit":
            assert near(a, b), (where, a, b)
        else:
            bound = HALF_ULP * (abs(b) + weight + abs(b - total)) + LIBM
            assert abs(a - (b - total)) <= bound, (where, a, b - total, bound)


class Twin:
    """What the teacher's model says at each position."""

    def __init__(self):
        self.teacher, self.tokens, self.outside = Teacher(), 0, 0

    def check(self, form, row, sample, k):
        """Row by row, from the prompt's last token on."""
        prompt = self.teacher.prompt(sample["prompt"])
        first, state = len(prompt.prompt_ids()) - 1, prompt.start
        assert row["input_ids"][:first + 1] == prompt.prompt_ids()
        for j, x in enumerate(sample["token_ids"]):
            if first + j == len(row["input_ids"]):
                break  # cut by --length
            twin = Row(prompt.row(state), True)
            _, ids, values, _ = twin.expect(x)
            got_ids, got = listed(form, row, first + j)
            assert got_ids == ids[:k], (j, got_ids, ids)
            same(form, got, values[:k], j)
            self.outside += x not in twin.top
            self.tokens += 1
            state = prompt.next(state, x, twin.row)


def fails(check, *args):
    try:
        check(*args)
    except AssertionError:
        return True
    return False


def run(r, t, prompts, temperature, max_tokens, k=K, **changes):
    r.corpus([{**p, "question": p["question"] + " Think." * (i % 5)}
              for i, p in enumerate(problems(prompts))])
    r.job(t.port, sampling={"temperature": temperature, "max_tokens": max_tokens},
          logits={"top_logprobs": k, "profile": "exact"}, **changes)
    r.run()
    return r.export("--logits")


def nothing_left_out(manifest):
    assert not any(manifest["rows"]["left_out"].values()), manifest["rows"]


# ---- the shift -------------------------------------------------------------------------

def top_1_is_the_next_token(retort):
    with Server(retort) as t, Rig(retort) as r:
        samples = run(r, t, 10, 0, 110)
        assert len({len(s["prompt_token_ids"]) for s in samples}) > 5
        n = 0
        for form in COLUMNS:
            rows, manifest, _ = load(r, form)
            nothing_left_out(manifest)
            for row, sample in zip(rows, samples, strict=True):
                check_shape(form, row, K)
                check_top_1(form, row, check_sequence(form, row, sample))
                n += len(sample["token_ids"])
            # The same with a fault in it, and the check that would see it.
            rows, manifest, _ = load(r, form, "--shift", "same", name="shifted")
            assert manifest["rows"]["shift"] == "same"
            for row, sample in zip(rows, samples, strict=True):
                shifted = check_sequence(form, row, sample, at=0)
                assert fails(check_top_1, form, row, shifted), sample["id"]
        assert manifest["rows"]["distributions"] * 2 == n
    print("  %d rows before their token, both formats; shifted by one, none of %d samples "
          "passes" % (n, 2 * len(samples)))


def rows_are_the_teachers(retort):
    with Server(retort) as t, Rig(retort) as r:
        samples = run(r, t, 12, 1.3, 110)
        reasons = [s["finish_reason"] for s in samples]
        assert 3 < reasons.count("length") < 21, reasons
        assert all((s["token_ids"][-1] == EOS) == (f == "stop")
                   for s, f in zip(samples, reasons))
        twin = Twin()
        for form in COLUMNS:
            rows, manifest, _ = load(r, form)
            nothing_left_out(manifest)
            assert manifest["rows"]["positions"] == sum(len(x["input_ids"]) for x in rows)
            for row, sample in zip(rows, samples, strict=True):
                check_shape(form, row, K)
                check_sequence(form, row, sample)
                twin.check(form, row, sample, K)
            rows, _, _ = load(r, form, "--shift", "same", name="shifted")
            for row, sample in zip(rows, samples, strict=True):
                assert fails(Twin().check, form, row, sample, K)
        assert twin.outside > 10, twin.outside
    print("  %d rows as the twin has them, %d of them of tokens outside the first %d; %d "
          "answers cut, %d ended" % (twin.tokens, twin.outside, K, reasons.count("length"),
                                     reasons.count("stop")))


def answers_without_a_row_for_their_end(retort):
    with Server(retort, "--no-eos-row") as t, Rig(retort) as r:
        samples = run(r, t, 6, 0, 1024)
        assert all(s["finish_reason"] == "stop" for s in samples)
        for form in COLUMNS:
            for row, sample in zip(load(r, form)[0], samples, strict=True):
                assert EOS not in row["input_ids"][-1:]
                check_shape(form, row, K)
                check_top_1(form, row, check_sequence(form, row, sample))


# ---- the shape -------------------------------------------------------------------------

def fewer_more_and_a_fixed_length(retort):
    with Server(retort) as t, Rig(retort) as r:
        samples = run(r, t, 6, 0.7, 150, k=8)
        # Longer than some prompts and answers, shorter than others.
        prompts = sorted(len(s["prompt_token_ids"]) for s in samples)
        length = prompts[len(prompts) // 2] + 1
        fit = [s for s in samples if len(s["prompt_token_ids"]) < length]
        assert 0 < len(fit) < len(samples)
        for form in COLUMNS:
            for k in (3, 30):
                rows, manifest, _ = load(r, form, "--k", str(k))
                assert manifest["rows"]["k"] == k
                for row, sample in zip(rows, samples, strict=True):
                    check_shape(form, row, k)
                    for i in check_sequence(form, row, sample):
                        assert len(listed(form, row, i)[0]) == min(k, 8)
            rows, manifest, said = load(r, form, "--length", str(length))
            assert manifest["rows"]["length"] == length
            assert manifest["rows"]["left_out"]["no_room"] == len(samples) - len(fit)
            assert manifest["counts"]["samples"] == len(fit)
            assert "left out %d samples whose prompt" % (len(samples) - len(fit)) in said, said
            for row, sample in zip(rows, fit, strict=True):
                check_shape(form, row, 8)
                check_sequence(form, row, sample, length)
            longest = max(len(s["prompt_token_ids"] + s["token_ids"]) for s in samples)
            rows, manifest, _ = load(r, form, "--length", str(longest + 5))
            nothing_left_out(manifest)
            for row, sample in zip(rows, samples, strict=True):
                check_sequence(form, row, sample, longest + 5)
        some = [s for s in samples if s["sample"] == 1]
        rows, manifest, _ = load(r, "axolotl", "--where", "sample == 1")
        assert manifest["where"] == "sample == 1"
        for row, sample in zip(rows, some, strict=True):
            check_sequence("axolotl", row, sample)
        newest = sorted(s["provenance"]["seed"] for s in samples)
        rows, _, _ = load(r, "axolotl", "--since", str(len(samples) - 2))
        assert len(rows) == 2 and len(newest) == len(samples)


# ---- what is left out ------------------------------------------------------------------

def server_without_prompt_ids(retort):
    with Server(retort, "--dialect", "llamacpp") as t, Rig(retort) as r:
        samples = run(r, t, 3, 0.7, 60)
        rows, manifest, said = load(r, "distillkit")
        assert rows == [] and manifest["rows"]["left_out"]["no_prompt_ids"] == len(samples)
        assert "left out 6 samples whose teacher gave no token ids of the prompt" in said


def server_without_ids(retort):
    with Server(retort, "--dialect", "openai") as t, Rig(retort) as r:
        samples = run(r, t, 3, 0.7, 60)
        _, manifest, said = load(r, "axolotl")
        assert manifest["rows"]["left_out"]["interned_ids"] == len(samples), manifest["rows"]
        assert manifest["counts"]["samples"] == 0 and "left out 6 samples" in said


def job_without_logprobs(retort):
    with Server(retort) as t, Rig(retort) as r:
        run(r, t, 2, 0.7, 60, k=0)
        out = r.path("none")
        done = r.command("export", r.run_dir, "-f", "axolotl", "-o", out)
        assert done.returncode == 1 and "--k says how many" in done.stderr, done
        assert not glob.glob(out + "*")
        _, manifest, _ = load(r, "axolotl", "--k", "4")
        assert manifest["rows"]["left_out"]["no_logits"] == 4
        for args, words in ((("-f", "jsonl", "--k", "4"), "--k is for --format distillkit"),
                            (("-f", "lmdb", "--shift", "next"), "--shift is for"),
                            (("-f", "axolotl", "--shift", "left"), "not 'left'"),
                            (("-f", "axolotl", "--logits"), "--logits is for")):
            done = r.command("export", r.run_dir, "-o", out, *args)
            assert done.returncode == 2 and words in done.stderr, done


def lists_with_holes(retort):
    """A server that gives fewer candidates than it should, and some that cannot be."""
    with Server(retort, "--faults", "logprobs-fewer=0.4,logprobs-infinity=0.4") as t, \
            Rig(retort) as r:
        samples = run(r, t, 8, 0.7, 80)
        short = 0
        for form in COLUMNS:
            rows, manifest, _ = load(r, form)
            nothing_left_out(manifest)
            for row, sample in zip(rows, samples, strict=True):
                check_shape(form, row, K)
                prompt = len(sample["prompt_token_ids"])
                for j, ids in enumerate(sample["top_ids"]):
                    assert listed(form, row, prompt - 1 + j)[0] == ids
                    short += len(ids) < K
        assert short > 100, short


def misaligned_samples(retort):
    """Lists that cannot be: kept, flagged, and not trained on."""
    def answer(request, handler):
        # Of the odd ones the probabilities sum to more than 1.
        second = -1.0 if "even" in json.dumps(request["messages"]) else -0.2
        rows = [{"token": "token_id:%d" % x, "logprob": -0.5, "bytes": list(text.encode()),
                 "top_logprobs": [
                     {"token": "token_id:%d" % y, "logprob": v, "bytes": list(text.encode())}
                     for y, v in ((x, -0.5), (x + 5, second))]}
                for x, text in ((11, "a"), (12, "b"))]
        return 200, {
            "id": "x", "object": "chat.completion", "created": 1, "model": "teacher",
            "prompt_token_ids": [5, 6, 7],
            "choices": [{"index": 0, "finish_reason": "length", "token_ids": [11, 12],
                         "logprobs": {"content": rows},
                         "message": {"role": "assistant", "content": "ab"}}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}, {}

    with OwnTeacher(answer) as t, Rig(retort) as r:
        r.corpus([{"id": str(i), "question": ["even", "odd"][i % 2]} for i in range(10)])
        r.job(t.port, sampling={"n": 1, "temperature": 1.0, "max_tokens": 2},
              logits={"top_logprobs": 2}, teacher={"server": "vllm"})
        r.run()
        flags = [s["flags"] for s in r.export()]
        assert ["misaligned" in f for f in flags] == [False, True] * 5, flags
        for form in COLUMNS:
            rows, manifest, said = load(r, form)
            assert len(rows) == 5 and manifest["rows"]["left_out"]["misaligned"] == 5
            assert "left out 5 samples flagged misaligned (--include-misaligned" in said
            rows, manifest, said = load(r, form, "--include-misaligned")
            assert len(rows) == 10 and "left out" not in said
            nothing_left_out(manifest)


if __name__ == "__main__":
    main(top_1_is_the_next_token, rows_are_the_teachers, answers_without_a_row_for_their_end,
         fewer_more_and_a_fixed_length, server_without_prompt_ids, server_without_ids,
         job_without_logprobs, lists_with_holes, misaligned_samples)
