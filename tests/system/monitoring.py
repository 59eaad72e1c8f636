#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Watching a run: the ledger's views, `retort status`, and what must not be seen.

usage: monitoring.py RETORT [TEST...]

`sqlite3 -readonly` reads `progress` every second, as the run's owner and as
another user (where the test runs as root), from the first second of a run to
behind its end; all views answer at any moment, agree with each other within one
snapshot, and never go backwards, also when processes are killed meanwhile. The
ledger and the logs hold no text of prompts or answers, and no key.
"""
import collections
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import sqlite3
import struct
import subprocess
import tempfile
import termios
import threading
import time

from rig import (ENV, OwnTeacher, Rig, Server, chat_answer, child_in_role, kill, main,
                 problems, wait_until)

VIEWS = ("progress", "workers", "endpoints", "failures", "throughput", "rejects", "shards")
NOBODY = 65534
PROGRESS = "select * from progress"


# ---- `sqlite3 -readonly`, as people do it --------------------------------------------

def as_nobody():
    become = ["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups"]
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        print("SKIPPED: reading as another user needs root and setpriv")
        return None
    if subprocess.run([*become, "test", "-x", tempfile.gettempdir()]).returncode:
        print("SKIPPED: no other user may be, or come to %s" % tempfile.gettempdir())
        return None
    return become


def shell(r, sql=PROGRESS, user=()):
    """What sqlite3 says: the rows, or the complaint."""
    done = subprocess.run([*user, "sqlite3", "-readonly", "-json",
                           os.path.join(r.run_dir, "ledger.sqlite"), sql],
                          capture_output=True, text=True, timeout=30)
    if done.returncode:
        return None, done.stderr
    return json.loads(done.stdout or "[]"), done.stderr


def read_every_second(r, child, users):
    """Counts of readings; each user's must succeed from the first one that did."""
    readings, last = collections.Counter(), dict.fromkeys(users)
    while child.poll() is None:
        for name, user in users.items():
            rows, complaint = shell(r, user=user)
            while rows is None and "database is locked" in complaint and readings[name]:
                # While the coordinator closes it, as its last act and for some milliseconds.
                assert child.poll() is not None or r.progress()["state"] == "done", complaint
                rows, complaint = shell(r, user=user)
            if rows is None:
                assert not readings[name], (name, complaint)
                # Only while there is no ledger yet, or nothing in it, or it is being made.
                assert any(word in complaint for word in (
                    "unable to open", "no such table", "database is locked")), complaint
                continue
            assert len(rows) == 1 and not complaint, (rows, complaint)
            readings[name] += 1
            assert_goes_on(last[name], rows[0])
            last[name] = rows[0]
        time.sleep(1 if readings else 0.1)
    return readings


def progress_is_read_every_second(retort):
    users = {"owner": []}
    nobody = as_nobody()
    if nobody:
        users["nobody"] = nobody
    old = os.umask(0o022)
    try:
        with Server(retort, "--latency-ms", "250") as t, Rig(retort) as r:
            # The folder above the run's is the test's; a run's own modes are its affair.
            os.chmod(r.dir, 0o755)
            r.corpus(problems(250))
            r.job(t.port, teacher={"max_in_flight": 8})
            child = r.start(workers=2)
            readings = read_every_second(r, child, users)
            out, _ = child.communicate()
            assert child.returncode == 0, out
            for name, user in users.items():
                assert readings[name] >= 8, readings
                rows, complaint = shell(r, user=user)
                assert rows and rows[0]["state"] == "done" and not complaint, (name, complaint)
                assert rows[0]["prompts_done"] == 250, rows
                for view in VIEWS:
                    rows, complaint = shell(r, "select * from " + view, user)
                    assert rows is not None and not complaint, (name, view, complaint)
                # Readers cannot write, whatever they say.
                _, complaint = shell(r, "update totals set prompts = 0", user)
                assert "readonly" in complaint, complaint
            if nobody:
                # The texts are not for everybody.
                for folder in ("dataset", "log", "corpus"):
                    done = subprocess.run([*nobody, "ls", os.path.join(r.run_dir, folder)],
                                          capture_output=True, text=True)
                    assert done.returncode and "denied" in done.stderr, (folder, done)
            r.check_whole(250, 2)
            # Other users' reading has left nothing that stands in the way of going on.
            assert "done" in r.run()
            print("  readings: %s" % dict(readings))
    finally:
        os.umask(old)


