#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A few cheap questions show what an endpoint gives, before anything is paid for.

usage: probe.py RETORT [TEST...]

First by `retort check`; then by workers, whose requests are refused.
The built-in teacher in all its dialects, raw and after temperature, with a cap on its
candidates, without logprobs; and teachers of our own that do what it would not.
"""
import json
import math

from rig import OwnTeacher, Rig, Server, chat_answer, main, problems

CHEAP = 16  # tokens, of every question but the job's own


def check(retort, port, expect=0, **changes):
    """The endpoint as `check --json` tells it, and what it prints for people."""
    with Rig(retort) as r:
        r.corpus(problems(2))
        r.job(port, **changes)
        done = r.command("check", "--json", r.job_path)
        assert done.returncode == expect, done
        endpoint, = json.loads(done.stdout)["endpoints"]
        text = r.command("check", r.job_path)
        assert text.returncode == expect, text
        # The job's own question has no seed, and other words may have no whole bytes.
        told = endpoint["verdict"]["text"].split(" bytes")[0]
        assert "gives " + told in text.stdout or endpoint["reason"] != "none", text.stdout
        assert endpoint["ok"] == (expect == 0), endpoint
        assert (endpoint["problem"] in text.stdout) and \
            bool(endpoint["problem"]) == ("WRONG: " in text.stdout), text.stdout
        return endpoint


def every_dialect(retort):
    want = {"vllm": (True, True, "yes"), "openai": (False, False, "no"),
            "llamacpp": (True, False, "no"), "sglang": (False, False, "yes"),
            "ollama": (False, False, "no")}
    for dialect, (ids, prompt_ids, eos_row) in want.items():
        for mode, other in (("raw", "processed"), ("processed", "raw")):
            with Server(retort, "--dialect", dialect, "--logprobs", mode) as t, \
                    Rig(retort) as r:
                v = check(retort, t.port)["verdict"]
                assert (v["known"], v["largest_k"], v["gives"]) == (True, 5, 5), v
                assert (v["questions"], v["refused"]) == (2, 0), v
                assert (v["token_ids"], v["prompt_token_ids"]) == (ids, prompt_ids), v
                assert (v["eos_row"], v["logprobs_mode"]) == (eos_row, mode), v
                assert v["reasoning_field"] == (dialect != "openai"), v  # else tags
                assert not v["draft_tokens"], v
                # What the job declares must be so.
                check(retort, t.port, teacher={"logprobs_mode": mode})
                told = check(retort, t.port, 1, teacher={"logprobs_mode": other})
                assert 'set its logprobs_mode to "%s"' % mode in told["problem"], told
                # Two cheap questions and the job's own each time, twice a check.
                lines = r.teacher_ledger(t)
                assert len(lines) == 3 * 3 * 2, len(lines)
                short = [x for x in lines if x["completion_tokens"] <= CHEAP]
                assert len(short) == 2 * 3 * 2, lines


def the_largest_k(retort):
    for cap, wanted in ((7, 8), (5, 20), (20, 64), (0, 5), (1, 20), (63, 64), (64, 64)):
        with Server(retort, "--max-logprobs", str(cap)) as t, Rig(retort) as r:
            gives = min(cap, wanted)
            logits = {"top_logprobs": wanted}
            told = check(retort, t.port, 1 if cap < wanted else 0, logits=logits)
            v = told["verdict"]
            assert (v["known"], v["largest_k"], v["gives"]) == (True, gives, gives), v
            assert v["questions"] <= 10, v
            if 0 < cap < wanted:
                assert "gives %d at most: set it to %d, or" % (cap, cap) in told["problem"]
            if cap == 0:
                assert "gives none: set it to 0, or" in told["problem"], told
            # What was refused has cost nothing.
            paid = [x for x in r.teacher_ledger(t) if x["status"] == 200]
            refused = [x for x in r.teacher_ledger(t) if x["status"] == 400]
            assert len(refused) == 2 * v["refused"] and len(paid) > 0, v
            # A job that says so gets less, and that is what it is told.
            logits["required"] = False
            told = check(retort, t.port, logits=logits)
            assert not told["problem"] and told["candidates"] == [gives, gives], told


def no_logprobs_wanted(retort):
    with Server(retort) as t, Rig(retort) as r:
        v = check(retort, t.port, logits={"top_logprobs": 0})["verdict"]
        assert v["questions"] == 0 and len(r.teacher_ledger(t)) == 2, v


def draft_tokens(retort):
    with Server(retort, "--faults", "logprobs-drafted=1") as t:
        assert check(retort, t.port)["verdict"]["draft_tokens"]


def row(k, temperature):
    """One of 50 words, each half as likely as the one before."""
    ln = [-i * math.log(2) * temperature - 1 for i in range(50)]
    all_ = math.log(sum(math.exp(x) for x in ln))
    return {"token": "w0", "logprob": ln[0] - all_, "bytes": [119, 48], "top_logprobs": [
        {"token": "w%d" % i, "logprob": ln[i] - all_, "bytes": list(b"w%d" % i)}
        for i in range(k)]}


def own(k_of, scale=lambda t: 1, refuse=lambda request: None):
    """A teacher that says "w0"; and the requests that it got."""
    got = []

    def answer(request, handler):
        got.append(request)
        why = refuse(request)
        if why:
            return why, {"error": {"message": "no", "type": "x", "code": why}}, {}
        said = chat_answer("w0", usage={"prompt_tokens": 9, "completion_tokens": 1,
                                        "total_tokens": 10})
        k = k_of(request.get("top_logprobs", 0))
        if k > 0:
            said["choices"][0]["logprobs"] = {
                "content": [row(k, scale(request.get("temperature")))]}
        return 200, said, {}
    return got, answer


def teachers_of_our_own(retort):
    # Accepts any k, and gives no more than 3 candidates.
    got, answer = own(lambda k: min(k, 3))
    with OwnTeacher(answer) as t:
        told = check(retort, t.port, 1)
        assert told["verdict"]["largest_k"] == 5 and told["verdict"]["gives"] == 3, told
        assert "gives 3 at most" in told["problem"], told
        first, second, last = got[:3]
        assert (first["temperature"], second["temperature"], last["temperature"]) == (1, 2, 0.7)
        assert first["max_completion_tokens"] == second["max_completion_tokens"] == CHEAP
        assert last["max_completion_tokens"] == 1024 and "seed" in first
        assert first["messages"] == second["messages"] != last["messages"], got
        # It declares that to be all right.
        check(retort, t.port, logits={"required": False})
    # Accepts it, and has none.
    got, answer = own(lambda k: 0)
    with OwnTeacher(answer) as t:
        assert "gives none" in check(retort, t.port, 1)["problem"]
    # Half of it depends on the temperature: neither raw nor processed.
    got, answer = own(lambda k: k, scale=lambda t: 0.75 if t == 2 else 1)
    with OwnTeacher(answer) as t:
        for mode in ("raw", "processed"):
            told = check(retort, t.port, teacher={"logprobs_mode": mode})
            assert told["verdict"]["logprobs_mode"] == "unknown", told
    # A job without a temperature sends none: such servers refuse to be told one.
    got, answer = own(lambda k: k, refuse=lambda r: 400 if "temperature" in r else None)
    with OwnTeacher(answer) as t:
        told = check(retort, t.port, sampling={"temperature": None})
        assert told["verdict"]["largest_k"] == 5 and told["verdict"]["questions"] == 1, told
    # Refuses everything: that says nothing about k, and check says what it is.
    got, answer = own(lambda k: k, refuse=lambda r: 400)
    with OwnTeacher(answer) as t:
        told = check(retort, t.port, 1)
        assert (told["verdict"]["known"], told["reason"], told["problem"]) == (
            False, "bad_request", ""), told
    # Limits our rate: one question, and the job's own to tell why.
    got, answer = own(lambda k: k, refuse=lambda r: 429)
    with OwnTeacher(answer) as t:
        told = check(retort, t.port, 1)
        assert told["reason"] == "rate_limited" and len(got) == 4, (told, got)


def ledger_of(r, t):
    """The teacher's lines: refused, of questions, of prompts."""
    lines = r.teacher_ledger(t)
    refused = [x for x in lines if x["status"] == 400]
    paid = [x for x in lines if x["status"] == 200]
    return (refused, [x for x in paid if x["completion_tokens"] <= CHEAP],
            [x for x in paid if x["completion_tokens"] > CHEAP])


