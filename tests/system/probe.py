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

from rig import (QUESTION, QUESTION_TEXT, OwnTeacher, Rig, Server, chat_answer, children_of,
                 kill, kill_role, main, problems, role_of, wait_until)

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
                # Only vLLM's lists never lack the sampled token, and have room for it.
                crowded = dialect == "vllm"
                assert v["sampled_takes_a_place"] == crowded, v
                assert (v["ask"], v["refused"]) == (6 if crowded else 5, 0), v
                assert 2 <= v["questions"] <= 4 and (v["questions"] == 4) == crowded, v
                assert v["model"] == "teacher", v
                assert (v["token_ids"], v["prompt_token_ids"]) == (ids, prompt_ids), v
                assert (v["eos_row"], v["logprobs_mode"]) == (eos_row, mode), v
                assert v["reasoning_field"] == (dialect != "openai"), v  # else tags
                assert not v["draft_tokens"], v
                questions = v["questions"]
                # What the job declares must be so.
                check(retort, t.port, teacher={"logprobs_mode": mode})
                told = check(retort, t.port, 1, teacher={"logprobs_mode": other})
                assert 'set its logprobs_mode to "%s"' % mode in told["problem"], told
                # Cheap questions and the job's own each time, twice a check.
                lines = r.teacher_ledger(t, questions=True)
                assert len(lines) == (questions + 1) * 3 * 2, len(lines)
                short = [x for x in lines if x["digest"] == QUESTION]
                assert len(short) == questions * 3 * 2, lines
                assert all(x["completion_tokens"] <= CHEAP for x in short), short


def the_largest_k(retort):
    for cap, wanted in ((7, 8), (5, 20), (20, 64), (0, 5), (1, 20), (63, 64), (64, 64)):
        with Server(retort, "--max-logprobs", str(cap)) as t, Rig(retort) as r:
            gives = min(cap, wanted)
            logits = {"top_logprobs": wanted}
            told = check(retort, t.port, 1 if cap < wanted else 0, logits=logits)
            v = told["verdict"]
            assert (v["known"], v["largest_k"], v["gives"]) == (True, gives, gives), v
            assert v["questions"] <= 11, v
            if 0 < cap < wanted:
                assert "gives %d at most: set it to %d, or" % (cap, cap) in told["problem"]
            if cap == 0:
                assert "gives none: set it to 0, or" in told["problem"], told
            # What was refused has cost nothing.
            lines = r.teacher_ledger(t, questions=True)
            paid = [x for x in lines if x["status"] == 200]
            refused = [x for x in lines if x["status"] == 400]
            assert len(refused) == 2 * v["refused"] and len(paid) > 0, v
            # A job that says so gets less, and that is what it is told.
            logits["required"] = False
            told = check(retort, t.port, logits=logits)
            assert not told["problem"] and told["candidates"] == [gives, gives], told


def no_logprobs_wanted(retort):
    with Server(retort) as t, Rig(retort) as r:
        v = check(retort, t.port, logits={"top_logprobs": 0})["verdict"]
        assert v["questions"] == 1 and len(r.teacher_ledger(t)) == 2, v
        assert v["prompt_token_ids"] and v["reasoning_field"] and v["model"] == "teacher", v


def draft_tokens(retort):
    with Server(retort, "--faults", "logprobs-drafted=1") as t:
        told = check(retort, t.port, 1)
        assert told["verdict"]["draft_tokens"] and "speculatively" in told["problem"], told
        assert check(retort, t.port, logits={"required": False})["verdict"]["draft_tokens"]


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
        first, second, third, last = got[:4]
        assert [x["temperature"] for x in got[:4]] == [1, 2, 2, 0.7]
        assert [x["top_logprobs"] for x in got[:4]] == [5, 5, 1, 5]
        assert first["max_completion_tokens"] == second["max_completion_tokens"] == CHEAP
        assert last["max_completion_tokens"] == 1024 and "seed" in first
        assert first["messages"] == second["messages"] == third["messages"], got
        assert first["messages"] != last["messages"], got
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
        assert told["verdict"]["largest_k"] == 5 and told["verdict"]["questions"] == 2, told
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
    lines = r.teacher_ledger(t, questions=True)
    refused = [x for x in lines if x["status"] == 400]
    paid = [x for x in lines if x["status"] == 200]
    return (refused, [x for x in paid if x["digest"] == QUESTION],
            [x for x in paid if x["digest"] != QUESTION])