# ---- all views, in one snapshot ------------------------------------------------------

NEVER_LESS = ("prompts_done", "prompts_failed", "samples_committed", "samples_accepted",
              "samples_duplicate", "samples_truncated", "samples_failed", "requests_retried",
              "prompt_tokens", "completion_tokens", "cost_usd", "updated_at")
NEVER_OTHER = ("started_at", "prompts_total", "samples_total")


def assert_goes_on(was, now):
    if was is None:
        return
    for key in NEVER_LESS:
        assert now[key] >= was[key], (key, was[key], now[key])
    for key in NEVER_OTHER:
        assert now[key] == was[key] or was["state"] == "indexing", (key, was[key], now[key])


def snapshot(r):
    """All views as of one moment."""
    db = r.ledger()
    try:
        db.isolation_level = None
        db.execute("begin")
        views = {v: [dict(x) for x in db.execute("select * from " + v)] for v in VIEWS}
        views["events"] = db.execute("select count(*) from event").fetchone()[0]
        return views
    finally:
        db.close()


def total(rows, key):
    return sum(row[key] for row in rows)


def near(a, b):
    return abs(a - b) < 1e-7


def assert_adds_up(s, max_in_flight):
    p, = s["progress"]
    assert p["prompts_done"] + p["prompts_failed"] <= p["prompts_total"], p
    assert p["samples_committed"] + p["samples_failed"] <= p["samples_total"], p
    for key in ("samples_accepted", "samples_duplicate", "samples_truncated"):
        assert 0 <= p[key] <= p["samples_committed"], (key, p)
    assert p["cached_prompt_tokens"] <= p["prompt_tokens"], p
    assert 0 <= p["requests_in_flight"] <= max_in_flight, p
    assert p["samples_per_s"] >= 0 and p["tokens_per_s"] >= 0, p
    assert p["eta_s"] is None or p["eta_s"] >= 0, p
    live = [x for x in s["shards"] if x["state"] != "retired"]
    for key in ("prompts_done", "prompts_failed", "samples_committed", "samples_accepted",
                "samples_duplicate", "samples_failed"):
        assert total(live, key) == p[key], (key, total(live, key), p[key])
    # What samples have cost that were given up is in no shard, nor what questions have.
    for key in ("prompt_tokens", "completion_tokens", "cost_usd"):
        assert near(p[key], total(live, key) + total(s["failures"], key) +
                    total(s["endpoints"], "questions_" + key)), (key, p)
    assert total(live, "prompts") == p["prompts_total"]
    for x in live:
        ended = x["prompts_done"] + x["prompts_failed"]
        assert ended <= x["prompts"] and (x["state"] == "ended") == (ended == x["prompts"]), x
    # A failure is a row at once; the sums follow with the next beat of the clock.
    assert len(s["failures"]) >= p["samples_failed"], (s["failures"], p)
    for key in ("in_flight", "asked", "answered", "retried"):
        assert total(s["workers"], key) == total(s["endpoints"], key), (key, s)
    for x in s["workers"] + s["endpoints"]:
        assert x["answered"] + x["in_flight"] <= x["asked"], x
        assert x["retried"] <= x["asked"], x
    for x in s["throughput"]:
        assert x["seconds"] > 0 and x["samples_per_s"] >= 0 and x["failed_per_s"] >= 0, x
    times = [x["at"] for x in s["throughput"]]
    assert times == sorted(times), times


def assert_views_go_on(was, now):
    assert_goes_on(was["progress"][0], now["progress"][0])
    assert now["events"] >= was["events"]
    assert len(now["throughput"]) >= len(was["throughput"])
    assert now["rejects"] == was["rejects"] or was["progress"][0]["state"] == "indexing"
    before = {x["worker"]: x for x in was["workers"]}
    for x in now["workers"]:
        for key in ("asked", "answered", "retried"):
            assert x[key] >= before.get(x["worker"], x)[key], (key, x, before)
    # A coordinator that has died may not have heard the last counts; they are not less.
    for a, b in zip(was["endpoints"], now["endpoints"]):
        for key in ("asked", "answered", "retried", "tokens", "cost_usd"):
            assert b[key] >= a[key], (key, a, b)


