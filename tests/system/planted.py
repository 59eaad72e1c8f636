#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Logits that are wrong on purpose, and that every one of them is noticed.

usage: planted.py RETORT [TEST...]

The built-in teacher gives lists that are shifted, that lack a candidate or the sampled
token, or draft tokens without logprobs, in every answer of a run. Each sample must be
stored, flagged `misaligned`, with a rule that says what is wrong; a clean run of the
same size flags nothing.
"""
import collections

from rig import Rig, Server, main, problems

DIALECTS = ("vllm", "openai", "llamacpp", "sglang", "ollama")
PROMPTS = 100
N = 2


def samples(retort, fault, dialect, k=8, temperature=1.0, prompts=PROMPTS):
    """Runs a job whose every answer has the fault; its samples."""
    faults = ["--faults", fault + "=1"] if fault else []
    with Server(retort, "--dialect", dialect, *faults) as t, Rig(retort) as r:
        r.corpus(problems(prompts, seed=9))
        r.job(t.port, sampling={"n": N, "temperature": temperature},
              logits={"top_logprobs": k})
        r.run()
        rows = r.check_whole(prompts, N)
        assert {line["fault"] for line in r.teacher_ledger(t)} == {fault}
    return rows


def rules(rows):
    return collections.Counter(row["misaligned_rule"] for row in rows)


def all_caught(retort, fault, known, **options):
    for dialect in DIALECTS:
        rows = samples(retort, fault, dialect, **options)
        found = rules(rows)
        print("  %s, %s: %s" % (fault, dialect, dict(found)), flush=True)
        assert len(rows) == PROMPTS * N and set(found) <= known, (dialect, found)
        assert all("misaligned" in row["flags"] for row in rows)


def a_clean_run(retort):
    """Also hot, where half characters and special tokens are said."""
    for dialect in DIALECTS:
        for temperature in (0.7, 1.0, 1.4):
            rows = samples(retort, None, dialect, temperature=temperature, prompts=60)
            assert rules(rows) == {None: 60 * N}, (dialect, temperature, rules(rows))


def lists_shifted_by_one(retort):
    all_caught(retort, "logprobs-shifted", {"sampled_not_its_entry", "sampled_above_list"})


def the_sampled_token_is_missing(retort):
    all_caught(retort, "logprobs-unsampled", {"sampled_above_list"})


def draft_tokens(retort):
    all_caught(retort, "logprobs-drafted", {"draft_token"})


if __name__ == "__main__":
    main(a_clean_run, lists_shifted_by_one, the_sampled_token_is_missing, draft_tokens)
