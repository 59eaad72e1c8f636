#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A run's life: whole, stopped and resumed, grown, changed, retried, watched.

usage: lifecycle.py RETORT [TEST...]
"""
import contextlib
import json
import signal
import threading
import time

from rig import OwnTeacher, Rig, Server, chat_answer, kill_role, main, problems, wait_until


def a_run_is_whole(retort):
    with Server(retort, "--correct", "0.8") as t, Rig(retort) as r:
        rows = problems(60)
        r.corpus(rows)
        r.job(t.port, logits={"top_logprobs": 20})
        out = r.run(workers=2)
        assert "done: 60 of 60 prompts done" in out, out
        got = r.check_whole(60, 2)
        r.check_against_teacher(got, t)
        truths = {(l["nonce"]): l["choices"][0]["truth"] for l in r.teacher_ledger(t)}
        by_id = {row["id"]: row for row in rows}
        for row in got:
            truth = truths[row["provenance"]["request_id"]]
            # An answer that went round in circles to its limit has no final number.
            if row["finish_reason"] == "stop":
                assert row["scores"]["answer"] == (1 if truth else 0), row
            assert row["reference"] == by_id[row["id"]]["answer"]
            assert row["extra"]["level"] == by_id[row["id"]]["level"]
        assert len(r.teacher_ledger(t)) == 120
        # Run again: nothing is asked.
        assert "done" in r.run()
        assert len(r.teacher_ledger(t)) == 120


def exports_agree(retort):
    with Server(retort, "--correct", "0.6") as t, Rig(retort) as r:
        r.corpus(problems(40))
        r.job(t.port)
        r.run()
        rows = r.export()
        right = r.export("--where", "scores.answer >= 1 and finish_reason == 'stop'",
                         name="right.jsonl")
        assert 0 < len(right) < len(rows)
        want = [x for x in rows if x["scores"]["answer"] == 1 and x["finish_reason"] == "stop"]
        assert [(x["prompt_no"], x["sample"]) for x in right] == [
            (x["prompt_no"], x["sample"]) for x in want]
        done = r.command("export", r.run_dir, "--format", "openai-messages", "-o",
                         r.path("m.jsonl"))
        assert done.returncode == 0, done.stderr
        with open(r.path("m.jsonl")) as f:
            messages = [json.loads(line)["messages"] for line in f]
        for row, m in zip(rows, messages):
            assert m[:-1] == row["prompt"]
            assert m[-1]["role"] == "assistant" and m[-1]["content"] == row["content"]
            assert m[-1].get("reasoning_content") == row["reasoning"]
        done = r.command("export", r.run_dir, "--format", "lmdb", "-o", r.path("snapshot"))
        assert done.returncode == 0, done.stderr
        done = r.command("verify", r.path("snapshot"))
        assert done.returncode == 0, done.stdout
        with open(r.path("snapshot/manifest.json")) as f:
            assert json.load(f)["counts"]["samples"] == len(rows)
        done = r.command("export", r.path("snapshot"), "--format", "jsonl", "-o", "-")
        assert [json.loads(line) for line in done.stdout.splitlines()] == rows
        done = r.command("export", r.run_dir, "--format", "jsonl", "-o", "-", "--where",
                         "finish_reson == 'stop'")
        assert done.returncode != 0 and "did you mean 'finish_reason'" in done.stderr
        shown = r.command("show", r.run_dir, rows[0]["id"], "0", "--logits")
        assert shown.returncode == 0 and rows[0]["content"].strip() in shown.stdout
        assert len(r.teacher_ledger(t)) == 80


def a_stopped_run_goes_on(retort):
    # Slow enough that it is still at work when the second one has looked.
    with Server(retort, "--latency-ms", "200") as t, Rig(retort) as r:
        r.corpus(problems(150))
        r.job(t.port, teacher={"max_in_flight": 8})
        child = r.start()
        wait_until(lambda: (r.try_progress() or {}).get("samples_committed", 0) > 20)
        second = r.command("run", r.job_path)
        assert second.returncode == 1 and "works on" in second.stderr, second
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=60)
        assert child.returncode == 1 and "go on: retort run" in out, out
        p = r.progress()
        assert p["state"] == "stopped" and p["requests_in_flight"] == 0, p
        asked = len(r.teacher_ledger(t))
        assert p["samples_committed"] == asked, (p, asked)  # drained: nothing lost
        r.run()
        r.check_whole(150, 2)
        assert len(r.teacher_ledger(t)) == 300


def a_second_signal_leaves_at_once(retort):
    with Server(retort, "--latency-ms", "100000") as t, Rig(retort) as r:
        r.corpus(problems(5))
        r.job(t.port)
        child = r.start()
        wait_until(lambda: t.control()["running"] > 0)
        child.send_signal(signal.SIGTERM)
        # Two signals at once may be delivered as one.
        assert any("finishing the requests" in line for line in child.stdout)
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=60)
        # Nothing was waited for: what was in flight has not been answered.
        assert child.returncode == 1 and r.progress()["samples_committed"] == 0


@contextlib.contextmanager
def adopted(retort):
    """A rig, its coordinator, and its store that has been adopted; there is no worker."""
    with Server(retort) as t, Rig(retort) as r:
        r.corpus(problems(3))
        r.job(t.port)
        coordinator, store, _ = r.coordinator_and_store()
        wait_until(lambda: r.part_said("store", "adopted"))
        yield r, coordinator, store
        assert r.progress()["state"] == "stopped"
        r.check_sanitizers()


def the_store_hears_of_the_end(retort):
    """Also one that is slow to hear: else it would wait for a coordinator for ever."""
    with adopted(retort) as (r, coordinator, store):
        store.send_signal(signal.SIGSTOP)
        coordinator.terminate()
        wait_until(lambda: r.try_progress()["state"] != "running")
        time.sleep(1)  # in which it could end, if it did not wait
        assert coordinator.poll() is None
        store.send_signal(signal.SIGCONT)
        assert coordinator.wait(60) == 1 and store.wait(60) == 0
        assert r.part_said("store", "the run has ended")


def a_store_that_is_gone_is_not_waited_for(retort):
    for end in (signal.SIGKILL, signal.SIGTERM):
        with adopted(retort) as (r, coordinator, store):
            store.send_signal(end)
            assert store.wait(60) == (-end if end == signal.SIGKILL else 0)
            coordinator.terminate()
            # Thirty seconds is how long one that is there is waited for.
            assert coordinator.wait(20) == 1
            # One that said that it ends is not missed.
            assert r.part_said("coordinator", "has not said") == (end == signal.SIGKILL)


def a_job_may_grow(retort):
    with Server(retort) as t, Rig(retort) as r:
        rows = problems(50)
        r.corpus(rows[:30])
        r.job(t.port, sampling={"n": 1})
        r.run()
        r.check_whole(30, 1)
        r.job(t.port, sampling={"n": 3})
        r.run()
        r.check_whole(30, 3)
        r.corpus(rows)
        r.run()
        got = r.check_whole(50, 3)
        assert [x["id"] for x in got[::3]] == [x["id"] for x in rows]
        assert len(r.teacher_ledger(t)) == 150


def a_new_meaning_is_refused(retort):
    with Server(retort) as t, Rig(retort) as r:
        r.corpus(problems(10))
        r.job(t.port)
        r.run()
        r.job(t.port, sampling={"max_tokens": 2000})
        done = r.command("run", r.job_path)
        assert done.returncode == 2 and "sampling.max_tokens" in done.stderr, done
        assert "--new-settings" in done.stderr, done
        r.job(t.port, sampling={"n": 1})
        done = r.command("run", r.job_path)
        assert done.returncode == 2 and "may only grow" in done.stderr, done
        r.corpus(problems(12))
        r.job(t.port, sampling={"max_tokens": 2000})
        r.run("--new-settings")
        rows = r.check_whole(12, 2)
        assert {x["provenance"]["settings"] for x in rows} == {0, 1}
        assert all(x["provenance"]["settings"] == (x["prompt_no"] >= 10) for x in rows)


def accept_may_change(retort):
    with Server(retort, "--correct", "0.5") as t, Rig(retort) as r:
        r.corpus(problems(60))
        r.job(t.port)
        r.run()
        rows = r.export()
        p = r.progress()
        want = {x["sample"] for x in rows if x["accepted"]} and sum(
            x["accepted"] for x in rows)
        assert p["samples_accepted"] == want, (p, want)
        r.job(t.port, accept="scores.answer >= 1 and flags is empty")
        r.run()
        rows = r.export()
        want = sum(x["accepted"] for x in rows)
        p = r.progress()
        assert p["samples_accepted"] == want < 120, (p, want)
        assert len(r.teacher_ledger(t)) == 120
        r.verify()


def samples_can_be_asked_again(retort):
    with Server(retort, "--faults", "content-empty=1") as t, Rig(retort) as r:
        r.corpus(problems(10))
        r.job(t.port, retry={"attempts": 2})
        out = r.run(expect=3)
        assert "retort retry" in out, out
        assert r.progress()["prompts_failed"] == 10
        assert {f["reason"] for f in r.query("select reason from failures")} == {"empty"}
        t.control(faults=None)
        done = r.command("retry", r.run_dir, "--reason", "timeout")
        assert done.stdout == "0 samples are eligible again\n", done
        done = r.command("retry", r.run_dir, "--reason", "empty")
        assert done.stdout == "20 samples are eligible again\n", done
        r.run()
        rows = r.check_whole(10, 2)
        assert {x["revision"] for x in rows} == {1}
        # Chosen ones, while a coordinator is at work or not: here it is not.
        done = r.command("retry", r.run_dir, "--where", "sample == 1")
        assert done.stdout == "10 samples are eligible again\n", done
        r.run()
        rows = r.check_whole(10, 2)
        assert {(x["sample"], x["revision"]) for x in rows} == {(0, 1), (1, 2)}


def retry_reaches_a_run_at_work(retort):
    with Server(retort, "--latency-ms", "250") as t, Rig(retort) as r:
        r.corpus(problems(120))
        r.job(t.port, teacher={"max_in_flight": 4}, sampling={"n": 1})
        child = r.start()
        # The first five are among them: no more than four are overtaken at a time.
        wait_until(lambda: (r.try_progress() or {}).get("samples_committed", 0) > 20)
        done = r.command("retry", r.run_dir, "--where", "prompt_no < 5")
        assert done.returncode == 0 and "5 samples" in done.stdout, done
        out, _ = child.communicate(timeout=120)
        assert child.returncode == 0, out
        rows = r.check_whole(120, 1)
        assert [x["revision"] for x in rows] == [1] * 5 + [0] * 115


def a_run_gives_up_and_says_why(retort):
    with Server(retort) as t, Rig(retort) as r:
        r.corpus(problems(4))
        r.job(t.port)
        r.run()
        with open(r.path("job.run/dataset/data.mdb"), "r+b") as f:
            f.write(b"something else" * 1000)
        out = r.run(expect=1)
        assert "store died 5 times in a row right after its start; giving up" in out, out
        assert "cannot open the dataset" in out and "log/store.log" in out, out


class Crowd:
    """A slow teacher that counts who is there at once; it answers when it is open."""

    def __init__(self):
        self.lock, self.here, self.most = threading.Lock(), 0, 0
        self.open = threading.Event()

    def __call__(self, request, handler):
        with self.lock:
            self.here += 1
            self.most = max(self.most, self.here)
        self.open.wait()
        time.sleep(0.1)
        with self.lock:
            self.here -= 1
        return 200, chat_answer("an answer"), {}


def the_fleet_keeps_to_max_in_flight(retort):
    # Workers come one after the other and take from those that are there.
    crowd = Crowd()
    with OwnTeacher(crowd) as t, Rig(retort) as r:
        r.corpus([{"prompt": "question %d" % i} for i in range(300)])
        r.job(t.port, logits={"top_logprobs": 0}, teacher={"max_in_flight": 9},
              sampling={"n": 1})
        child = r.start(workers=5)
        wait_until(lambda: crowd.here == 9 and len(r.query("select * from workers")) == 5)
        crowd.open.set()
        out, _ = child.communicate(timeout=120)
        assert child.returncode == 0, out
        r.check_whole(300, 1)
        assert crowd.most == 9, crowd.most
        asked = [w["asked"] for w in r.query("select asked from workers")]
        assert len(asked) == 5 and sum(asked) == 300 and min(asked) > 0, asked


def a_new_coordinator_keeps_to_max_in_flight(retort):
    # It does not know what the workers have in flight before they have said so.
    crowd = Crowd()
    with OwnTeacher(crowd) as t, Rig(retort) as r:
        r.corpus([{"prompt": "question %d" % i} for i in range(400)])
        r.job(t.port, logits={"top_logprobs": 0}, teacher={"max_in_flight": 8},
              sampling={"n": 1})
        child = r.start(workers=4)
        wait_until(lambda: crowd.here == 8)
        crowd.open.set()
        for done in (60, 160, 260):
            wait_until(lambda: (r.try_progress() or {}).get("samples_committed", 0) > done)
            kill_role(child, "coordinator")
        out, _ = child.communicate(timeout=120)
        assert child.returncode == 0, out
        r.check_whole(400, 1)
        assert crowd.most == 8, crowd.most


def a_budget_stops_a_run(retort):
    with Server(retort) as t, Rig(retort) as r:
        r.corpus(problems(300))
        price = {"prompt_usd_per_mtok": 1.0, "completion_usd_per_mtok": 10.0}
        r.job(t.port, teacher={"price": price, "max_in_flight": 8}, budget={"usd": 0.05})
        out = r.run(expect=1)
        p = r.progress()
        assert p["state"] == "budget", (p, out)
        # A prompt is two samples of at most 0.012; it may be passed by little more.
        assert 0.045 < p["cost_usd"] < 0.06, p
        r.verify()
        cost = sum(x["provenance"]["cost_usd"] for x in r.export())
        # What the questions at the start have cost is part of it.
        asked, = r.query("select questions_cost_usd from endpoints")
        assert abs(cost + asked["questions_cost_usd"] - p["cost_usd"]) < 1e-9, (cost, p)


def status_and_check_tell(retort):
    with Server(retort) as t, Rig(retort) as r:
        r.corpus(problems(20) + [{"nothing": 1}])
        r.job(t.port, logits={"top_logprobs": 20})
        done = r.command("check", r.job_path, "--json")
        assert done.returncode == 0, done
        told = json.loads(done.stdout)
        e = told["endpoints"][0]
        assert e["ok"] and e["token_ids"] and e["candidates"] == [20, 20], e
        assert e["server"] == "vllm" and e["model_listed"], e
        assert told["corpus"] == {"lines": 21, "prompts": 20, "rejected": {"no_prompt": 1}}
        assert told["plan"]["requests"] == 40
        assert "20 to 20 candidates" in r.command("check", r.job_path).stdout
        r.run()
        told = json.loads(r.command("status", r.run_dir, "--json").stdout)
        assert told["progress"]["prompts_done"] == 20
        assert told["rejects"] == {"no_prompt": 1}
        assert told["endpoints"][0]["answered"] == 40, told
        text = r.command("status", r.run_dir).stdout
        assert "20 of 20 done" in text and "no_prompt" in text, text


if __name__ == "__main__":
    main(a_run_is_whole, exports_agree, a_stopped_run_goes_on, a_second_signal_leaves_at_once,
         the_store_hears_of_the_end, a_store_that_is_gone_is_not_waited_for,
         a_job_may_grow, a_new_meaning_is_refused, accept_may_change,
         samples_can_be_asked_again, retry_reaches_a_run_at_work,
         a_run_gives_up_and_says_why, the_fleet_keeps_to_max_in_flight,
         a_new_coordinator_keeps_to_max_in_flight,
         a_budget_stops_a_run, status_and_check_tell)