def views_agree_at_any_moment(retort):
    price = {"prompt_usd_per_mtok": 1.0, "completion_usd_per_mtok": 10.0}
    faults = "content-empty=0.1,cut-length=0.1,status-500-json=0.02"
    with Server(retort, "--latency-ms", "100", "--faults", faults) as t, Rig(retort) as r:
        lines = problems(500)
        r.corpus(lines[:250] + [{"nothing": "here"}] + lines[250:] + [lines[7]])
        r.job(t.port, teacher={"max_in_flight": 16, "price": price}, retry={"attempts": 2})
        child = r.start(workers=2)
        drain = threading.Thread(target=child.stdout.read, daemon=True)
        drain.start()
        was, n, kills = None, 0, []
        plan = ["worker", "coordinator", "store", "worker", "coordinator"]
        while child.poll() is None:
            try:
                now = snapshot(r)
            except sqlite3.Error as e:
                assert was is None, e
                continue
            if not now["progress"]:
                assert was is None
                continue
            assert_adds_up(now, 16)
            if was:
                assert_views_go_on(was, now)
            was, n = now, n + 1
            done = now["progress"][0]["samples_committed"]
            if plan and done > 120 * (len(kills) + 1):
                victim = child_in_role(child, plan[0])
                if victim and kill(victim):
                    kills.append(plan.pop(0))
            time.sleep(0.02)
        assert child.returncode == 3, child.returncode
        now = snapshot(r)
        assert_adds_up(now, 0)
        assert_views_go_on(was, now)
        p = now["progress"][0]
        assert p["state"] == "done" and p["prompts_done"] + p["prompts_failed"] == 500, p
        assert p["eta_s"] == 0 and p["requests_in_flight"] == 0 and p["prompts_failed"] > 0, p
        assert sorted(x["reason"] for x in now["rejects"]) == ["duplicate_id", "no_prompt"]
        assert {x["reason"] for x in now["failures"]} <= {"empty", "body_cut"}, now["failures"]
        assert len(now["failures"]) == p["samples_failed"], p
        assert all(x["state"] == "ended" for x in now["shards"])
        cost = sum(x["provenance"]["cost_usd"] for x in r.export())
        assert cost <= p["cost_usd"] + 1e-9, (cost, p)
        r.verify()
        r.check_sanitizers()
        print("  %d snapshots of all views, killed: %s" % (n, ", ".join(kills)))


# ---- retort status -------------------------------------------------------------------

