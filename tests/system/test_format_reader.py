#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `retort export` writes is what a reader made from FORMAT.md reads.

    test_format_reader.py RETORT MAKE_DATASET
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import format_reader  # noqa: E402


def float32(x):
    return struct.pack("<f", x)


def compare(path, ours, theirs):
    """Both must be the same value; a float32 in its shortest form is the same."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        assert list(ours) == list(theirs), "%s: keys differ" % path
        for key in ours:
            compare("%s.%s" % (path, key), ours[key], theirs[key])
    elif isinstance(ours, list) and isinstance(theirs, list):
        assert len(ours) == len(theirs), "%s: lengths differ" % path
        for i, pair in enumerate(zip(ours, theirs)):
            compare("%s[%d]" % (path, i), *pair)
    elif isinstance(ours, float) or isinstance(theirs, float):
        same = isinstance(ours, (int, float)) and isinstance(theirs, (int, float))
        same = same and (float32(ours) == float32(theirs) or ours == theirs)
        assert same, "%s: %r, %r" % (path, ours, theirs)
    else:
        assert type(ours) is type(theirs) and ours == theirs, "%s: %r, %r" % (
            path, ours, theirs)


def no_constant(name):
    raise AssertionError("the export has %s" % name)


def check(retort, where, out):
    subprocess.run([retort, "export", where, "--format", "jsonl", "-o", out, "--logits"],
                   check=True)
    folder = os.path.join(where, "dataset")
    dataset = format_reader.Dataset(folder if os.path.isdir(folder) else where)
    samples = 0
    with open(out, encoding="utf-8") as lines:
        for line, sample in zip(lines, dataset.samples(), strict=True):
            theirs = json.loads(line, parse_constant=no_constant)
            compare("sample %d" % samples, format_reader.as_json(sample, True), theirs)
            samples += 1
    dataset.close()
    return samples


def check_vectors():
    """The captures beside FORMAT.md; tests/unit/test_logits.c reads the same file."""
    with open(os.path.join(os.path.dirname(format_reader.__file__), "format_vectors.json"),
              encoding="utf-8") as f:
        vectors = json.load(f)
    for v in vectors:
        capture = format_reader.Logits(bytes.fromhex("".join(v["hex"])))
        got = {"token_ids": [format_reader.count(i) for i in capture.ids],
               "logprobs": [format_reader.finite(x) for x in capture.logprobs],
               "tail_mass": [format_reader.finite(x) for x in capture.tail],
               "n_bytes": [None if n == 65535 else n for n in capture.n_bytes],
               "top_ids": capture.top_ids, "top_logprobs": capture.top_logprobs}
        for key, values in got.items():
            compare("vector %s: %s" % (v["name"], key), values, v[key])
        for key in ("profile", "keep_k", "keep_mass", "vocabulary"):
            compare("vector %s: %s" % (v["name"], key), getattr(capture, key), v[key])
    return len(vectors)


def check_damaged():
    """Captures that say what the page does not allow."""
    folder = os.path.join(os.path.dirname(format_reader.__file__), "fuzz", "logits")
    for name, why in (("cut", "wrong length"), ("incomplete_code", "not have all words"),
                      ("overfull_code", "more words than there are"),
                      ("wrong_symbol", "may not occur"),
                      ("run_at_first", "at first, or behind a run"),
                      ("two_runs", "at first, or behind a run"),
                      ("run_of_last", "run of the last symbol")):
        with open(os.path.join(folder, name), "rb") as f:
            capture = f.read()
        try:
            format_reader.Logits(capture)
        except format_reader.Damaged as what:
            assert why in str(what), "%s: %s" % (name, what)
        else:
            raise AssertionError("%s was read" % name)


def main(retort, make_dataset):
    assert check_vectors() == 3
    check_damaged()
    with tempfile.TemporaryDirectory() as folder:
        run = os.path.join(folder, "run")
        snapshot = os.path.join(folder, "snapshot")
        subprocess.run([make_dataset, run, "120", "7"], check=True)
        samples = check(retort, run, os.path.join(folder, "run.jsonl"))
        assert samples == 360, samples
        subprocess.run([retort, "export", run, "--format", "lmdb", "-o", snapshot],
                       check=True)
        assert check(retort, snapshot, os.path.join(folder, "snapshot.jsonl")) == samples
        with open(os.path.join(folder, "run.jsonl"), "rb") as a, \
                open(os.path.join(folder, "snapshot.jsonl"), "rb") as b:
            assert a.read() == b.read(), "the snapshot says something else"
    print("%d samples are the same in both" % samples)


if __name__ == "__main__":
    main(*sys.argv[1:])
