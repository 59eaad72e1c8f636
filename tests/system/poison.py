#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prompts that kill whoever asks them.

usage: poison.py RETORT [TEST...]

A teacher of the test's own looks, when it is asked a poisonous prompt, which
process holds the other end of the connection, and kills it: from outside, as the
kernel does when memory is short, or as a crash. The prompt must end as failed
with the reason `worker_crash` after a bounded number of deaths, take no other
prompt with it, and come home when it is retried after its cure.
"""
import collections
import os
import signal
import threading
import time

from rig import OwnTeacher, Rig, chat_answer, main

POISON = "swallow this"
# Two deaths make a shard's prompts suspects; asked alone, a killed holder counts one
# of four points, a crashed one two. A prompt may be given to one more worker before
# the store has said which of its samples are there.
SUSPECT, KILLS, CRASHES, SPARE = 2, 4, 2, 1


def holder(port, peer):
    """The process at the other end of a connection to our port."""
    want = "0100007F:%04X 0100007F:%04X" % (peer, port)
    inode = None
    with open("/proc/net/tcp", encoding="ascii") as f:
        for line in f:
            fields = line.split()
            if "%s %s" % (fields[1], fields[2]) == want:
                inode = "socket:[%s]" % fields[9]
    for pid in os.listdir("/proc") if inode else []:
        try:
            fds = "/proc/%s/fd" % pid
            if pid.isdigit() and any(os.readlink(os.path.join(fds, fd)) == inode
                                     for fd in os.listdir(fds)):
                return int(pid)
        except OSError:
            pass
    return None


class Poisoner:
    """Kills who asks for poison; counts what was asked, and whom it killed."""

    def __init__(self, how):
        self.how, self.cured = how, False
        self.asked, self.killed = collections.Counter(), set()
        self.lock = threading.Lock()

    def __call__(self, request, handler):
        text = request["messages"][-1]["content"]
        with self.lock:
            self.asked[text] += 1
        if POISON in text and not self.cured:
            pid = holder(handler.server.server_address[1], handler.client_address[1])
            if pid is not None:
                # Two of its questions may be here: it dies once.
                self.killed.add(pid)
                os.kill(pid, self.how)
            return None
        return 200, chat_answer("an answer to " + text), {}


def poisoned(retort, how, points, n_prompts, poison, workers):
    teacher = Poisoner(how)
    texts = ["%s %d" % (POISON if i in poison else "harmless", i) for i in range(n_prompts)]
    with OwnTeacher(teacher) as t, Rig(retort) as r:
        r.corpus([{"id": "p%d" % i, "prompt": x} for i, x in enumerate(texts)])
        r.job(t.port, logits={"top_logprobs": 0}, teacher={"max_in_flight": 8})
        out = r.run(workers=workers, expect=3)
        p = r.progress()
        assert p["state"] == "done", (p, out)
        assert p["prompts_failed"] == len(poison), p
        assert p["prompts_done"] == n_prompts - len(poison), p
        failures = r.query("select * from failures order by prompt_no, sample")
        assert [(f["prompt_no"], f["sample"], f["reason"]) for f in failures] == [
            (i, s, "worker_crash") for i in sorted(poison) for s in (0, 1)], failures
        deaths = len(teacher.killed)
        bound = SUSPECT + (points + SPARE) * len(poison)
        assert SUSPECT <= deaths <= bound, (deaths, bound)
        ended = collections.Counter(x["state"] for x in r.query("select state from workers"))
        assert ended["lost"] + ended["crashed"] == deaths, (ended, deaths)
        assert len(r.export()) == 2 * (n_prompts - len(poison))
        r.verify()
        # Still poison: run again, nothing is asked, nobody dies.
        asked = sum(teacher.asked.values())
        r.run(expect=3)
        assert sum(teacher.asked.values()) == asked and len(teacher.killed) == deaths
        # Retried while it still is: it ends again as it did, and sooner.
        r.command("retry", r.run_dir, "--reason", "worker_crash")
        r.run(workers=workers, expect=3)
        again = len(teacher.killed) - deaths
        assert len(poison) <= again <= bound, (again, bound)
        failures = r.query("select * from failures")
        assert {(f["reason"], f["revision"]) for f in failures} == {("worker_crash", 1)}, failures
        # Cured.
        teacher.cured = True
        done = r.command("retry", r.run_dir, "--reason", "worker_crash")
        assert done.stdout == "%d samples are eligible again\n" % (2 * len(poison)), done
        r.run(workers=workers)
        rows = r.check_whole(n_prompts, 2)
        assert [x["revision"] for x in rows] == [
            2 if i in poison else 0 for i in range(n_prompts) for s in (0, 1)]
        for x in rows:
            assert x["content"] == "an answer to " + texts[x["prompt_no"]]
        print("  %d prompts, %d of them poison: %d deaths (bound %d), %d when retried" % (
            n_prompts, len(poison), deaths, bound, again))


def a_prompt_that_gets_its_worker_killed(retort):
    poisoned(retort, signal.SIGKILL, KILLS, 150, {70}, workers=2)


def a_prompt_that_crashes_its_worker(retort):
    poisoned(retort, signal.SIGABRT, CRASHES, 150, {70}, workers=2)


def several_in_one_shard_and_one_worker(retort):
    poisoned(retort, signal.SIGKILL, KILLS, 40, {3, 4, 39}, workers=1)


def several_crashes_and_one_worker(retort):
    poisoned(retort, signal.SIGABRT, CRASHES, 40, {3, 4, 39}, workers=1)


def nobody_tells_who_died(retort):
    """A cluster's parts, without a supervisor: a lease that runs out is all there is."""
    teacher, n = Poisoner(signal.SIGKILL), 60
    texts = ["%s %d" % (POISON if i == 20 else "harmless", i) for i in range(n)]
    with OwnTeacher(teacher) as t, Rig(retort) as r:
        r.corpus([{"id": "p%d" % i, "prompt": x} for i, x in enumerate(texts)])
        r.job(t.port, logits={"top_logprobs": 0}, teacher={"max_in_flight": 8})
        coordinator, store, there = r.coordinator_and_store("--heartbeat-ms", "100",
                                                            "--term-ms", "700")
        workers, starts = [None, None], 0
        end = time.monotonic() + 400
        while coordinator.poll() is None:
            for i, worker in enumerate(workers):
                # One that was told that the run is over is not started again.
                if worker is None or worker.poll() not in (None, 0):
                    workers[i] = r.part("worker", "--connect", there)
                    starts += 1
            assert time.monotonic() < end, r.try_progress()
            time.sleep(0.05)
        assert coordinator.returncode == 3, coordinator.returncode
        for child in [store, *workers]:
            assert child.wait(timeout=60) == 0, child.args
        p = r.progress()
        assert (p["prompts_done"], p["prompts_failed"]) == (n - 1, 1), p
        failures = r.query("select * from failures")
        assert [(f["prompt_no"], f["reason"]) for f in failures] == [
            (20, "worker_crash")] * 2, failures
        deaths = len(teacher.killed)
        assert SUSPECT <= deaths <= SUSPECT + KILLS + 3 * SPARE and starts == deaths + 2, (
            deaths, starts)
        r.verify()
        r.check_sanitizers()
        print("  %d deaths, each noticed when the lease ran out" % deaths)


if __name__ == "__main__":
    main(a_prompt_that_gets_its_worker_killed, a_prompt_that_crashes_its_worker,
         several_in_one_shard_and_one_worker, several_crashes_and_one_worker,
         nobody_tells_who_died)