class Terminal:
    """A program on a terminal of its own, and what it has shown."""

    def __init__(self, r, *args):
        mine, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self.child = subprocess.Popen([r.retort, *args], stdin=its, stdout=its, stderr=its,
                                      env=ENV, cwd=r.dir, start_new_session=True)
        r.children.append(self.child)
        os.close(its)
        self.fd, self.shown = mine, b""

    def read(self, seconds):
        """What comes within so much time, or until the program has closed its end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not select.select([self.fd], [], [], 0.1)[0]:
                continue
            try:
                part = os.read(self.fd, 65536)
            except OSError:
                break
            if not part:
                break
            self.shown += part
        return self.shown.decode()

    def close(self):
        os.close(self.fd)
        return self.child.wait(timeout=60)


def check_json(told, prompts):
    assert set(told) == {"progress", "endpoints", "workers", "failures", "rejects"}, told
    assert told["progress"]["prompts_total"] == prompts, told
    return told["progress"]


def status_shows_a_run(retort):
    with Server(retort, "--latency-ms", "250") as t, Rig(retort) as r:
        r.corpus(problems(200))
        r.job(t.port, teacher={"max_in_flight": 8})
        run = Terminal(r, "run", r.job_path, "--workers", "2")
        wait_until(lambda: (r.try_progress() or {}).get("samples_committed", 0) > 20 and len(
            r.query("select * from workers where state = 'joined'")) == 2)
        watch = Terminal(r, "status", r.run_dir, "--watch")
        lines = subprocess.Popen([retort, "status", r.run_dir, "--watch", "--json"],
                                 stdout=subprocess.PIPE, text=True, env=ENV)
        r.children.append(lines)
        stopped = subprocess.Popen([retort, "status", r.run_dir, "--watch"],
                                   stdout=subprocess.PIPE, text=True, env=ENV)
        r.children.append(stopped)
        # At once, in the middle of it.
        text = r.command("status", r.run_dir)
        assert text.returncode == 0 and not text.stderr, text
        assert re.search(r"^state +running since ", text.stdout), text.stdout
        assert re.search(r"^workers +2$", text.stdout, re.M), text.stdout
        p = check_json(json.loads(r.command("status", r.run_dir, "--json").stdout), 200)
        assert p["state"] == "running" and 20 < p["samples_committed"] < 400, p
        run.read(2.5)
        # A watcher goes when it is told to: one that has been at it for a while.
        out = ""
        while out.count("state ") < 2 and stopped.poll() is None:
            out += stopped.stdout.readline()
        stopped.send_signal(signal.SIGINT)
        out += stopped.communicate(timeout=120)[0]
        assert stopped.returncode == 0 and out.count("state ") >= 2, (stopped.returncode, out)
        shown = run.read(60)
        assert run.close() == 0, shown
        # The bar: drawn over itself, within the terminal, up to the last sample.
        bars = [b.rstrip("\r\n") for b in shown.split("\r\x1b[K")[1:]]
        assert len(bars) > 4 and all(b.startswith("[") for b in bars), bars
        assert all(len(b.splitlines()[0]) < 100 for b in bars), bars
        assert "100.0%  400/400 samples" in bars[-1], bars[-1]
        assert "done: 200 of 200 prompts done" in shown, shown
        frames = watch.read(60).split("\x1b[H\x1b[J")
        assert watch.close() == 0 and frames[0] == "" and len(frames) >= 4, frames
        counts = [int(re.search(r"samples +(\d+) of 400", f).group(1)) for f in frames[1:]]
        assert counts == sorted(counts) and counts[0] < counts[-1] == 400, counts
        assert re.match(r"state +done", frames[-1]), frames[-1]
        out, _ = lines.communicate(timeout=120)
        told = [check_json(json.loads(line), 200) for line in out.splitlines()]
        assert lines.returncode == 0 and len(told) >= 3 and told[-1]["state"] == "done"
        assert [p["samples_committed"] for p in told] == sorted(
            p["samples_committed"] for p in told)
        # And after it: the same, at once, also with --watch.
        after = r.command("status", r.run_dir, "--watch", timeout=120)
        assert after.returncode == 0 and "200 of 200 done" in after.stdout, after
        p = check_json(json.loads(r.command("status", r.run_dir, "--json").stdout), 200)
        assert p == r.progress(), p
        r.check_sanitizers()
        print("  %d frames on a terminal, %d lines of JSON, %d bars" % (
            len(frames) - 1, len(told), len(bars)))


def a_killed_run_is_not_watched_for_ever(retort):
    with Server(retort, "--latency-ms", "300") as t, Rig(retort) as r:
        r.corpus(problems(200))
        r.job(t.port, teacher={"max_in_flight": 2})
        run = r.start()
        wait_until(lambda: (r.try_progress() or {}).get("samples_committed", 0) > 0)
        assert "at work" not in r.command("status", r.run_dir).stdout
        watch = subprocess.Popen([retort, "status", r.run_dir, "--watch", "--json"],
                                 stdout=subprocess.PIPE, text=True, env=ENV)
        r.children.append(watch)
        coordinator = child_in_role(run, "coordinator")
        kill(run.pid)
        kill(coordinator)
        watch.communicate(timeout=120)
        assert watch.returncode == 0 and r.progress()["state"] == "running"
        told = r.command("status", r.run_dir, "--watch", timeout=120)
        assert told.returncode == 0 and "at work     no, " in told.stdout, told


# ---- what must not be seen -----------------------------------------------------------

KEY = "sk-canary-7f3a9d51e8c24b60"
HEADER_KEY = "canary-header-90b1c4d7"


def big_mouthed(request, handler):
    """Repeats what it was asked, and by whom, in every place that a server has."""
    asked = request["messages"][-1]["content"]
    echo = "%s you said %s and your key is %s" % (
        handler.headers["Authorization"], asked, handler.headers["X-Team-Key"])
    kind, head = int(re.search(r"question (\d+)", asked).group(1)) % 12, {}
    if kind == 1:
        return 400, {"error": {"message": echo, "type": echo, "code": echo}}, head
    if kind == 2:
        return 422, {"object": "error", "message": echo, "code": 422}, head
    if kind == 3:
        return 413, echo.encode(), head
    if kind == 4:
        return 200, {"error": {"message": echo, "code": echo}}, head
    if kind == 5:
        return 200, ("no JSON, but no key either: " + asked).encode(), head
    if kind == 6:
        return 200, chat_answer("fine", model=echo), head
    if kind == 7:
        return 200, chat_answer(echo), head
    if kind == 8:
        return 200, chat_answer("fine", id=echo), {"X-Request-Id": echo[:200]}
    if kind == 9:
        answer = chat_answer("answer to " + asked)
        answer["choices"][0]["finish_reason"] = echo
        return 200, answer, head
    if kind == 10:
        return 302, b"", {"Location": "http://127.0.0.1:1/" + echo.replace(" ", "/")}
    if kind == 11:
        return 404, {"error": {"message": echo}}, head
    return 200, chat_answer("The answer to this is 42, is it not? " + asked), head


def find_in_files(folder, needles, but=()):
    """(file, needle) wherever one is found."""
    found = []
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            if os.path.relpath(path, folder).startswith(but) or not os.path.isfile(path):
                continue
            with open(path, "rb") as f:
                content = f.read()
            found += [(path, x, content[max(0, content.find(x) - 200):][:400])
                      for x in needles if x in content]
    return found


def raw_bodies(r):
    """The unreadable answers that were kept."""
    try:
        import format_reader
    except SystemExit as missing:
        print("SKIPPED: the bodies that were kept are not looked at: %s" % missing)
        return []
    dataset = format_reader.Dataset(os.path.join(r.run_dir, "dataset"))
    bodies = [dataset.unpack(format_reader.open_seal(key, value)).decode("utf-8", "replace")
              for key, value in dataset.items("raw")]
    dataset.close()
    assert bodies and any("no key either" in b for b in bodies), bodies
    return bodies


def texts_and_keys_are_not_seen(retort):
    """Neither what is asked, nor what is answered, nor with which key."""
    ENV["TEST_TEACHER_KEY"] = KEY
    words = ["narwhal-%d-quokka" % i for i in range(60)]
    with OwnTeacher(big_mouthed) as t, Rig(retort) as r:
        lines = [json.dumps({"id": "p%d" % i, "question": "question %d about %s" % (i, word),
                             "answer": "reference of " + word, "column": "extra " + word})
                 for i, word in enumerate(words)]
        # Lines that are rejected are text, too.
        lines += ['{"question": "broken %s' % words[0], '["%s"]' % words[1],
                  '{"id": "none", "no_prompt_here": "%s"}' % words[2],
                  '{"question": "a", "question": "twice %s"}' % words[3], lines[4]]
        r.write("prompts.jsonl", lines[0] + "\n")
        r.job(t.port, logits={"top_logprobs": 0}, retry={"attempts": 2},
              sampling={"n": 1, "max_tokens": 64},
              teacher={"api_key_env": "TEST_TEACHER_KEY",
                       "extra_headers": {"X-Team-Key": HEADER_KEY}})
        out = r.run()  # the endpoint has answered: what comes now is not its end
        r.write("prompts.jsonl", "".join(line + "\n" for line in lines))
        out += r.run(workers=2, expect=3)
        p = r.progress()
        assert (p["prompts_done"], p["prompts_failed"]) == (5, 55), p
        assert len(r.query("select * from rejects")) == 5
        reasons = {x["reason"] for x in r.query("select * from failures")}
        assert reasons >= {"bad_request", "prompt_too_long", "error_object", "bad_json",
                           "secret_echo", "unknown_finish_reason", "redirect",
                           "not_found"}, reasons
        out += r.command("status", r.run_dir).stdout
        out += r.command("status", r.run_dir, "--json").stdout
        out += r.command("check", r.job_path).stdout
        texts = [w.encode() for w in words] + [b"is it not?", b"answer to"]
        keys = [KEY.encode(), HEADER_KEY.encode()]
        seen = [x for x in texts + keys if x in out.encode()]
        assert not seen, (seen, out)
        # The dataset holds texts, and the corpus is named in the job; nothing else does.
        found = find_in_files(r.run_dir, texts, but=("dataset", "corpus"))
        assert not found, "%d places: %s" % (len(found), found[0])
        # A key is nowhere. (In job.json a header stands as in the job: 0640.)
        found = find_in_files(r.run_dir, keys, but=("job.json",))
        assert not found, "%d places: %s" % (len(found), found[0])
        found = find_in_files(r.run_dir, [KEY.encode()])
        assert not found, "%d places: %s" % (len(found), found[0])
        # The dataset is packed: what it says is looked at, too.
        rows = r.export()
        stored = json.dumps(rows) + "".join(raw_bodies(r))
        assert len(rows) == 5 and words[0] in stored and KEY not in stored, stored



if __name__ == "__main__":
    main(progress_is_read_every_second, views_agree_at_any_moment, status_shows_a_run,
         a_killed_run_is_not_watched_for_ever, texts_and_keys_are_not_seen)