def a_run_that_requires_more_is_not_begun(retort):
    """Nothing but the cheap questions that found out why, and no prompt."""
    for cap in (7, 0):
        with Server(retort, "--max-logprobs", str(cap)) as t, Rig(retort) as r:
            r.corpus(problems(100))
            r.job(t.port, logits={"top_logprobs": 20})
            out = r.run(workers=2, expect=1)
            p = r.progress()
            assert p["state"] == "blocked" and p["samples_failed"] == 0, p
            assert p["samples_committed"] == 0, p
            endpoint, = r.query("select * from endpoints")
            assert (endpoint["state"], endpoint["last_reason"]) == (
                "refused", "cannot_give"), endpoint
            gives = json.loads(endpoint["gives"])
            assert (gives["known"], gives["gives"], gives["wanted"]) == (True, cap, 20), gives
            refused, questions, prompts = ledger_of(r, t)
            assert not prompts and len(questions) <= 5, (questions, prompts)
            assert (len(refused), len(refused + questions)) == (
                gives["refused"], gives["questions"]), gives
            what = "gives 7 at most: set it to 7" if cap else "gives none: set it to 0"
            assert what in out and "127.0.0.1:%d" % t.port in out, out
            # With what it says the run goes on.
            r.job(t.port, logits={"top_logprobs": cap})
            r.run("--new-settings", workers=2)
            r.check_whole(100, 2)


def a_run_that_does_not_goes_on_with_less(retort):
    for cap in (7, 0):
        with Server(retort, "--max-logprobs", str(cap)) as t, Rig(retort) as r:
            r.corpus(problems(60))
            r.job(t.port, logits={"top_logprobs": 20, "required": False})
            out = r.run(workers=2)
            assert "gives fewer candidates" in out, out
            rows = r.check_whole(60, 2)
            r.check_against_teacher(rows, t)
            assert r.progress()["samples_failed"] == 0
            rows = r.export("--logits")
            for row in rows:
                assert ("logits_missing" in row["flags"]) == (cap == 0), row["flags"]
                assert cap == 0 or {len(x) for x in row["top_ids"]} == {cap}, row["top_ids"][:3]
            refused, questions, prompts = ledger_of(r, t)
            assert len(prompts) == 120 and len(questions) <= 5, (questions, prompts)
            # What it gives is known to those that go on.
            r.corpus(problems(100))
            r.run(workers=1)
            r.check_whole(100, 2)
            assert r.progress()["samples_failed"] == 0
            assert ledger_of(r, t)[0] == refused and ledger_of(r, t)[1] == questions


def asked_of(r, t):
    return [x for x in r.teacher_ledger(t, questions=True) if x["digest"] == QUESTION]