def a_run_that_requires_more_is_not_begun(retort):
    """Nothing but refusals, and the cheap questions that found out why."""
    for cap in (7, 0):
        with Server(retort, "--max-logprobs", str(cap)) as t, Rig(retort) as r:
            r.corpus(problems(100))
            r.job(t.port, logits={"top_logprobs": 20})
            done = r.command("run", r.job_path, "--workers", "2")
            assert done.returncode == 1, done
            p = r.progress()
            assert p["state"] == "blocked" and p["samples_failed"] == 0, p
            assert p["samples_committed"] == 0, p
            endpoint, = r.query("select * from endpoints")
            assert (endpoint["state"], endpoint["last_reason"], endpoint["last_status"]) == (
                "refused", "bad_request", 400), endpoint
            _, questions, prompts = ledger_of(r, t)
            assert not prompts and len(questions) <= 2 * 5, (questions, prompts)
            log = r.worker_logs()
            what = "gives 7 at most: set it to 7" if cap else "gives none: set it to 0"
            assert what in log, log
            # With what it says the run goes on.
            r.job(t.port, logits={"top_logprobs": cap})
            r.run("--new-settings", workers=2)
            r.check_whole(100, 2)


def a_run_that_does_not_goes_on_with_less(retort):
    for cap in (7, 0):
        with Server(retort, "--max-logprobs", str(cap)) as t, Rig(retort) as r:
            r.corpus(problems(60))
            r.job(t.port, logits={"top_logprobs": 20, "required": False})
            r.run(workers=2)
            rows = r.check_whole(60, 2)
            r.check_against_teacher(rows, t)
            assert r.progress()["samples_failed"] == 0
            rows = r.export("--logits")
            for row in rows:
                assert ("logits_missing" in row["flags"]) == (cap == 0), row["flags"]
                assert cap == 0 or {len(x) for x in row["top_ids"]} == {cap}, row["top_ids"][:3]
            _, questions, prompts = ledger_of(r, t)
            assert len(prompts) == 120 and len(questions) <= 2 * 5, (questions, prompts)
            # Others' answers do not keep a new worker from finding out.
            r.corpus(problems(100))
            r.run(workers=1)
            r.check_whole(100, 2)
            assert r.progress()["samples_failed"] == 0
            assert "gives fewer candidates" in r.worker_logs()


