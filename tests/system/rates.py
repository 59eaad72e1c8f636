#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server that tells its rate limits is asked so that it need not refuse.

usage: rates.py RETORT [TEST...]

The built-in teacher has a bucket of requests that fills all the time, refuses with 429
what finds it empty, and tells of it in headers, or not.
"""
import json
import time

from rig import OwnTeacher, Rig, Server, chat_answer, main, problems

QUOTA = "30:1.5"
PROMPTS = 160
PRE = {"top_logprobs": 0}


def run(retort, headers, workers=2, **changes):
    """How often it was refused, and how long the run took."""
    with Server(retort, "--quota", QUOTA, "--quota-headers", headers, "--latency-ms", "40",
                "--length", "0.1") as t, Rig(retort) as r:
        r.corpus(problems(PROMPTS))
        r.job(t.port, sampling={"n": 1}, logits=PRE, teacher={"max_in_flight": 24}, **changes)
        begun = time.monotonic()
        r.run(workers=workers)
        seconds = time.monotonic() - begun
        r.check_whole(PROMPTS, 1)
        lines = r.teacher_ledger(t, questions=True)
        gives = json.loads(r.query("select gives from endpoints")[0]["gives"] or "{}")
        assert gives.get("rate_headers") in (None, headers != "none"), gives
        refused = sum(x["fault"] == "quota" for x in lines)
        print("  headers %s, %d workers: %d of %d requests refused, %.1f s" % (
            headers, workers, refused, len(lines), seconds), flush=True)
        return refused


def fewer_refusals(retort):
    without = run(retort, "none")
    assert without > 20, without
    for headers in ("openai", "anthropic"):
        for workers in (1, 3):
            refused = run(retort, headers, workers=workers)
            assert refused * 5 <= without, (refused, without)


def without_questions_at_the_start(retort):
    """Then the first requests go out together, and what is told holds from then on."""
    without = run(retort, "none", probe=False)
    refused = run(retort, "openai", probe=False)
    assert refused * 2 <= without, (refused, without)


def nothing_left_is_waited_for(retort):
    """No request is sent between an answer that says so and the reset."""
    times = []

    def answer(request, handler):
        times.append(time.monotonic())
        left = (2 - len(times)) % 3
        return 200, chat_answer("an answer"), {
            "x-ratelimit-limit-requests": "3", "x-ratelimit-remaining-requests": str(left),
            "x-ratelimit-reset-requests": "4s" if left == 0 else "1ms"}

    with OwnTeacher(answer) as t, Rig(retort) as r:
        r.corpus([{"prompt": "question %d" % i} for i in range(8)])
        r.job(t.port, logits=PRE, sampling={"n": 1}, teacher={"max_in_flight": 1})
        r.run()
        r.check_whole(8, 1)
        assert len(times) == 8, times
        # The second and the fifth said that nothing is left.
        gaps = [b - a for a, b in zip(times, times[1:])]
        assert all((gap >= 3.95) == (i in (1, 4)) for i, gap in enumerate(gaps)), gaps


if __name__ == "__main__":
    main(fewer_refusals, without_questions_at_the_start, nothing_left_is_waited_for)
