#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A corpus that is put in another order while its run is only half done.

usage: reindex.py RETORT [TEST...]
"""
import collections
import signal
import threading
import time

from rig import OwnTeacher, Rig, chat_answer, main, wait_until


class Counting:
    """Answers, refuses what says so, and counts what it was asked."""

    def __init__(self):
        self.asked, self.lock = collections.Counter(), threading.Lock()
        self.seconds = 0

    def __call__(self, request, handler):
        text = request["messages"][-1]["content"]
        time.sleep(self.seconds)
        with self.lock:
            self.asked[text] += 1
        if "refuse" in text:
            return 400, b'{"error": {"message": "no", "type": "invalid_request_error"}}', {}
        return 200, chat_answer("an answer to " + text), {}


def a_failed_prompt_stays_failed(retort):
    teacher = Counting()
    rows = [{"id": "p%d" % i, "prompt": ("refuse %d" if i == 7 else "tell %d") % i}
            for i in range(100)]
    with OwnTeacher(teacher) as t, Rig(retort) as r:
        r.corpus(rows)
        r.job(t.port, logits={"top_logprobs": 0})
        r.run(expect=3)
        asked = teacher.asked.total()
        r.corpus(rows[::-1])
        r.run("--reindex", expect=3)
        assert teacher.asked.total() == asked
        p = r.progress()
        assert (p["prompts_done"], p["prompts_failed"]) == (99, 1), p
        # A retry finds it where it is now.
        done = r.command("retry", r.run_dir)
        assert done.stdout == "2 samples are eligible again\n", done
        r.run(expect=3)
        assert teacher.asked.total() == asked + 2
        assert {(f["prompt_no"], f["revision"]) for f in r.query("select * from failures")} == {
            (7, 1)}
        r.verify()


def a_stopped_run_goes_on(retort):
    teacher = Counting()
    rows = [{"id": "p%d" % i, "prompt": "tell %d" % i} for i in range(300)]
    with OwnTeacher(teacher) as t, Rig(retort) as r:
        r.corpus(rows)
        r.job(t.port, logits={"top_logprobs": 0}, teacher={"max_in_flight": 4})
        teacher.seconds = 0.04
        child = r.start()
        wait_until(lambda: (r.try_progress() or {}).get("samples_committed", 0) > 100)
        child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=60)
        assert r.progress()["samples_committed"] < 600, out
        teacher.seconds = 0
        r.corpus(rows[::-1])
        r.run("--reindex")
        got = r.check_whole(300, 2)
        assert teacher.asked == collections.Counter({x["prompt"]: 2 for x in rows})
        for x in got:
            assert x["content"] == "an answer to tell %s" % x["id"][1:], x


if __name__ == "__main__":
    main(a_failed_prompt_stays_failed, a_stopped_run_goes_on)
