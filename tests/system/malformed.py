#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every way in which an answer can be wrong, and what becomes of the sample.

usage: malformed.py RETORT [--stream] [FAULT...]

With --stream the answers are asked for as events, and what a fault becomes may differ:
STREAMED below.

Each fault of the built-in teacher strikes every answer of a small job. What must
become of them the teacher's own table says (`retort teacher --list-faults`): they
are classified, counted and retried or given up, or stored with a flag; a bad answer
is never stored as a good one. Then all of them strike at random, and the job must
still come to a good end.
"""
import collections
import concurrent.futures
import os
import subprocess
import sys

from rig import Rig, Server, problems, wait_until

Fault = collections.namedtuple("Fault", "name group outcome called summary")
# Takes a second prompt to be seen: below. What the next two do to an answer depends on
# what is in it: planted.py.
OTHERS = ("same-body", "logprobs-dropped", "logprobs-merged")
# The table is for the dialect vllm, which tells the ids of all tokens and whose bytes
# nobody relies on. Where they are relied on, the flag:
ELSEWHERE = {("bytes-other", "llamacpp"): "misaligned", ("bytes-other", "openai"): "misaligned",
             ("bytes-other", "sglang"): "misaligned",
             ("logprobs-rows-missing", "llamacpp"): "misaligned",
             ("logprobs-rows-missing", "openai"): "misaligned",
             ("logprobs-rows-missing", "sglang"): "misaligned",
             ("logprobs-rows-extra", "sglang"): "misaligned",
             ("logprobs-rows-extra", "openai"): "misaligned",
             ("logprobs-rows-extra", "llamacpp"): "misaligned",
             ("token-broken", "openai"): None, ("token-broken", "llamacpp"): None}
# The texts are not those of the teacher's ledger.
CHANGED = ("finish-length", "finish-filter", "content-null", "answer-swapped")

# Faults of what is in an answer; those of its way here are the same for a stream.
OF_BODIES = ("1", "3", "4", "5", "6", "7", "8", "12", "15")
# What the built-in teacher itself cannot read as JSON it sends as one event, all of the
# answer in it: not what a stream's event should be.
STREAMED = {name: {"outcome": "retried", "called": "wrong_shape"} for name in (
    "logprobs-nan", "logprobs-infinity", "integer-huge", "number-1e400", "text-nul",
    "usage-huge")}

KEY = "a-key-that-must-not-leak"
TEACHER = {"api_key_env": "TEACHER_KEY",
           "timeouts": {"connect_s": 30, "first_byte_s": 60, "total_s": 120}}
# For what ends by a time limit alone; all else has its own reason, however slow.
HURRIED = {"connect_s": 2, "first_byte_s": 2, "total_s": 3}


def rig_for(retort, server, n_prompts, **changes):
    r = Rig(retort)
    r.corpus(problems(n_prompts, seed=3))
    r.job(server.port, **{"teacher": TEACHER, "sampling": {"n": 1}, "retry": {"attempts": 2},
                          "probe": False, **changes})
    return r


def given_up(retort, fault, reason, attempts):
    times = HURRIED if reason == "timeout" else TEACHER["timeouts"]
    with Server(retort, "--api-key", KEY) as t, \
            rig_for(retort, t, 3, teacher=dict(TEACHER, timeouts=times)) as r:
        r.run()  # the endpoint has answered: one odd answer is not its end
        r.corpus(problems(6, seed=3))
        t.control(faults=fault + "=1")
        r.run(expect=3)
        p = r.progress()
        assert (p["prompts_done"], p["prompts_failed"]) == (3, 3), p
        failures = r.query("select * from failures")
        assert [(f["reason"], f["attempts"]) for f in failures] == [(reason, attempts)] * 3, \
            failures
        assert len(r.export()) == 3
        r.verify()


def stored(retort, fault, flag, dialect="vllm"):
    with Server(retort, "--api-key", KEY, "--faults", fault + "=1", "--dialect", dialect) as t, \
            rig_for(retort, t, 3) as r:
        r.run()
        rows = r.check_whole(3, 1)
        want = flag.split("+") if flag else []
        for row in rows:
            # A loop or a limit of the model's own is no fault.
            flags = [f for f in row["flags"] if f not in ("looping",)]
            if row["finish_reason"] == "length" and flag != "truncated":
                flags.remove("truncated")
            assert flags == want, (fault, row["flags"])
        if fault not in CHANGED:
            r.check_against_teacher(rows, t)


def held(retort, fault):
    with Server(retort, "--api-key", KEY) as t, rig_for(retort, t, 3) as r:
        t.control(faults=fault + "=1")
        r.job(t.port, teacher=dict(TEACHER, timeouts={
            "connect_s": 2, "first_byte_s": 1, "total_s": 3}), sampling={"n": 1},
              retry={"attempts": 50})
        child = r.start()
        wait_until(lambda: t.control()["asked"] >= 3 and (
            r.try_progress() or {}).get("state") == "running")
        t.control(faults=None)
        out, _ = child.communicate(timeout=200)
        assert child.returncode == 0, out
        r.check_whole(3, 1)


def stopped(retort, fault, reason):
    with Server(retort, "--api-key", KEY) as t, rig_for(retort, t, 3) as r:
        t.control(faults=fault + "=1")
        out = r.run(expect=1)
        assert r.progress()["state"] == "blocked", out
        assert reason in out and "no endpoint of a teacher can be asked" in out, out
        t.control(faults=None)
        r.run()
        r.check_whole(3, 1)


def smuggled(retort, fault):
    """A second response is mostly seen with the first one. If it comes when the next
    request has been sent, nobody can tell that it is not meant; but it has no logprobs."""
    with Server(retort, "--api-key", KEY, "--faults", fault + "=1") as t, \
            rig_for(retort, t, 3) as r:
        child = r.start()
        out, _ = child.communicate(timeout=200)
        failures = [f["reason"] for f in r.query("select reason from failures")]
        assert child.returncode == (3 if failures else 0), out
        assert set(failures) <= {"logprobs_missing"}, failures
        rows = r.export()
        # The first answer of a connection is what it seems.
        assert rows and len(rows) == 3 - len(failures) and "smuggled" not in str(rows), rows
        r.check_against_teacher(rows, t)
        r.verify()


def one(retort, fault):
    if fault.name == "extra-bytes":
        smuggled(retort, fault.name)
    elif fault.outcome in ("stored", "flagged"):
        stored(retort, fault.name, fault.called)
    elif fault.outcome in ("retried", "failed"):
        given_up(retort, fault.name, fault.called, 2 if fault.outcome == "retried" else 1)
    elif fault.outcome == "held":
        held(retort, fault.name)
    else:
        assert fault.outcome == "stopped"
        stopped(retort, fault.name, fault.called)


def other_dialects(retort):
    for (fault, dialect), flag in ELSEWHERE.items():
        stored(retort, fault, flag, dialect)


def the_same_text_elsewhere(retort):
    """One body for all prompts: a broken cache in front of the teacher."""
    with Server(retort) as t, Rig(retort) as r:
        r.corpus(problems(1, seed=3))
        r.job(t.port, probe=False, sampling={"n": 1}, teacher={"stream": False})
        r.run()
        t.control(faults="same-body=1")
        r.corpus(problems(9, seed=3))
        r.run()
        rows = r.check_whole(9, 1)
        assert rows[0]["usage"]["completion_tokens"] >= 64, "not a text to be judged"
        assert ["duplicate_elsewhere" in row["flags"] for row in rows] == [False] + [True] * 8


def all_at_random(retort):
    """A third of all answers is bad in some way; in the end all is well."""
    bad = [f.name for f in table(retort) if f.outcome == "retried" and f.group != "14" and
           f.name not in ("drip", "text-long", "gzip-bomb", "echo-key")]
    if TEACHER["stream"]:
        bad.remove("objects-many")  # a million of them in each event
    held_too = ["reset", "status-500-json", "status-429-json", "status-503-html"]
    faults = ",".join("%s=%.4f" % (f, 0.3 / len(bad + held_too)) for f in bad + held_too)
    with Server(retort, "--faults", faults, "--fault-attempts", "6") as t, Rig(retort) as r:
        r.corpus(problems(150, seed=5))
        r.job(t.port, retry={"attempts": 20}, teacher={"stream": TEACHER["stream"]})
        r.run(workers=2)
        rows = r.check_whole(150, 2)
        r.check_against_teacher(rows, t)
        spoilt = {l["nonce"] for l in r.teacher_ledger(t) if l["fault"] in bad}
        assert spoilt and not any(x["provenance"]["request_id"] in spoilt for x in rows)


def table(retort):
    listed = subprocess.run([retort, "teacher", "--list-faults"], capture_output=True,
                            text=True, check=True).stdout
    faults = [Fault(*line.split(None, 4)) for line in listed.splitlines()]
    return [f._replace(called=None if f.called == "-" else f.called) for f in faults]


def main():
    retort = sys.argv[1]
    os.environ["TEACHER_KEY"] = KEY
    import rig
    rig.ENV["TEACHER_KEY"] = KEY
    names = [a for a in sys.argv[2:] if a != "--stream"]
    TEACHER["stream"] = "--stream" in sys.argv
    chosen = [f for f in table(retort) if (f.name in names if names else f.name not in OTHERS)]
    if TEACHER["stream"]:
        chosen = [f._replace(**STREAMED.get(f.name, {})) for f in chosen
                  if names or f.group in OF_BODIES]
    failed = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for fault, done in [(f, pool.submit(one, retort, f)) for f in chosen]:
            try:
                done.result()
            except AssertionError as e:
                failed.append(fault.name)
                print("%s: %s" % (fault.name, str(e)[:1500]), flush=True)
    print("%d faults, %d failed: %s" % (len(chosen), len(failed), " ".join(failed)))
    assert not failed
    if not names:
        for test in (other_dialects, the_same_text_elsewhere, all_at_random):
            test(retort)
            print("%s: ok" % test.__name__, flush=True)


if __name__ == "__main__":
    main()
