#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Logits that are wrong on purpose, and that every one of them is noticed.

usage: planted.py RETORT [TEST...]

The built-in teacher gives lists that are shifted, that lack a candidate or the sampled
token, whose equal texts were merged, that are after another temperature, or draft tokens
without logprobs, in every answer of a run. What an answer contradicts by itself must be
seen in every sample, which is stored and flagged `misaligned` with the rule it broke.
What no single answer can contradict must be seen in the endpoint's calibration, with one
event. A clean run of the same size flags nothing and is calibrated.
"""
import collections

from rig import Rig, Server, main, problems

DIALECTS = ("vllm", "openai", "llamacpp", "sglang", "ollama")
PROMPTS = 100
N = 2

Run = collections.namedtuple("Run", "rows endpoint events")


def look(r, *export):
    rows = r.export(*export)
    endpoint, = r.query("select * from endpoints")
    counted = {x["rule"]: x["samples"] for x in r.query("select * from alignment")}
    stored = {k: v for k, v in rules(rows).items() if k}
    if endpoint["answered"] == len(rows):
        assert counted == stored, (counted, stored)
    else:
        # A slow machine lost a lease: its answers were counted, and asked for again.
        assert endpoint["answered"] > len(rows), (endpoint, len(rows))
        assert all(counted[k] >= v for k, v in stored.items()), (counted, stored)
    assert endpoint["misaligned"] == sum(counted.values()), endpoint
    events = [e["detail"] for e in
              r.query("select detail from event where kind = 'calibration'")]
    return Run(rows, endpoint, events)


# What this server would cut off if it were not told. (Ollama's OpenAI form cannot be.)
CUTS_NOTHING = {"llamacpp": {"top_k": 0, "top_p": 1, "min_p": 0}}


def job(r, server, dialect, k, temperature, mode):
    # Some of these would be found before the first prompt: see probe.py.
    r.job(server.port, probe=False, teacher={"logprobs_mode": mode},
          sampling=dict(CUTS_NOTHING.get(dialect, {}), n=N, temperature=temperature),
          logits={"top_logprobs": k})


def run(retort, fault, dialect, k=8, temperature=1.0, prompts=PROMPTS, mode="raw",
        options=(), export=()):
    """Runs a job whose every answer has the fault."""
    faults = ["--faults", fault + "=1"] if fault else []
    with Server(retort, "--dialect", dialect, *options, *faults) as t, Rig(retort) as r:
        r.corpus(problems(prompts, seed=9))
        job(r, t, dialect, k, temperature, mode)
        r.run(workers=2)
        assert len(r.check_whole(prompts, N)) == prompts * N
        assert {line["fault"] for line in r.teacher_ledger(t)} == {fault}
        done = look(r, *export)
        told = r.command("status", r.run_dir).stdout
        assert "calibration " + done.endpoint["calibration"] in told, told
    return done


def rules(rows):
    return collections.Counter(row["misaligned_rule"] for row in rows)


def calibration(done):
    e = done.endpoint
    return "%s%s, z %s and %s over %d tokens" % (
        e["calibration"], " (%s)" % e["calibration_why"] if e["calibration_why"] else "",
        e["first_z"], e["beyond_z"], e["calibration_tokens"])


def all_caught(retort, fault, known, dialects=DIALECTS, **options):
    for dialect in dialects:
        done = run(retort, fault, dialect, **options)
        found = rules(done.rows)
        print("  %s, %s: %s; %s" % (fault, dialect, dict(found), calibration(done)), flush=True)
        assert set(found) <= known, (dialect, found)
        assert all("misaligned" in row["flags"] for row in done.rows)


def broken(done, why):
    assert done.endpoint["calibration"] == "broken", done.endpoint
    assert done.endpoint["calibration_why"] in why, done.endpoint
    assert len(done.events) == 1 and " broken, " in done.events[0], done.events


def a_clean_run(retort):
    """Also hot, where half characters and special tokens are said."""
    for dialect in DIALECTS:
        for temperature, state in ((0.7, "ok"), (1.0, "ok"), (1.4, "not applicable")):
            done = run(retort, None, dialect, temperature=temperature, prompts=60)
            print("  %s at %s: %s" % (dialect, temperature, calibration(done)), flush=True)
            assert rules(done.rows) == {None: 60 * N}, (dialect, rules(done.rows))
            told = state if dialect != "ollama" else "not applicable"
            assert done.endpoint["calibration"] == told, done.endpoint
            assert not done.events, done.events
    done = run(retort, None, "vllm", temperature=1.4, prompts=60, mode="processed",
               options=("--logprobs", "processed"))
    assert done.endpoint["calibration"] == "ok", done.endpoint
    done = run(retort, None, "vllm", prompts=5, mode="unknown")
    assert done.endpoint["calibration_why"] == "logprobs_mode", done.endpoint


def lists_shifted_by_one(retort):
    all_caught(retort, "logprobs-shifted", {"sampled_not_its_entry", "sampled_above_list"})
    broken(run(retort, "logprobs-shifted", "vllm", prompts=20), {"first"})


def the_sampled_token_is_missing(retort):
    all_caught(retort, "logprobs-unsampled", {"sampled_above_list"})


def a_candidate_is_dropped(retort):
    """A server that adds the sampled token to its list hides in most rows what it has
    lost; the sum of all rows shows it."""
    all_caught(retort, "logprobs-dropped", {"sampled_above_list"},
               [d for d in DIALECTS if d != "vllm"])
    done = run(retort, "logprobs-dropped", "vllm")
    print("  logprobs-dropped, vllm: %s; %s" % (dict(rules(done.rows)), calibration(done)))
    assert set(rules(done.rows)) <= {"tail_unexplained", None}
    broken(done, {"beyond"})


def equal_texts_are_merged(retort):
    """Keyed by text, lists lose entries; where they did not, nothing is wrong."""
    for dialect in ("openai", "sglang"):
        args = dict(k=64, options=("--max-logprobs", "-1"), export=("--logits",))
        clean = run(retort, None, dialect, **args)
        done = run(retort, "logprobs-merged", dialect, **args)
        assert rules(clean.rows) == {None: PROMPTS * N}
        changed = [sum(map(len, a["top_ids"])) != sum(map(len, b["top_ids"]))
                   for a, b in zip(clean.rows, done.rows, strict=True)]
        print("  logprobs-merged, %s: %d of %d samples lost entries: %s" % (
            dialect, sum(changed), len(changed), dict(rules(done.rows))), flush=True)
        assert sum(changed) > 100
        for a, b, lost in zip(clean.rows, done.rows, changed):
            assert lost == ("misaligned" in b["flags"]), (b["id"], b["misaligned_rule"])
            assert lost or a["top_logprobs"] == b["top_logprobs"]
        assert set(rules(done.rows)) <= {None, "list_short", "sampled_above_list",
                                         "sampled_not_its_entry"}


def a_temperature_is_hidden(retort):
    """Nothing in an answer is wrong; but nobody samples by these probabilities."""
    for dialect, temperature in (("vllm", 1.0), ("openai", 1.0), ("vllm", 0.7),
                                 ("llamacpp", 0.7)):
        done = run(retort, "logprobs-warm", dialect, temperature=temperature)
        print("  logprobs-warm, %s at %s: %s" % (dialect, temperature, calibration(done)),
              flush=True)
        assert rules(done.rows) == {None: PROMPTS * N}
        broken(done, {"first", "beyond"})
    # The same numbers are right where they are declared to be after the temperature.
    done = run(retort, "logprobs-warm", "vllm", temperature=0.7, mode="processed")
    assert done.endpoint["calibration"] == "ok" and not done.events, done.endpoint


def draft_tokens(retort):
    all_caught(retort, "logprobs-drafted", {"draft_token"})


def it_is_well_again(retort):
    """A short time of wrong numbers, then many right ones; other settings begin anew."""
    with Server(retort, "--faults", "logprobs-warm=1") as t, Rig(retort) as r:
        r.corpus(problems(20, seed=9))
        job(r, t, "vllm", 8, 1.0, "raw")
        r.run()
        broken(look(r), {"first", "beyond"})
        t.control(faults=None)
        r.corpus(problems(400, seed=9))
        r.run()
        done = look(r)
        assert done.endpoint["calibration"] == "ok", done.endpoint
        assert len(done.events) == 2 and " ok, " in done.events[1], done.events
        r.corpus(problems(405, seed=9))
        job(r, t, "vllm", 8, 0.7, "raw")
        r.run("--new-settings")
        done = look(r)
        assert 0 < done.endpoint["calibration_tokens"] < 5000, done.endpoint
        assert done.endpoint["calibration"] != "broken", done.endpoint


if __name__ == "__main__":
    main(a_clean_run, lists_shifted_by_one, the_sampled_token_is_missing,
         a_candidate_is_dropped, equal_texts_are_merged, a_temperature_is_hidden,
         draft_tokens, it_is_well_again)