def asked_once_for_all_workers(retort):
    """By one of them, before the first prompt; counted, shown, and not again."""
    price = {"prompt_usd_per_mtok": 1, "completion_usd_per_mtok": 2}
    with Server(retort) as t, Rig(retort) as r:
        r.corpus(problems(120))
        r.job(t.port, teacher={"max_in_flight": 8, "price": price})
        r.run(workers=4)
        r.check_whole(120, 2)
        lines = r.teacher_ledger(t, questions=True)
        asked = asked_of(r, t)
        assert 2 <= len(asked) <= 4, asked
        assert [x["digest"] for x in lines[:len(asked)]] == [QUESTION] * len(asked), lines[:5]
        endpoint, = r.query("select * from endpoints")
        gives = json.loads(endpoint["gives"])
        assert gives["questions"] == len(asked) and gives["largest_k"] == 5, gives
        told = json.loads(r.command("status", r.run_dir, "--json").stdout)
        assert told["endpoints"][0]["gives"] == endpoint["gives"], told["endpoints"]
        assert "gives " + gives["text"] in r.command("status", r.run_dir).stdout
        # They are paid for as all else is.
        p, in_shards = r.progress(), r.query(
            "select sum(prompt_tokens) p, sum(completion_tokens) c, sum(cost_usd) usd"
            " from shards")[0]
        paid = [sum(x[key] for x in asked) for key in ("prompt_tokens", "completion_tokens")]
        assert p["prompt_tokens"] - in_shards["p"] == paid[0] > 0, (p, paid)
        assert p["completion_tokens"] - in_shards["c"] == paid[1] > 0, (p, paid)
        assert abs(p["cost_usd"] - in_shards["usd"] - (paid[0] + 2 * paid[1]) / 1e6) < 1e-9
        assert (endpoint["questions_prompt_tokens"],
                endpoint["questions_completion_tokens"]) == tuple(paid), endpoint
        assert abs(endpoint["questions_cost_usd"] - (paid[0] + 2 * paid[1]) / 1e6) < 1e-9
        # What is known is not asked again.
        r.corpus(problems(150))
        r.run(workers=4)
        r.check_whole(150, 2)
        assert asked_of(r, t) == asked
        assert len(r.query("select * from event where kind = 'verdict'")) == 1
        # Of new settings, it is.
        r.corpus(problems(180))
        r.job(t.port, logits={"top_logprobs": 3})
        r.run("--new-settings")
        assert len(asked_of(r, t)) > len(asked)


def asked_nothing_if_the_job_says_so(retort):
    with Server(retort) as t, Rig(retort) as r:
        r.corpus(problems(20))
        r.job(t.port, probe=False)
        r.run()
        assert not asked_of(r, t)
        assert r.query("select gives from endpoints") == [{"gives": None}]
        r.job(t.port, probe="no")
        done = r.command("run", r.job_path)
        assert done.returncode == 2 and "probe: must be true" in done.stderr, done


def several_endpoints(retort):
    """Each is asked by itself, and one that cannot does not end those that can."""
    with Server(retort) as a, Server(retort, "--max-logprobs", "2") as b, Rig(retort) as r:
        r.corpus(problems(60))
        r.job(a.port, teacher={"url": ["http://127.0.0.1:%d/v1" % x.port for x in (a, b)]})
        out = r.run(workers=2)
        r.check_whole(60, 2)
        assert "cannot give" in out, out
        good, bad = r.query("select * from endpoints")
        assert (good["state"], bad["state"]) == ("up", "refused"), (good, bad)
        assert json.loads(good["gives"])["largest_k"] == 5, good
        assert json.loads(bad["gives"])["largest_k"] == 2, bad
        assert not [x for x in r.teacher_ledger(b) if x["status"] == 200]


def a_worker_dies_while_it_asks(retort):
    """Another is named; nothing is lost, and nobody waits for the dead."""
    with Server(retort, "--latency-ms", "1500") as t, Rig(retort) as r:
        r.corpus(problems(20))
        r.job(t.port, sampling={"n": 1})
        child = r.start(workers=2)
        wait_until(lambda: t.control()["running"] > 0)

        def workers():
            return [x for x in children_of(child.pid)[1:] if role_of(x) == "worker"]
        wait_until(lambda: len(workers()) == 2)
        for pid in workers():
            kill(pid)
        out, _ = child.communicate(timeout=120)
        assert child.returncode == 0, out
        r.check_whole(20, 1)
        assert len(r.query("select * from event where kind = 'verdict'")) == 1
        assert len(r.teacher_ledger(t)) == 20


