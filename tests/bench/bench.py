#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The benches, and how their figures are printed.

usage: bench.py BUILD [NAME...] [--json] [--list] [--topk=FOLDER]

Without names all are measured; 'scanner_*' is all that begin so. The rows of a real model are read from FOLDER,
tests/real/.work unless it is given; where they are not there, those figures are missing, and stderr says so. A bench gives figures (name, value, unit); its
own words on how they came about go to stderr. With --json each figure is a line
{"name": ..., "value": ..., "unit": ...}, printed as soon as its bench is through.
"""
import fnmatch
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "system")]

import corpus  # noqa: E402
import pipeline  # noqa: E402
import pipeline_k20  # noqa: E402

# What DESIGN.md and the issue of the day ask for: goal, and whether more is better.
GOALS = {
    "pipeline_over_wrk": (">=", 0.25),
    "pipeline_k20_over_wrk": (">=", 0.35),
    "monitored_over_unmonitored": (">=", 0.95),
    "commit_over_lmdb": (">=", 0.85),
    "file_over_payload": ("<=", 1.15),
    "index_over_b2sum": (">=", 0.4),
    "worker_rss_mib": ("<=", 64),
    "coordinator_rss_mib": ("<=", 64),
    **{"scanner_%s_k20_over_%s" % (shape, peer): (">=", goal)
       for shape in ("openai", "vllm", "llamacpp")
       for peer, goal in (("simdjson", 1.0), ("jansson", 20))},
    **{"bytes_%s_k%d_over_%s" % (data, k, what): ("<=", goal)
       for data in ("synthetic", "smollm2") for k in (20, 64)
       for what, goal in (("floor", 1.15), ("distillkit", 0.667))},
    "logits_decode_over_memcpy": (">=", 0.15),
}
# Answers of 512 tokens, with k candidates each; "plain" is 1 KB without any, and
# "spaced" is what json.dumps writes unless it is told otherwise.
SCANNED = ["plain", *("%s_k%d" % (shape, k) for shape in ("openai", "vllm", "llamacpp")
                      for k in (0, 5, 20, 256)),
           "openai_spaced_k20", "vllm_spaced_k20", "llamacpp_spaced_k20"]
# Where rows of a real model are; the last counts.
TOPK = [os.path.join(os.path.dirname(HERE), "real", ".work")]


def program(build, *command):
    """The figures that a bench written in C prints."""
    done = subprocess.run([os.path.join(build, command[0]), *command[1:], "--json"],
                          check=True, stdout=subprocess.PIPE, text=True)
    for line in done.stdout.splitlines():
        figure = json.loads(line)
        yield figure["name"], figure["value"], figure["unit"]


def scanner(shape):
    def bench(build):
        yield from program(build, "bench_scanner", shape)
    bench.__name__ = "scanner_" + shape
    return bench


def logits_size(data):
    def bench(build):
        yield from program(build, "bench_logits", "--topk", TOPK[-1], data)
    bench.__name__ = "logits_" + data
    return bench


def logits_speed(build):
    folder = os.path.join(build, "bench")
    os.makedirs(folder, exist_ok=True)
    yield from program(build, "bench_logits", "speed", folder)


def commit(build):
    folder = os.path.join(build, "bench")
    os.makedirs(folder, exist_ok=True)
    yield from program(build, "bench_commit", os.path.join(build, "retort"),
                       os.path.join(build, "trace_lmdb.so"), folder)


# Which bench gives which figures; a name that is asked for is either.
BENCHES = [
    *((scanner(shape), ["scanner_%s_over_%s" % (shape, peer)
                        for peer in ("simdjson", "jansson")]) for shape in SCANNED),
    (commit, ["commit_over_lmdb", "commit_128_over_lmdb", "commit_text_over_lmdb",
              "store_over_lmdb", "store_text_over_lmdb", "file_over_payload"]),
    *((logits_size(data), ["bytes_%s_k%d_over_%s" % (data, k, what) for k in (20, 64, 256)
                           for what in ("floor", "distillkit")])
      for data in ("synthetic", "smollm2")),
    (logits_speed, ["logits_%s" % what for what in (
        "encode_over_memcpy", "decode_over_memcpy", "get_over_mdb_get")]),
    (pipeline.pipeline, ["pipeline_over_wrk", "monitored_over_unmonitored"]),
    (pipeline_k20.pipeline, ["pipeline_k20_over_wrk"]),
    (pipeline.worker, ["worker_rss_mib"]),
    (corpus.index, ["index_over_b2sum"]),
    (corpus.coordinator, ["coordinator_rss_mib"]),
]


def verdict(name, value):
    if name not in GOALS:
        return ""
    sign, goal = GOALS[name]
    held = value >= goal if sign == ">=" else value <= goal
    return "%s %g%s" % (sign, goal, "" if held else "  MISSED")


def main():
    build = os.path.abspath(sys.argv[1])
    options = {a for a in sys.argv[2:] if a.startswith("--")}
    for option in [o for o in options if o.startswith("--topk=")]:
        TOPK.append(option[len("--topk="):])
        options.remove(option)
    asked = {a for a in sys.argv[2:] if not a.startswith("--")}
    known = {n for bench, figures in BENCHES for n in [bench.__name__, *figures]}
    wrong = sorted(options - {"--json", "--list"} |
                   {a for a in asked if not fnmatch.filter(known, a)})
    if wrong:
        sys.exit("bench: '%s' is not known; see tests/bench/run.sh --list" % wrong[0])
    names = {n for a in asked for n in fnmatch.filter(known, a)}
    for bench, figures in BENCHES:
        if "--list" in options:
            print("%s: %s" % (bench.__name__, " ".join(figures)))
            continue
        if names and not names & {bench.__name__, *figures}:
            continue
        for name, value, unit in bench(build):
            if names and bench.__name__ not in names and name not in names:
                continue
            if "--json" in options:
                print(json.dumps({"name": name, "value": round(value, 3), "unit": unit}),
                      flush=True)
            else:
                print("%-34s %9.3f %-6s %s" % (name, value, unit, verdict(name, value)),
                      flush=True)


if __name__ == "__main__":
    main()
