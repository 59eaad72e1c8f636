#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad jobs, bad corpora, bad endpoints: a clear message or a reject row each,
and the rest unharmed.

usage: bad_input.py RETORT [TEST...]
"""
import gzip
import json
import os
import socket
import stat
import subprocess

from rig import Rig, Server, main, problems


KEY = "a-key-that-must-not-leak"


def refused(r, *needles, code=2):
    done = r.command("run", r.job_path)
    assert done.returncode == code, done
    for needle in needles:
        assert needle in done.stderr, (needle, done.stderr)
    return done.stderr


def jobs_that_are_wrong(retort):
    with Rig(retort) as r:
        r.corpus(problems(3))
        job = r.job(1)

        def changed(**changes):
            r.write("job.json", json.dumps(dict(job, **changes), indent=1))

        changed(retires={"attempts": 3})
        refused(r, "job.json:", "retires: unknown key (did you mean 'retry'?)")
        changed(sampling={"n": "two"})
        refused(r, "sampling.n: must be an integer, not a text")
        changed(sampling={"n": 0})
        refused(r, "sampling.n: must be from 1 to 1024")
        changed(sampling={"n": 1, "n_per_request": 200})
        refused(r, "sampling.n_per_request: must be from 1 to 128")
        changed(sampling={"n": 2, "n_per_request": 2},
                teachers=[dict(job["teachers"][0], stream=True)])
        refused(r, "teachers[0].stream: several samples of one request do not come as a stream")
        changed(teachers=[dict(job["teachers"][0], api="anthropc")])
        refused(r, "teachers[0].api:", "is not a protocol of ours (did you mean 'anthropic'?)")
        changed(teachers=[dict(job["teachers"][0], api="sglang")], system="Be short.")
        refused(r, "job.json:", "system: teacher 't0' (api sglang) takes raw prompts")
        changed(teachers=[dict(job["teachers"][0], api="trl")])
        refused(r, "job.json:", "teachers[0].api: trl only scores what it is given")
        changed(teachers=[dict(job["teachers"][0], url="ftp://x")])
        refused(r, "teachers[0].url:", "must begin with http:// or https://")
        changed(teachers=[dict(job["teachers"][0], api_key_env="NO_SUCH_VARIABLE_X")])
        refused(r, "teachers[0].api_key_env: the environment variable NO_SUCH_VARIABLE_X")
        changed(corpus=["absent.jsonl"])
        refused(r, "corpus[0]: cannot read", "absent.jsonl", "No such file")
        changed(budget={"usd": 5})
        refused(r, "budget.usd: no teacher has a price")
        changed(accept="finish_reson == 'stop'")
        refused(r, "accept:", "did you mean 'finish_reason'")
        changed(template="{{question")
        refused(r, "template:", "{{")
        r.write("job.json", '{"name": "x",\n "corpus" ["p"]}')
        refused(r, "job.json:2:")
        r.write("job.json", '{"name": "x", "name": "y"}')
        refused(r, "duplicate")
        r.write("job.json", "[]")
        refused(r, "job.json:1:1: the job: must be an object")
        r.write("job.json", b"\xef\xbb\xbf" + json.dumps(dict(job, colour=1)).encode())
        refused(r, "colour: unknown key")
        os.unlink(r.job_path)
        refused(r, "job.json", "No such file", code=1)
        done = r.command("run", "--worker", "2", "x.json")
        assert done.returncode == 2 and "did you mean --workers?" in done.stderr, done
        done = r.command("rnu", "x.json")
        assert done.returncode == 2 and "did you mean 'run'?" in done.stderr, done
        done = r.command("store", "--dir", r.path("x"), "--listen", "tcp://*:0",
                         "--connect", "ipc://" + r.path("y"))
        assert done.returncode == 2 and "--advertise" in done.stderr, done
        done = r.command("status", r.path("nowhere"))
        assert done.returncode == 1 and "there is no run in" in done.stderr, done
        # The template names a column that no line has.
        r.write("job.json", json.dumps(dict(job, template="{{no_such_column}}")))
        done = r.command("run", r.job_path)
        assert done.returncode in (1, 2) and "has no prompt" in done.stderr, done
        assert {x["reason"] for x in r.query("select * from rejects")} == {"missing_column"}
        assert r.progress()["state"] == "stopped"
        # Nothing was asked: template and lines may be put right without a word.
        r.write("prompts.jsonl", "this is\nno corpus\n")
        assert "has no prompt" in refused(r)
        assert [x["reason"] for x in r.query("select * from rejects")] == ["bad_json"] * 2
        with Server(retort) as t:
            r.corpus(problems(3))
            r.job(t.port)
            r.run()
            rows = r.check_whole(3, 2)
            assert {x["prompt_no"] for x in rows} == {0, 1, 2}, rows
            assert {x["provenance"]["settings"] for x in rows} == {0}, rows
            assert not r.query("select * from rejects")


def an_endpoint_that_is_not_there(retort):
    with Rig(retort) as r:
        r.corpus(problems(3))
        r.job(1)  # nobody listens on port 1
        done = r.command("check", r.job_path)
        assert done.returncode == 1 and "FAILED: the connection was refused" in done.stdout, done
        done = r.command("run", r.job_path, "--unreachable-s", "2")
        assert done.returncode == 1, done
        assert "no endpoint has ever answered" in done.stderr, done
        assert "http://127.0.0.1:1/v1" in done.stderr and "connect" in done.stderr, done
        assert r.progress()["state"] == "blocked" and r.progress()["samples_failed"] == 0
        with Server(retort) as t:
            r.job(t.port)  # the url is free to change
            r.run()
            r.check_whole(3, 2)


def an_endpoint_that_refuses_the_key(retort):
    with Server(retort, "--api-key", KEY) as t, Rig(retort) as r:
        import rig
        rig.ENV["BAD_KEY"] = "wrong"
        r.corpus(problems(3))
        r.job(t.port, teacher={"api_key_env": "BAD_KEY"})
        done = r.command("check", r.job_path)
        assert done.returncode == 1 and "the key is not accepted" in done.stdout, done
        done = r.command("run", r.job_path)
        assert done.returncode == 1 and "the key is not accepted" in done.stderr, done
        rig.ENV["BAD_KEY"] = KEY
        r.run()
        r.check_whole(3, 2)
        # The key is nowhere in what the run left behind.
        for folder, _, files in os.walk(r.run_dir):
            for name in files:
                if not stat.S_ISREG(os.stat(os.path.join(folder, name)).st_mode):
                    continue
                with open(os.path.join(folder, name), "rb") as f:
                    assert KEY.encode() not in f.read(), name


def a_key_that_is_none(retort):
    import rig
    with Rig(retort) as r:
        r.corpus(problems(3))
        r.job(1, teacher={"api_key_env": "BAD_KEY"})
        rig.ENV["BAD_KEY"] = ""
        refused(r, "teachers[0].api_key_env:", "BAD_KEY", "is empty")
        rig.ENV["BAD_KEY"] = KEY + "\r\nX-Other: 1"
        assert KEY not in refused(r, "teachers[0].api_key_env:", "holds no key")
        r.job(1, teacher={"api_key_file": "key"})
        r.write("key", "")
        os.chmod(r.path("key"), 0o644)
        refused(r, "teachers[0].api_key_file:", "chmod 600")
        os.chmod(r.path("key"), 0o600)
        refused(r, "teachers[0].api_key_file:", "holds no key")
        with Server(retort, "--api-key", KEY) as t:
            r.write("key", KEY + "\n")
            r.job(t.port, teacher={"api_key_file": "key"})
            r.run()
            r.check_whole(3, 2)


def a_worker_without_the_key(retort):
    """On a cluster the key may be forgotten on some machine."""
    import rig
    rig.ENV.pop("BAD_KEY", None)
    with Server(retort, "--api-key", KEY) as t, Rig(retort) as r:
        r.corpus(problems(3))
        r.job(t.port, teacher={"api_key_env": "BAD_KEY"})
        coordinator, store, there = r.coordinator_and_store()
        done = r.command("worker", "--connect", there)
        assert done.returncode == 1, done
        assert "BAD_KEY" in done.stderr and "is not set" in done.stderr, done
        rig.ENV["BAD_KEY"] = KEY
        assert r.command("worker", "--connect", there).returncode == 0
        assert coordinator.wait(60) == 0 and store.wait(60) == 0
        r.check_whole(3, 2)


def lines_of_every_kind(retort):
    good = problems(6)
    lines = [
        b"\xef\xbb\xbf" + json.dumps(good[0]).encode() + b"\r\n",    # BOM, CRLF
        b"\n",                                                        # blank
        b'{"question": "broken\n',
        json.dumps(good[1]).encode() + b"\r\n",
        b'{"id": "bad-utf8", "question": "caf\xe9"}\n',
        b'["not", "an", "object"]\n',
        b'{"id": "no prompt", "level": 3}\n',
        b'{"id": "long", "question": "' + b"x" * 50_000_000 + b'"}\n',
        b'{"id": "twice", "id": "twice", "question": "1 + 1"}\n',
        json.dumps(good[2]).encode() + b"\n",
        json.dumps(dict(good[3], id=good[0]["id"])).encode() + b"\n",   # a known id
        b'{"id": "batch", "body": {"messages": []}}\n',
        json.dumps(good[4]).encode(),                                   # no last newline
    ]
    want = {3: "bad_json", 5: "bad_utf8", 6: "not_object", 7: "no_prompt", 8: "too_long",
            9: "duplicate_key", 11: "duplicate_id", 12: "bad_messages"}
    with Server(retort) as t, Rig(retort) as r:
        path = r.write("prompts.jsonl", b"".join(lines))
        r.job(t.port)
        r.run()
        rejects = {x["line"]: x for x in r.query("select * from rejects")}
        assert {k: v["reason"] for k, v in rejects.items()} == want, rejects
        assert (rejects[11]["first_file"], rejects[11]["first_line"]) == (path, 1)
        assert all(x["hint"] for x in rejects.values())
        rows = r.check_whole(4, 2)
        assert [x["id"] for x in rows[::2]] == [good[i]["id"] for i in (0, 1, 2, 4)]


def long_prompts_are_asked(retort):
    """The answer to one has the ids of all its tokens."""
    with Server(retort) as t, Rig(retort) as r:
        r.corpus([{"id": str(n), "question": "word " * n} for n in (10, 400_000, 1_500_000)])
        r.job(t.port, sampling={"n": 1, "max_tokens": 64}, logits={"top_logprobs": 0})
        r.run()
        rows = r.check_whole(3, 1)
        assert rows[2]["usage"]["prompt_tokens"] > 1_000_000, rows[2]["usage"]


def packed_corpora_are_read(retort):
    rows = problems(90)
    with Server(retort) as t, Rig(retort) as r:
        text = "".join(json.dumps(x) + "\n" for x in rows[:50]).encode()
        with gzip.open(r.path("a.jsonl.gz"), "wb") as f:
            f.write(text)
        r.corpus(rows[50:], name="b.jsonl")
        subprocess.run(["zstd", "-q", "--rm", r.path("b.jsonl")], check=True)
        r.job(t.port, corpus=["a.jsonl.gz", "b.jsonl.zst"], sampling={"n": 1})
        r.run()
        got = r.check_whole(90, 1)
        assert [x["id"] for x in got] == [x["id"] for x in rows]


def a_corpus_that_was_edited(retort):
    rows = problems(100)
    with Server(retort) as t, Rig(retort) as r:
        path = r.corpus(rows)
        r.job(t.port, sampling={"n": 1})
        r.run()
        edited = [dict(x) for x in rows]
        edited[41]["question"] += " Hurry!"
        r.corpus(edited)
        done = r.command("run", r.job_path)
        assert done.returncode == 2, done
        assert path + ":42" in done.stderr and "--reindex" in done.stderr, done
        r.corpus(rows[:99])
        done = r.command("run", r.job_path)
        assert done.returncode == 2, done
        # Restored: all is well.
        r.corpus(rows)
        r.run()
        assert len(r.teacher_ledger(t)) == 100
        # Reordered, one gone, one new: matched by id, only the new one is asked.
        changed = [problems(101)[100]] + rows[::-1][1:]
        r.corpus(changed)
        r.run("--reindex")
        p = r.progress()
        assert p["prompts_total"] == p["prompts_done"] == 100, p
        assert len(r.teacher_ledger(t)) == 101
        r.verify()


def nobody_at_the_address(retort):
    """A worker and a store whose coordinator is not there wait for it, and say so."""
    with Rig(retort) as r, socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        address = "tcp://127.0.0.1:%d" % bound.getsockname()[1]
        for command in (["worker"],
                        ["store", "--dir", r.path("alone"), "--listen", "tcp://127.0.0.1:*"]):
            with subprocess.Popen([retort] + command + ["--connect", address],
                                  stderr=subprocess.PIPE, text=True) as child:
                for line in child.stderr:
                    if "level=warn" in line:
                        break
                child.terminate()
                child.communicate(timeout=60)
            assert "nobody is there" in line and address in line, line


if __name__ == "__main__":
    main(jobs_that_are_wrong, an_endpoint_that_is_not_there, an_endpoint_that_refuses_the_key,
         a_key_that_is_none, a_worker_without_the_key, lines_of_every_kind,
         long_prompts_are_asked, packed_corpora_are_read, a_corpus_that_was_edited,
         nobody_at_the_address)
