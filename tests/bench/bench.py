#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The benches, and how their figures are printed.

usage: bench.py BUILD [NAME...] [--json] [--list]

Without names all are measured. A bench gives figures (name, value, unit); its
own words on how they came about go to stderr. With --json each figure is a line
{"name": ..., "value": ..., "unit": ...}, printed as soon as its bench is through.
"""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "system")]

import corpus  # noqa: E402
import pipeline  # noqa: E402

# What DESIGN.md and the issue of the day ask for: goal, and whether more is better.
GOALS = {
    "pipeline_over_wrk": (">=", 0.25),
    "monitored_over_unmonitored": (">=", 0.95),
    "commit_over_lmdb": (">=", 0.85),
    "file_over_payload": ("<=", 1.15),
    "index_over_b2sum": (">=", 0.4),
    "worker_rss_mib": ("<=", 64),
    "coordinator_rss_mib": ("<=", 64),
    "scanner_openai_k20_over_jansson": (">=", 18),
}


def program(build, *command):
    """The figures that a bench written in C prints."""
    done = subprocess.run([os.path.join(build, command[0]), *command[1:], "--json"],
                          check=True, stdout=subprocess.PIPE, text=True)
    for line in done.stdout.splitlines():
        figure = json.loads(line)
        yield figure["name"], figure["value"], figure["unit"]


def scanner(build):
    yield from program(build, "bench_scanner")


def commit(build):
    folder = os.path.join(build, "bench")
    os.makedirs(folder, exist_ok=True)
    yield from program(build, "bench_commit", os.path.join(build, "retort"),
                       os.path.join(build, "trace_lmdb.so"), folder)


# Which bench gives which figures; a name that is asked for is either.
BENCHES = [
    (scanner, ["scanner_plain_over_jansson", "scanner_openai_k0_over_jansson",
               "scanner_openai_k20_over_jansson", "scanner_vllm_k20_over_jansson",
               "scanner_vllm_k256_over_jansson"]),
    (commit, ["commit_over_lmdb", "commit_128_over_lmdb", "commit_text_over_lmdb",
              "store_over_lmdb", "store_text_over_lmdb", "file_over_payload"]),
    (pipeline.pipeline, ["pipeline_over_wrk", "monitored_over_unmonitored"]),
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
    names = {a for a in sys.argv[2:] if not a.startswith("--")}
    known = {n for bench, figures in BENCHES for n in [bench.__name__, *figures]}
    if options - {"--json", "--list"} or names - known:
        wrong = sorted(options - {"--json", "--list"} | names - known)
        sys.exit("bench: '%s' is not known; see tests/bench/run.sh --list" % wrong[0])
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
