#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every way in which an answer can be wrong, and what becomes of the sample.

usage: malformed.py RETORT [FAULT...]

Each fault of the built-in teacher (`retort teacher --list-faults`) strikes every
answer of a small job. It must be classified, counted and retried or given up,
or stored with its flag; a bad answer must never be stored as a good one. Then
all of them strike at random, and the job must still come to a good end.
"""
import concurrent.futures
import os
import subprocess
import sys
import time

from rig import Rig, Server, problems, wait_until

# fault: reason with which its samples are given up
GIVEN_UP = {
    "cut-length": "body_cut", "cut-chunked": "body_cut", "cut-close": "body_cut",
    "error-at-200": "error_object", "choices-null": "no_choices",
    "choices-empty": "no_choices", "content-empty": "empty",
    "finish-null": "no_finish_reason", "finish-unknown": "unknown_finish_reason",
    "finish-abort": "aborted", "logprobs-null": "logprobs_missing",
    "logprobs-more": "bad_logprobs", "logprobs-rows-missing": "bad_logprobs",
    "logprobs-rows-extra": "bad_logprobs", "logprobs-duplicate": "bad_logprobs",
    "logprobs-positive": "bad_logprobs", "logprobs-100": "bad_logprobs",
    "number-minus-zero": "bad_logprobs", "objects-many": "body_too_long",
    "interim-storm": "bad_headers", "utf8-invalid": "bad_json",
    "utf8-overlong": "bad_json", "utf8-surrogate": "bad_json",
    "escape-surrogate": "bad_json", "text-nul": "bad_text", "text-ansi": "bad_text",
    "text-bidi": "bad_text", "raw-control": "bad_json", "body-bom": "bad_json",
    "duplicate-key": "bad_json", "nesting-deep": "bad_json", "text-long": "body_too_long",
    "gzip": "encoded_body", "gzip-twice": "encoded_body", "gzip-bomb": "encoded_body",
    "html": "bad_json", "header-flood": "bad_headers", "header-lines": "bad_headers",
    "http-09": "bad_headers", "length-and-chunked": "bad_headers",
    "model-other": "wrong_model", "choices-more": "no_choices",
    "choices-fewer": "no_choices", "index-duplicate": "no_choices",
    "index-order": "no_choices", "drip": "timeout", "usage-negative": "bad_usage",
    "usage-text": "bad_usage", "usage-huge": "bad_usage", "echo-key": "secret_echo",
    "redirect-file": "redirect", "redirect-metadata": "redirect",
    "redirect-port": "redirect", "status-404-empty": "not_found",
    "status-404-html": "not_found", "status-404-json": "not_found",
    "status-413-empty": "prompt_too_long", "status-413-html": "prompt_too_long",
    "status-413-json": "prompt_too_long", "status-422-empty": "bad_request",
    "status-422-html": "bad_request", "status-422-json": "bad_request",
}
# fault: flag with which its samples are stored; "" for none. What is wrong with
# these cannot be seen in the answer, or does no harm.
STORED = {
    "content-null": "no_content", "finish-length": "truncated", "finish-filter": "filtered",
    "logprobs-fewer": "", "logprobs-unsorted": "", "logprobs-nan": "logits_partial",
    "logprobs-infinity": "logits_partial", "logprobs-9999": "logits_partial",
    "logprobs-float-min": "logits_partial",
    "number-1e400": "logits_partial", "integer-huge": "", "type": "", "extra-bytes": "", "id-other": "",
    "usage-missing": "no_usage", "bytes-null": "",
}
# The endpoint is held, and nothing is lost when it is well again.
HELD = ["silence", "stall", "reset", "retry-after-negative", "retry-after-huge",
        "retry-after-date", "retry-after-words"] + [
    "status-%d-%s" % (s, b) for s in (408, 409, 429, 500, 502, 503, 504, 520, 529)
    for b in ("empty", "html", "json")]
# The run stops and says why.
STOPPED = {"status-%d-%s" % (s, b): r for s, r in (
    (401, "unauthorized"), (402, "payment"), (403, "unauthorized"))
    for b in ("empty", "html", "json")}
# Looked at on their own below.
OTHERS = ["token-broken", "bytes-other", "answer-swapped", "same-body"]

KEY = "a-key-that-must-not-leak"
TEACHER = {"api_key_env": "TEACHER_KEY",
           "timeouts": {"connect_s": 2, "first_byte_s": 2, "total_s": 3}}


def rig_for(retort, server, n_prompts, **changes):
    r = Rig(retort)
    r.corpus(problems(n_prompts, seed=3))
    r.job(server.port, teacher=TEACHER, sampling={"n": 1}, retry={"attempts": 2}, **changes)
    return r


def given_up(retort, fault, reason):
    with Server(retort, "--api-key", KEY) as t, rig_for(retort, t, 3) as r:
        r.run()  # the endpoint has answered: one odd answer is not its end
        r.corpus(problems(6, seed=3))
        t.control(faults=fault + "=1")
        r.run(expect=3)
        p = r.progress()
        assert (p["prompts_done"], p["prompts_failed"]) == (3, 3), p
        failures = r.query("select * from failures")
        assert [f["reason"] for f in failures] == [reason] * 3, failures
        assert len(r.export()) == 3
        r.verify()


def stored(retort, fault, flag):
    with Server(retort, "--api-key", KEY, "--faults", fault + "=1") as t, \
            rig_for(retort, t, 3) as r:
        r.run()
        rows = r.check_whole(3, 1)
        want = [flag] if flag else []
        for row in rows:
            # A loop or a limit of the model's own is no fault.
            flags = [f for f in row["flags"] if f not in ("looping",)]
            if row["finish_reason"] == "length" and flag != "truncated":
                flags.remove("truncated")
            assert flags == want, (fault, row["flags"])
        if fault not in ("finish-length", "finish-filter", "content-null"):
            r.check_against_teacher(rows, t)


def held(retort, fault):
    with Server(retort, "--api-key", KEY) as t, rig_for(retort, t, 3) as r:
        t.control(faults=fault + "=1")
        r.job(t.port, teacher=dict(TEACHER, timeouts={
            "connect_s": 2, "first_byte_s": 1, "total_s": 3}), sampling={"n": 1},
              retry={"attempts": 50})
        child = r.start()
        wait_until(lambda: t.control()["asked"] >= 2 and (
            r.try_progress() or {}).get("state") == "running", 30)
        time.sleep(0.3)
        t.control(faults=None)
        out, _ = child.communicate(timeout=60)
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


def one(retort, fault):
    if fault in GIVEN_UP:
        given_up(retort, fault, GIVEN_UP[fault])
    elif fault in STORED:
        stored(retort, fault, STORED[fault])
    elif fault in HELD:
        held(retort, fault)
    elif fault in STOPPED:
        stopped(retort, fault, STOPPED[fault])
    else:
        raise AssertionError("nobody says what becomes of " + fault)


def token_bytes_that_do_not_fit(retort):
    """Tokens whose bytes are not those of the text: kept, and flagged."""
    with Server(retort, "--faults", "bytes-other=1", "--dialect", "llamacpp") as t, \
            Rig(retort) as r:
        r.corpus(problems(3, seed=3))
        r.job(t.port, sampling={"n": 1})
        r.run()
        rows = r.check_whole(3, 1)
        assert all("misaligned" in row["flags"] for row in rows), [x["flags"] for x in rows]


def the_same_text_elsewhere(retort):
    """One body for all prompts: a broken cache in front of the teacher."""
    with Server(retort) as t, Rig(retort) as r:
        r.corpus(problems(1, seed=3))
        r.job(t.port, sampling={"n": 1})
        r.run()
        t.control(faults="same-body=1")
        r.corpus(problems(9, seed=3))
        r.run()
        rows = r.check_whole(9, 1)
        assert rows[0]["usage"]["completion_tokens"] >= 64, "not a text to be judged"
        assert ["duplicate_elsewhere" in row["flags"] for row in rows] == [False] + [True] * 8


def all_at_random(retort):
    """A third of all answers is bad in some way; in the end all is well."""
    bad = [f for f in GIVEN_UP if not f.startswith(("status", "redirect"))
           and f not in ("drip", "text-long", "gzip-bomb", "echo-key")]
    held_too = ["reset", "status-500-json", "status-429-json", "status-503-html"]
    faults = ",".join("%s=%.4f" % (f, 0.3 / len(bad + held_too)) for f in bad + held_too)
    with Server(retort, "--faults", faults, "--fault-attempts", "6") as t, Rig(retort) as r:
        r.corpus(problems(150, seed=5))
        r.job(t.port, retry={"attempts": 20})
        r.run(workers=2)
        rows = r.check_whole(150, 2)
        r.check_against_teacher(rows, t)
        spoilt = {l["nonce"] for l in r.teacher_ledger(t) if l["fault"] in bad}
        assert spoilt and not any(x["provenance"]["request_id"] in spoilt for x in rows)


def main():
    retort = sys.argv[1]
    os.environ["TEACHER_KEY"] = KEY
    import rig
    rig.ENV["TEACHER_KEY"] = KEY
    known = subprocess.run([retort, "teacher", "--list-faults"], capture_output=True,
                           text=True, check=True).stdout
    faults = [line.split()[0] for line in known.splitlines()]
    missing = set(faults) - set(GIVEN_UP) - set(STORED) - set(HELD) - set(STOPPED) - set(OTHERS)
    assert not missing, "untested: %s" % sorted(missing)
    chosen = sys.argv[2:] or [f for f in faults if f not in OTHERS]
    failed = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for fault, done in [(f, pool.submit(one, retort, f)) for f in chosen]:
            try:
                done.result()
            except AssertionError as e:
                failed.append(fault)
                print("%s: %s" % (fault, str(e)[:1500]), flush=True)
    print("%d faults, %d failed: %s" % (len(chosen), len(failed), " ".join(failed)))
    assert not failed
    if not sys.argv[2:]:
        for test in (token_bytes_that_do_not_fit, the_same_text_elsewhere, all_at_random):
            test(retort)
            print("%s: ok" % test.__name__, flush=True)


if __name__ == "__main__":
    main()