def the_coordinator_dies_while_it_is_asked(retort):
    with Server(retort, "--latency-ms", "1000") as t, Rig(retort) as r:
        r.corpus(problems(20))
        r.job(t.port, sampling={"n": 1})
        child = r.start(workers=2)
        wait_until(lambda: t.control()["running"] > 0)
        assert kill_role(child, "coordinator")
        out, _ = child.communicate(timeout=120)
        assert child.returncode == 0, out
        r.check_whole(20, 1)
        assert len(r.query("select * from event where kind = 'verdict'")) == 1
        assert len(r.teacher_ledger(t)) == 20
        # One round of questions, and at most one more.
        assert len(asked_of(r, t)) <= 8, asked_of(r, t)


def broken_answers_prove_nothing(retort):
    """What an endpoint gives is not judged by answers that cannot be read; what is down
    or limits our rate is waited for."""
    for status, times in ((503, 3), (429, 3), (500, 2), (200, 2), (500, 9), (200, 9)):
        asked = []

        def answer(request, handler):
            if request["messages"][-1]["content"] == QUESTION_TEXT:
                asked.append(request)
                if len(asked) <= times:
                    return status, b"{", {"Retry-After": "0"}
            said = chat_answer("w0", usage={"prompt_tokens": 9, "completion_tokens": 1,
                                            "total_tokens": 10})
            said["choices"][0]["logprobs"] = {
                "content": [row(request["top_logprobs"], 1)]}
            return 200, said, {}

        with OwnTeacher(answer) as t, Rig(retort) as r:
            r.corpus([{"id": "g%d" % i, "prompt": "good %d" % i} for i in range(8)])
            r.job(t.port, sampling={"n": 1}, probe=True)
            r.run()
            assert r.progress()["prompts_done"] == 8, r.progress()
            gives = json.loads(r.query("select gives from endpoints")[0]["gives"])
            assert gives["known"] == (times < 9), gives
            assert len(asked) >= 3, asked


def what_a_prompt_is_refused_for(retort):
    """Not for k: the prompts fail as they did, after one round of questions."""
    def refuse(request):
        return 400 if "bad" in request["messages"][-1]["content"] else None

    got, answer = own(lambda k: k, refuse=refuse)
    with OwnTeacher(answer) as t, Rig(retort) as r:
        r.corpus([{"id": "b%d" % i, "prompt": "bad %d" % i} for i in range(4)] +
                 [{"id": "g%d" % i, "prompt": "good %d" % i} for i in range(4)])
        r.job(t.port, teacher={"max_in_flight": 1}, sampling={"n": 1}, probe=False)
        r.run(expect=3)
        p = r.progress()
        assert (p["prompts_done"], p["prompts_failed"]) == (4, 4), p
        assert {x["reason"] for x in r.query("select * from failures")} == {"bad_request"}
        asked = [x["messages"][-1]["content"] for x in got]
        questions = [x for x in asked if not x.startswith(("bad", "good"))]
        assert len(questions) == 3, asked
        # What was asked before it was clear why is asked again, once.
        assert asked.count("bad 0") == 2 and asked.count("bad 3") == 1, asked
        assert all(asked.count("bad %d" % i) <= 2 for i in range(4)), asked


def gpt2_letters():
    """The letters that byte-level tokenizers write bytes as."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return {b: chr(b if b in plain else 256 + sum(x not in plain for x in range(b)))
            for b in range(256)}


def byte_tokenizer(shift=0):
    """A tokenizer.json whose ids are bytes, plus something."""
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    return json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": None, "pre_tokenizer": level, "post_processor": None, "decoder": level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "merges": [],
                  "vocab": {letter: (b + shift) % 256
                            for b, letter in gpt2_letters().items()}}})


def byte_teacher(shift=0, pieces=False):
    """One that tokenizes by bytes, likewise, and gives the prompt's ids."""
    def answer(request, handler):
        if not handler.path.endswith("/tokenize"):
            return 200, chat_answer("an answer", prompt_token_ids=[1, 2, 3]), {}
        assert handler.path == "/tokenize" and request["add_special_tokens"] is False
        ids = [(b + shift) % 256 for b in request["prompt"].encode()]
        tokens = [{"id": x} for x in ids] if pieces else ids
        return 200, {"count": len(ids), "max_model_len": 999, "tokens": tokens}, {}
    return answer