def what_a_prompt_is_refused_for(retort):
    """Not for k: the prompts fail as they did, after one round of questions."""
    def refuse(request):
        return 400 if "bad" in request["messages"][-1]["content"] else None

    got, answer = own(lambda k: k, refuse=refuse)
    with OwnTeacher(answer) as t, Rig(retort) as r:
        r.corpus([{"id": "b%d" % i, "prompt": "bad %d" % i} for i in range(4)] +
                 [{"id": "g%d" % i, "prompt": "good %d" % i} for i in range(4)])
        r.job(t.port, teacher={"max_in_flight": 1}, sampling={"n": 1})
        r.run(expect=3)
        p = r.progress()
        assert (p["prompts_done"], p["prompts_failed"]) == (4, 4), p
        assert {x["reason"] for x in r.query("select * from failures")} == {"bad_request"}
        asked = [x["messages"][-1]["content"] for x in got]
        questions = [x for x in asked if not x.startswith(("bad", "good"))]
        assert len(questions) == 2, asked
        # What was asked before it was clear why is asked again, once.
        assert asked.count("bad 0") == 2 and asked.count("bad 3") == 1, asked
        assert all(asked.count("bad %d" % i) <= 2 for i in range(4)), asked


if __name__ == "__main__":
    main(every_dialect, the_largest_k, no_logprobs_wanted, draft_tokens, teachers_of_our_own,
         a_run_that_requires_more_is_not_begun, a_run_that_does_not_goes_on_with_less,
         what_a_prompt_is_refused_for)
