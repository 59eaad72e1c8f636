#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`retort retry`, `export`, `show`, `status` and `check`, as people use them on a run.

usage: retry_export.py RETORT [TEST...]

What is asked again, and under which revision; what an export holds, what its
manifest says of it, what becomes of what stood in its place, and what a killed
one leaves behind. Whatever is exported, the teacher is not asked for it.
"""
import collections
import hashlib
import itertools
import json
import os
import signal
import subprocess

from rig import (ENV, OwnTeacher, Rig, Server, can_trace, chat_answer, main, problems,
                 wait_until)

PRICE = {"prompt_usd_per_mtok": 1.0, "completion_usd_per_mtok": 10.0}
LICENCE = "CC-BY-4.0"
# LeakSanitizer cannot work in a process that is traced.
TRACED = dict(ENV, ASAN_OPTIONS="exitcode=99:detect_leaks=0")


def read(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def keys(rows):
    return [(x["prompt_no"], x["sample"]) for x in rows]


def eligible(r, n, *args):
    done = r.command("retry", r.run_dir, *args)
    assert (done.returncode, done.stdout, done.stderr) == (
        0, "%d samples are eligible again\n" % n, ""), done


def refused(r, code, *args):
    """The complaint of a command that is to fail, and to say nothing else."""
    done = r.command(*args)
    assert done.returncode == code and not done.stdout, (args, done)
    return done.stderr


# ---- retry ---------------------------------------------------------------------------

def retry_by_reason_and_all(retort):
    with Server(retort) as t, Rig(retort) as r:
        rows = problems(12)
        r.corpus(rows[:4])
        r.job(t.port, retry={"attempts": 2})
        r.run()
        for upto, fault in ((8, "content-empty"), (12, "error-at-200")):
            t.control(faults=fault + "=1")
            r.corpus(rows[:upto])
            r.run(expect=3)
        failed = collections.Counter(x["reason"] for x in r.query("select * from failures"))
        assert failed == {"empty": 8, "error_object": 8}, failed
        t.control(faults=None)
        asked = len(r.teacher_ledger(t))
        eligible(r, 8, "--reason", "empty")
        eligible(r, 0, "--reason", "empty")  # they are already
        eligible(r, 0, "--reason", "timeout")
        # Nothing is asked before the run goes on; then what was chosen, once.
        assert len(r.teacher_ledger(t)) == asked
        r.run(expect=3)
        assert len(r.teacher_ledger(t)) == asked + 8
        p = r.progress()
        assert (p["prompts_done"], p["prompts_failed"], p["samples_failed"]) == (8, 4, 8), p
        assert {x["revision"] for x in r.export("--where", "prompt_no in (4, 5, 6, 7)")} == {1}
        eligible(r, 8)
        eligible(r, 0)
        r.run()
        got = r.check_whole(12, 2)
        assert [x["revision"] for x in got] == [0] * 8 + [1] * 16
        assert len(r.teacher_ledger(t)) == asked + 16
        assert r.query("select * from failures") == []
        # Run again: nothing is left of it.
        r.run()
        assert len(r.teacher_ledger(t)) == asked + 16


def retry_one_prompt(retort):
    with Server(retort) as t, Rig(retort) as r:
        rows = problems(8)
        r.corpus(rows)
        r.job(t.port, retry={"attempts": 1})
        r.run()
        before = r.export()
        chosen = "id == '%s'" % rows[5]["id"]
        eligible(r, 0, "--where", "id == 'nobody'")
        eligible(r, 2, "--where", chosen)
        eligible(r, 0, "--where", chosen)
        # Until there is a new answer, the old one is the sample.
        assert r.export() == before
        t.control(faults="content-empty=1")
        r.run()
        assert r.export() == before and r.progress()["prompts_failed"] == 0
        failures = r.query("select prompt_no, sample, revision, reason from failures")
        assert sorted((x["prompt_no"], x["sample"], x["revision"], x["reason"])
                      for x in failures) == [(5, s, 1, "empty") for s in (0, 1)], failures
        t.control(faults=None)
        eligible(r, 2, "--reason", "empty")
        r.run()
        got = r.check_whole(8, 2)
        assert r.query("select * from failures") == []
        for was, now in zip(before, got):
            if now["prompt_no"] != 5:
                assert now == was
                continue
            # Another revision is another question: other seed, other request.
            assert now["revision"] == 2
            for key in ("seed", "request_id"):
                assert now["provenance"][key] != was["provenance"][key], (key, now)
        assert sum(x["status"] == 200 for x in r.teacher_ledger(t)) == 16 + 2 + 2


def retry_complains(retort):
    with Server(retort) as t, Rig(retort) as r:
        r.corpus(problems(2))
        r.job(t.port)
        assert "there is no run in" in refused(r, 1, "retry", r.run_dir)
        r.run()
        for args, words in (
                (["--reason", "emty"], '"emty" is not a reason'),
                (["--where", "id = 'x'"], "column 4: unknown sign '='"),
                (["--where", "idd == 'x'"], "column 1: unknown name 'idd'"),
                (["--where", "sample == 1", "--reason", "empty"], "give one of them"),
                (["--resaon", "empty"], "did you mean --reason?")):
            complaint = refused(r, 2, "retry", r.run_dir, *args)
            assert words in complaint, (args, complaint)
        assert r.query("select * from redo") == []


def retry_while_at_work(retort):
    """Samples that have failed already, while the others are still being asked."""
    sick = {"well": False}

    def teacher(request, _):
        text = request["messages"][-1]["content"]
        bad = text.startswith("bad") and not sick["well"]
        return 200, chat_answer("" if bad else "an answer to " + text), {}

    with OwnTeacher(teacher) as t, Rig(retort) as r:
        texts = ["%s %d" % ("bad" if i < 6 else "good", i) for i in range(400)]
        r.corpus([{"id": "p%d" % i, "prompt": x} for i, x in enumerate(texts)])
        r.job(t.port, logits={"top_logprobs": 0}, retry={"attempts": 1},
              teacher={"max_in_flight": 4, "limits": {"requests_per_minute": 6000}})
        child = r.start()
        wait_until(lambda: (r.try_progress() or {}).get("samples_failed", 0) == 12)
        sick["well"] = True
        eligible(r, 12)
        eligible(r, 0)
        assert child.poll() is None, "it was too fast to be retried while at work"
        out, _ = child.communicate(timeout=120)
        assert child.returncode == 0, out
        rows = r.check_whole(400, 2)
        assert [x["revision"] for x in rows] == [1] * 12 + [0] * 788
        assert all(x["content"] == "an answer to " + texts[x["prompt_no"]] for x in rows)
        told = r.query("select detail from event where kind = 'retry'")
        assert told == [{"detail": "12 samples"}], told


# ---- exports -------------------------------------------------------------------------

def exported(r, form, name, *args):
    """Exports; what the manifest says, checked against the files."""
    done = r.command("export", r.run_dir, "--format", form, "-o", r.path(name), "--json", *args)
    assert done.returncode == 0, done
    folder = r.path(name) if form == "lmdb" else r.dir
    path = r.path(name) + ("/manifest.json" if form == "lmdb" else ".manifest.json")
    with open(path, encoding="utf-8") as f:
        manifest = json.load(f)
    assert manifest == json.loads(done.stdout)
    named = {x["name"] for x in manifest["files"]}
    assert named == ({"data.mdb"} if form == "lmdb" else {name}), named
    if form == "lmdb":
        assert set(os.listdir(folder)) == named | {"manifest.json"}, os.listdir(folder)
    for x in manifest["files"]:
        with open(os.path.join(folder, x["name"]), "rb") as f:
            content = f.read()
        assert x["size"] == len(content), x
        assert x["blake2b_256"] == hashlib.blake2b(content, digest_size=32).hexdigest(), x
    return manifest


def check_manifest(manifest, job, rows, form, where=None):
    counts = manifest["counts"]
    assert manifest["format"] == form and manifest["where"] == where
    assert counts["samples"] == len(rows)
    assert counts["prompts"] == len({x["prompt_no"] for x in rows})
    assert counts["accepted"] == sum(x["accepted"] for x in rows)
    assert counts["duplicates"] == sum(x["duplicate_of"] is not None for x in rows)
    assert counts["finish_reason"] == collections.Counter(x["finish_reason"] for x in rows)
    assert counts["flags"] == collections.Counter(f for x in rows for f in x["flags"]), counts
    for key in ("prompt", "completion"):
        assert manifest["tokens"][key] == sum(x["usage"][key + "_tokens"] for x in rows), key
    cost = sum(x["provenance"]["cost_usd"] for x in rows)
    assert abs(manifest["cost_usd"] - cost) < 1e-9 and cost > 0, (manifest["cost_usd"], cost)
    assert manifest["teachers"] == [{"name": "t0", "model": "teacher", "license": LICENCE,
                                     "settings": 0, "samples": len(rows)}], manifest
    told = manifest["settings"][0]["job"]
    assert told["sampling"]["temperature"] == job["sampling"]["temperature"]
    assert told["teachers"][0]["model"] == "teacher"
    assert told["accept"] == manifest["accept"]


def exports_and_their_manifests(retort):
    with Server(retort, "--correct", "0.6", "--faults", "cut-length=0.1,finish-length=0.2") as t, \
            Rig(retort) as r:
        r.corpus(problems(30))
        job = r.job(t.port, teacher={"price": PRICE, "license": LICENCE},
                    sampling={"n": 3}, retry={"attempts": 20})
        r.run()
        asked = len(r.teacher_ledger(t))
        rows = r.export()
        assert len(rows) == 90 and 0 < sum(x["accepted"] for x in rows) < 90
        check_manifest(exported(r, "jsonl", "a.jsonl"), job, rows, "jsonl")
        assert read(r.path("a.jsonl")) == rows
        with_logits = exported(r, "jsonl", "l.jsonl", "--logits")
        assert with_logits["logits"] and all("top_ids" in x for x in read(r.path("l.jsonl")))
        check_manifest(exported(r, "openai-messages", "m.jsonl"), job, rows, "openai-messages")
        messages = read(r.path("m.jsonl"))
        assert len(messages) == len(rows)
        for m, row in zip(messages, rows):
            assert m["messages"][:-1] == row["prompt"], m
            assert m["messages"][-1]["content"] == row["content"], m
        check_manifest(exported(r, "lmdb", "s"), job, rows, "lmdb")
        done = r.command("verify", r.path("s"))
        assert done.returncode == 0, done
        # Under other filters: each as the filter reads, from the run and its copy.
        for where, wanted in (
                ("scores.answer >= 1", lambda x: x["scores"]["answer"] == 1),
                ("'truncated' in flags", lambda x: "truncated" in x["flags"]),
                ("accepted", lambda x: x["accepted"]),
                ("not accepted and sample in (0, 2)",
                 lambda x: not x["accepted"] and x["sample"] in (0, 2)),
                ("content contains 'boxed{1'", lambda x: "boxed{1" in (x["content"] or "")),
                ("extra.level in ('2', '3') or prompt_no < 3",
                 lambda x: x["extra"]["level"] in ("2", "3") or x["prompt_no"] < 3),
                ("reasoning is null", lambda x: x["reasoning"] is None)):
            want = [x for x in rows if wanted(x)]
            manifest = exported(r, "jsonl", "f.jsonl", "--where", where, "--force")
            assert keys(read(r.path("f.jsonl"))) == keys(want), where
            assert manifest["where"] == where and manifest["counts"]["samples"] == len(want)
            done = r.command("export", r.path("s"), "--format", "jsonl", "-o", "-", "--where",
                             where)
            assert [json.loads(x) for x in done.stdout.splitlines()] == want, where
        manifest = exported(r, "lmdb", "right", "--where", "scores.answer >= 1")
        right = [x for x in rows if x["scores"]["answer"] == 1]
        assert 0 < len(right) < 90
        check_manifest(manifest, job, right, "lmdb", "scores.answer >= 1")
        assert len(r.teacher_ledger(t)) == asked


def filters_that_are_wrong(retort):
    with Server(retort) as t, Rig(retort) as r:
        r.corpus(problems(2))
        r.job(t.port)
        r.run()
        for where, at, words in (
                ("finish_reson == 'stop'", 1, "did you mean 'finish_reason'"),
                ("sample == 0 and scores.anwser >= 1", 17, "did you mean 'scores.answer'"),
                ("sample = 0", 8, "did you mean '=='"),
                ("scores.answer >= 'a'", 18, "'a' is text"),
                ("sample == 0 and (", 18, "not the end"),
                ("'trunkated' in flags", 1, "truncated"),
                ("content == 'open", 12, "")):
            complaint = refused(r, 2, "export", r.run_dir, "--format", "jsonl", "-o",
                                r.path("x"), "--where", where)
            lines = complaint.splitlines()
            assert "column %d:" % at in lines[0] and words in lines[0], (where, complaint)
            # Shown below it, with the place under it.
            assert lines[1] == "  " + where and lines[2] == " " * (at + 1) + "^", complaint
        for args, words in ((["--format", "jsnol"], "did you mean 'jsonl'"),
                            (["--format", "lmdb", "--logits"], "--logits"),
                            (["--format", "lmdb", "--out", "-"], "a folder, not a stream")):
            args += [] if "--out" in args else ["-o", r.path("x")]
            assert words in refused(r, 2, "export", r.run_dir, *args), args
        assert not os.path.exists(r.path("x"))
        assert "nowhere" in refused(r, 1, "export", r.path("nowhere"), "--format", "jsonl",
                                    "-o", r.path("x"))


def what_is_there_is_not_overwritten(retort):
    with Server(retort) as t, Rig(retort) as r:
        r.corpus(problems(3))
        r.job(t.port)
        r.run()

        def export(form, name, *args):
            return r.command("export", r.run_dir, "--format", form, "-o", r.path(name), *args)

        for form, name in (("jsonl", "a.jsonl"), ("openai-messages", "m.jsonl"), ("lmdb", "s")):
            assert export(form, name).returncode == 0
            path = r.path(name if form != "lmdb" else "s/data.mdb")
            before = os.stat(path)
            done = export(form, name, "--where", "sample == 0")
            assert done.returncode == 1 and "--force replaces it" in done.stderr, done
            after = os.stat(path)
            assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
            exported(r, form, name, "--where", "sample == 0", "--force")
        assert len(read(r.path("a.jsonl"))) == 3
        # Not even with --force: what no export has made.
        os.mkdir(r.path("mine"))
        r.write("mine/thesis.tex", "years of work")
        os.symlink(r.path("mine/thesis.tex"), r.path("link"))
        for form, name in (("lmdb", "mine"), ("lmdb", "mine/thesis.tex"), ("jsonl", "mine"),
                           ("jsonl", "link"), ("jsonl", "no/such/folder"),
                           ("jsonl", "mine/thesis.tex"), ("jsonl", "job.run/job.json"),
                           ("jsonl", "job.run/ledger.sqlite"),
                           ("openai-messages", "job.run/dataset/data.mdb")):
            done = export(form, name, "--force")
            assert done.returncode == 1 and name in done.stderr, (form, name, done)
        with open(r.path("mine/thesis.tex")) as f:
            assert f.read() == "years of work"
        assert export("lmdb", "job.run", "--force").returncode == 1
        r.check_whole(3, 2)
        left = [x for x in os.listdir(r.dir) if x.endswith(".tmp")]
        assert not left, left


# Those that change files; the counts are of one call each.
CALLS = ("write", "pwrite64", "fsync", "fdatasync", "rename", "renameat2", "unlink", "unlinkat",
         "mkdir")


def kill_at(r, call, n, form, out):
    """Exports, and is killed when it makes its n-th such call; whether it was."""
    done = subprocess.run(
        ["strace", "-f", "-o", "/dev/null", "-e", "trace=" + call, "-e",
         "inject=%s:signal=KILL:when=%d" % (call, n), r.retort, "export", r.run_dir,
         "--format", form, "-o", out, "--force", "--where", "sample == 1"],
        capture_output=True, text=True, env=TRACED, timeout=60)
    assert done.returncode in (0, -signal.SIGKILL, 128 + signal.SIGKILL), done
    return done.returncode != 0


def whole_or_not_there(r, form, out, old):
    """What stands under the name: the old export, the new one, or nothing."""
    if not os.path.exists(out):
        return "nothing"
    if form == "lmdb":
        done = r.command("verify", out)
        assert done.returncode == 0, done
        path = os.path.join(out, "manifest.json")
        done = r.command("export", out, "--format", "jsonl", "-o", "-")
        rows = [json.loads(x) for x in done.stdout.splitlines()]
        named = os.path.join(out, "data.mdb")
    else:
        path, named, rows = out + ".manifest.json", out, read(out)
    assert keys(rows) in ([(i, s) for i in range(4) for s in (0, 1)],
                          [(i, 1) for i in range(4)]), keys(rows)
    is_old = len(rows) == 8
    assert old or not is_old
    # A manifest that is there is of this file. (A file is there before its manifest.)
    if form == "lmdb" or os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            told = json.load(f)
        with open(named, "rb") as f:
            digest = hashlib.blake2b(f.read(), digest_size=32).hexdigest()
        assert told["files"][0]["blake2b_256"] == digest, "the manifest is of another file"
        assert told["counts"]["samples"] == len(rows)
    return "old" if is_old else "new"


def killed_exports_leave_nothing_half(retort):
    if not can_trace():
        print("SKIPPED: killing exports at their calls needs strace, and the right to trace")
        return
    with Server(retort) as t, Rig(retort) as r:
        r.corpus(problems(4))
        r.job(t.port)
        r.run()
        kills, found = collections.Counter(), collections.Counter()
        for form, old, call in itertools.product(("jsonl", "lmdb"), (False, True), CALLS):
            for n in itertools.count(1):
                folder = r.path("%s-%d-%s-%d" % (form, old, call, n))
                os.mkdir(folder)
                out = os.path.join(folder, "out")
                if old:
                    done = r.command("export", r.run_dir, "--format", form, "-o", out)
                    assert done.returncode == 0, done
                if not kill_at(r, call, n, form, out):
                    break
                state = whole_or_not_there(r, form, out, old)
                assert state != "nothing" or not old, (form, call, n)
                kills[call] += 1
                found[state] += 1
                # What lies beside it says by its name what it is, and the next
                # export is not hindered by it.
                assert all(x.endswith(".tmp") or x in ("out", "out.manifest.json")
                           for x in os.listdir(folder)), os.listdir(folder)
                done = r.command("export", r.run_dir, "--format", form, "-o", out, "--force",
                                 "--where", "sample == 1")
                assert done.returncode == 0, done
                assert whole_or_not_there(r, form, out, old) == "new"
        assert min(kills[x] for x in ("write", "fsync", "rename", "unlink")) > 0, kills
        assert min(found[x] for x in ("nothing", "old", "new")) > 0, found
        r.verify()
        print("  killed at %s; under the name then: %s" % (dict(kills), dict(found)))


def exports_of_a_run_at_work(retort):
    # It takes 12 s: time for more than four exports on any machine.
    with Server(retort, "--latency-ms", "200") as t, Rig(retort) as r:
        r.corpus(problems(250))
        r.job(t.port, teacher={"max_in_flight": 8})
        child = r.start(workers=2)
        taken, last = [], 0
        while len(taken) < 12:
            def more():
                return child.poll() is not None or (
                    r.try_progress() or {}).get("samples_committed", 0) > last
            wait_until(more)
            if child.poll() is not None:
                break
            last = r.progress()["samples_committed"]
            form, name = ("jsonl", "lmdb")[len(taken) % 2], "hot%d" % len(taken)
            manifest = exported(r, form, name)
            # What was reported as committed is there, and every row of it whole.
            assert manifest["counts"]["samples"] >= last, (manifest["counts"], last)
            taken.append((form, name, manifest))
        at_work = child.poll() is None
        out, _ = child.communicate(timeout=120)
        assert child.returncode == 0, out
        assert len(taken) > 4, "the run was over after %d exports" % len(taken)
        final = r.check_whole(250, 2)
        by_key = dict(zip(keys(final), final))
        for form, name, manifest in taken:
            path = r.path(name)
            if form == "lmdb":
                assert r.command("verify", path).returncode == 0
                done = r.command("export", path, "--format", "jsonl", "-o", "-")
                rows = [json.loads(x) for x in done.stdout.splitlines()]
            else:
                rows = read(path)
            assert len(rows) == manifest["counts"]["samples"]
            then = {k: by_key[k] for k in keys(rows)}
            for key, row in zip(keys(rows), rows):
                # A later sample may turn out to be the one that this is a duplicate of.
                assert dict(row, duplicate_of=0, accepted=0) == dict(
                    then[key], duplicate_of=0, accepted=0), key
            # "sequence <= S" and "after S" are the whole, and nothing is in both.
            rest = r.export("--since", str(manifest["sequence"]), name="rest.jsonl")
            assert sorted(keys(rows) + keys(rest)) == keys(final), name
        print("  %d exports%s, of %d to %d samples" % (
            len(taken), ", all while it was at work" if at_work else "",
            taken[0][2]["counts"]["samples"], taken[-1][2]["counts"]["samples"]))


# ---- show, status, check -------------------------------------------------------------

def show_finds_a_sample(retort):
    with Server(retort) as t, Rig(retort) as r:
        rows = problems(6)
        rows[4]["id"] = "2"  # also the number of another prompt: the id comes first
        r.corpus(rows)
        r.job(t.port, sampling={"n": 3})
        r.run()
        got = r.export()

        def show(*args):
            done = r.command("show", r.run_dir, *args)
            assert done.returncode == 0 and not done.stderr, (args, done)
            return done.stdout

        assert json.loads(show(rows[1]["id"], "2", "--json")) == got[1 * 3 + 2]
        assert json.loads(show("1", "2", "--json")) == got[1 * 3 + 2]
        assert json.loads(show("1", "--json")) == got[3:6]
        assert json.loads(show("2", "0", "--json")) == got[4 * 3]
        text = show(rows[3]["id"], "0")
        for part in (got[9]["content"], got[9]["reasoning"], rows[3]["question"]):
            for line in filter(None, part.split("\n")):
                assert line in text, (line, text)
        assert len(show(rows[3]["id"]).splitlines()) >= 4
        assert "\x1b[" not in text and "\x1b[" in show("1", "0", "--logits", "--color", "always")
        logits = json.loads(show("0", "0", "--json", "--logits"))
        assert len(logits["token_ids"]) == len(logits["top_ids"])
        for args, code, words in ((["nobody"], 1, 'the id "nobody"'), (["77"], 1, '"77"'),
                                  (["1", "3"], 1, "prompt 1 has no sample 3"),
                                  (["1", "x"], 2, "SAMPLE is a number"),
                                  (["1", "--logits"], 2, "give SAMPLE too"),
                                  ([], 2, "usage")):
            assert words in refused(r, code, "show", r.run_dir, *args), args


def status_is_the_ledger_and_check_writes_nothing(retort):
    with Server(retort, "--latency-ms", "250") as t, Rig(retort) as r:
        r.corpus(problems(60) + [{"nothing": "here"}])
        r.job(t.port, teacher={"max_in_flight": 4, "price": PRICE})
        assert "there is no run in" in refused(r, 1, "status", r.run_dir, "--json")
        before = sorted(os.listdir(r.dir))
        done = r.command("check", r.job_path, "--json")
        assert done.returncode == 0, done
        told = json.loads(done.stdout)
        assert told["corpus"] == {"lines": 61, "prompts": 60, "rejected": {"no_prompt": 1}}
        assert told["plan"]["requests"] == 120 and told["plan"]["cost_usd"] > 0, told
        assert sorted(os.listdir(r.dir)) == before
        assert len(r.teacher_ledger(t)) == 1, "but for cheap questions, the job's own"
        child = r.start()
        wait_until(lambda: (r.try_progress() or {}).get("samples_committed", 0) > 20)
        told = json.loads(r.command("status", r.run_dir, "--json").stdout)
        assert told["progress"]["state"] == "running", told
        assert [w["state"] for w in told["workers"]] == ["joined"], told
        out, _ = child.communicate(timeout=120)
        assert child.returncode == 0, out
        told = json.loads(r.command("status", r.run_dir, "--json").stdout)
        assert told["progress"] == r.progress()
        assert told["endpoints"] == r.query("select * from endpoints")
        assert told["workers"] == [] and told["failures"] == {}
        assert told["rejects"] == {"no_prompt": 1}


if __name__ == "__main__":
    main(retry_by_reason_and_all, retry_one_prompt, retry_complains, retry_while_at_work,
         exports_and_their_manifests, filters_that_are_wrong, what_is_there_is_not_overwritten,
         killed_exports_leave_nothing_half, exports_of_a_run_at_work, show_finds_a_sample,
         status_is_the_ledger_and_check_writes_nothing)