def tokenizers_are_compared(retort):
    """With the job's tokenizer.json, and between the endpoints of a teacher: ids of two
    vocabularies do not come under one name."""
    def run(r, expect=0):
        r.corpus([{"id": "g%d" % i, "prompt": "good %d" % i} for i in range(20)])
        out = r.run(expect=expect, workers=2)
        gives = [json.loads(x["gives"] or "{}").get("tokenizer")
                 for x in r.query("select gives from endpoints")]
        return out, gives, [x["detail"] for x in r.query(
            "select detail from event where kind = 'tokenizer_differs'")]

    def job(r, *teachers, **changes):
        changes = {"server": "vllm", "tokenizer": changes.pop("tokenizer", None),
                   "url": ["http://127.0.0.1:%d/v1" % t.port for t in teachers]}
        r.job(teachers[0].port, probe=True, logits={"top_logprobs": 0},
              sampling={"n": 1}, teacher=changes)

    with OwnTeacher(byte_teacher()) as a, OwnTeacher(byte_teacher(pieces=True)) as b, \
            OwnTeacher(byte_teacher(shift=1)) as c:
        # The same, however it is told.
        with Rig(retort) as r:
            r.write("tokenizer.json", byte_tokenizer())
            job(r, a, b, tokenizer="tokenizer.json")
            _, gives, events = run(r)
            assert gives[0] == gives[1] and len(gives[0]) == 16 and not events, (gives, events)
        # One of them is another, which gets no prompt.
        with Rig(retort) as r:
            job(r, a, c)
            out, gives, events = run(r)
            r.check_whole(20, 1)
            assert len(set(gives)) == 2 and len(events) == 1, (gives, events)
            assert "another tokenizer than" in out, out
            states = sorted(x["state"] for x in r.query("select state from endpoints"))
            assert states == ["refused", "up"], states
            assert len({x["provenance"]["endpoint"] for x in r.export()}) == 1
        # It is not the one that the job names; put right, the run goes on.
        with Rig(retort) as r:
            r.write("tokenizer.json", byte_tokenizer(shift=1))
            job(r, a, tokenizer="tokenizer.json")
            out, gives, events = run(r, expect=1)
            assert r.progress()["state"] == "blocked" and len(events) == 1, events
            assert "another tokenizer than teacher" in out, out
            out, _, events = run(r, expect=1)  # it is asked again, and says the same
            assert len(events) == 2, events
            job(r, c, tokenizer="tokenizer.json")
            run(r)
            r.check_whole(20, 1)


def without_questions_refusals_are_asked_about(retort):
    """The same, by each worker and only when it is refused, at no cost to its samples."""
    for required in (True, False):
        with Server(retort, "--max-logprobs", "7") as t, Rig(retort) as r:
            r.corpus(problems(60))
            r.job(t.port, logits={"top_logprobs": 20, "required": required}, probe=False)
            r.run(workers=2, expect=1 if required else 0)
            assert r.progress()["samples_failed"] == 0
            _, questions, prompts = ledger_of(r, t)
            assert len(questions) <= 2 * 6 and len(prompts) == (0 if required else 120)
            log = r.worker_logs()
            assert ("gives 7 at most" in log) == required, log
            if not required:
                r.check_whole(60, 2)


if __name__ == "__main__":
    main(every_dialect, the_largest_k, no_logprobs_wanted, draft_tokens, teachers_of_our_own,
         a_run_that_requires_more_is_not_begun, a_run_that_does_not_goes_on_with_less,
         asked_once_for_all_workers, asked_nothing_if_the_job_says_so, several_endpoints,
         a_worker_dies_while_it_asks, the_coordinator_dies_while_it_is_asked,
         broken_answers_prove_nothing, tokenizers_are_compared, what_a_prompt_is_refused_for,
         without_questions_refusals_are_asked_about)
