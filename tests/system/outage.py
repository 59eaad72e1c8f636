#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A teacher that is away for two minutes in the middle of a run.

usage: outage.py RETORT [--seconds N] [CASE...]

It is killed and started again, answers 503, answers 429 with Retry-After, and
without: one run each, all at once. The job allows one attempt a sample, so that
an attempt which the outage used up would show as a failure. While it lasts the
view `endpoints` says that the endpoint is held, and why; it is asked now and
then, not hammered. When it is back the run goes on within seconds, and ends with
every sample there once.
"""
import argparse
import concurrent.futures
import time

from rig import Restartable, Rig, problems, wait_until

PROMPTS, N = 250, 2
IN_FLIGHT = 8
WORKERS = 2
# What was sent before the outage may still be answered and stored for so long. These
# are times after which something is wrong, however busy the machine is.
SETTLE_S = 10
# A worker tries a held endpoint at least every five seconds; then come the answer,
# its commit and the ledger's next row.
BACK_S = 20


class Case:
    def __init__(self, reasons, status, options=()):
        self.reasons, self.status, self.options = reasons, status, options

    def begin(self, teacher):
        teacher.control(down=str(self.status))

    def end(self, teacher):
        teacher.control(down=None)


class Killed(Case):
    def begin(self, teacher):
        teacher.kill()

    def end(self, teacher):
        teacher.restart()


CASES = {
    "killed": Killed({"connect", "connection_lost"}, 0),
    "overloaded": Case({"overloaded"}, 503),
    "limited": Case({"rate_limited"}, 429),
    "limited_with_retry_after": Case({"rate_limited"}, 429, ("--retry-after", "2")),
}


def endpoint(r):
    rows = r.query("select * from endpoints")
    assert len(rows) == 1, rows
    return rows[0]


def watch(r, case, seconds):
    """The run while the teacher is away."""
    end = time.monotonic() + seconds
    settled = time.monotonic() + min(SETTLE_S, seconds / 2)
    wait_until(lambda: endpoint(r)["state"] == "held")
    committed = None
    while time.monotonic() < end:
        p, e = r.progress(), endpoint(r)
        assert p["state"] == "running" and p["samples_failed"] == 0, p
        # Before that one worker may have had an answer after the other's failure.
        if time.monotonic() > settled:
            assert e["state"] == "held" and e["last_reason"] in case.reasons, e
            assert e["last_status"] == case.status, e
            assert committed in (None, p["samples_committed"]), (committed, p)
            committed = p["samples_committed"]
            assert p["requests_in_flight"] <= WORKERS, p
        time.sleep(0.25)
    shown = r.command("status", r.run_dir).stdout
    assert " held " in shown and "last failure" in shown, shown
    return committed


def check(r, t, case, away):
    rows = r.check_whole(PROMPTS, N)
    r.check_against_teacher(rows, t)
    assert r.query("select * from failures") == []
    assert endpoint(r)["state"] == "up", endpoint(r)
    lines = r.teacher_ledger(t)
    answered = sum(x["status"] == 200 for x in lines)
    # What a killed teacher was about to send is asked for again; nothing else.
    again = answered - PROMPTS * N
    assert 0 <= again <= (IN_FLIGHT if isinstance(case, Killed) else 0), again
    # All that was in flight, and one question a second from each worker.
    refused = len(lines) - answered
    assert refused <= IN_FLIGHT + WORKERS * (away + 2), (refused, away)
    return again, refused


def outage(retort, name, seconds):
    case = CASES[name]
    with Restartable(retort, "--latency-ms", "200", *case.options) as t, Rig(retort) as r:
        r.corpus(problems(PROMPTS))
        r.job(t.port, teacher={"max_in_flight": IN_FLIGHT}, retry={"attempts": 1})
        child = r.start(workers=WORKERS)
        wait_until(lambda: (r.try_progress() or {}).get("samples_committed", 0) > 60)
        gone = time.monotonic()
        case.begin(t)
        before = watch(r, case, seconds)
        assert 60 < before < PROMPTS * N / 2, before
        case.end(t)
        begun = time.monotonic()
        away = begun - gone
        wait_until(lambda: r.progress()["samples_committed"] > before)
        back = time.monotonic() - begun
        out, _ = child.communicate(timeout=120)
        assert child.returncode == 0, out
        again, refused = check(r, t, case, away)
        r.check_sanitizers()
        assert back < BACK_S, "%s: went on only after %.1f s" % (name, back)
        return "%s: away for %.0f s, went on %.1f s after; %d asked again, %d refused" % (
            name, away, back, again, refused)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("retort")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    args = parser.parse_args()
    names = args.cases or list(CASES)
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        runs = [pool.submit(outage, args.retort, name, args.seconds) for name in names]
        for run in runs:
            print(run.result(), flush=True)


if __name__ == "__main__":
    main()
