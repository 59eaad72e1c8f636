#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two-pass capture: one teacher samples, another scores the very tokens, one record.

usage: two_pass.py RETORT [TEST...]

What the sampling teacher lists (k = 20) and what the scoring one lists (k = 64) is held
against tests/teacher_twin.py, which shares no code with either. What is promised: no
sample is asked for twice because a scorer is down, slow or wrong, or because the store
was killed; every answer that was paid for is stored, and what lacks its scores says so.
"""
import collections
import json
import math
import os
import signal
import time

import fidelity
from fidelity import Check, Row, float32, near, same_list, same_tail
from raw_model import RawServer, completions
import raw_model
from rig import Restartable, Rig, Server, kill, kill_role, main, problems, wait_until

K, SCORED = fidelity.K, 64


class ScoredRow(Row):
    """As vLLM scores what it is given: the k most likely, and the token itself."""

    def __init__(self, twin_row, sampled_first):
        super().__init__(twin_row, sampled_first)
        self.top = twin_row.top(SCORED)

    def expect(self, x):
        row, weights = self.row, self.row.profile.weights
        rank = row.rank_of(x)
        ranks, ids = list(range(SCORED)), list(self.top)
        if rank >= SCORED:
            ranks, ids = ranks + [rank], ids + [x]
        return (row.profile.logprob(rank), ids, [row.profile.logprob(r) for r in ranks],
                (row.profile.total - sum(weights[r] for r in ranks)) / row.profile.total)


class ScoredCheck(Check):
    def rows(self, sample, prompt, rows, where):
        """Those of the other capture; ids of equally likely ones in any order."""
        state = prompt.start
        logprobs, tails = float32(sample["logprobs"]), float32(sample["tail_mass"])
        assert len(logprobs) == len(tails) == len(sample["token_ids"]), where
        for i, x in enumerate(sample["token_ids"]):
            if state not in rows:
                rows[state] = ScoredRow(prompt.row(state), True)
            row = rows[state]
            logprob, ids, values, tail = row.expect(x)
            place = "%s, row %d (id %d)" % (where, i, x)
            got = float32(sample["top_logprobs"][i])
            assert near(logprobs[i], logprob, self.error), (place, logprobs[i], logprob)
            assert sample["top_ids"][i] == ids, (place, sample["top_ids"][i], ids)
            assert same_list(got, values, self.error), (place, got, values)
            assert same_tail(tails[i], tail, self.error), (place, tails[i], tail)
            self.candidates += len(ids)
            self.outside += x not in row.top
            state = prompt.next(state, x, row.row)


def job(r, sampler, scorers, n=2, **changes):
    """`scorers`: servers, or members of the teachers."""
    teachers = [{"name": "t0", "url": "http://127.0.0.1:%d/v1" % sampler.port,
                 "model": "teacher", "logprobs_mode": "raw",
                 "max_in_flight": changes.pop("sampling_in_flight", 8),
                 "price": {"prompt_usd_per_mtok": 1, "completion_usd_per_mtok": 4}}]
    for i, scorer in enumerate(scorers):
        own = {"name": "s%d" % i, "model": "teacher", "api": "completions", "role": "score",
               "max_in_flight": 4, "logprobs_mode": "raw",
               "logits": {"top_logprobs": SCORED},
               "price": {"prompt_usd_per_mtok": 2, "completion_usd_per_mtok": 8}}
        own.update(scorer if isinstance(scorer, dict) else
                   {"url": "http://127.0.0.1:%d/v1" % scorer.port})
        teachers.append(own)
    for key in ("sampling", "logits"):
        changes.setdefault(key, {})
    changes["sampling"] = {"n": n, "temperature": 0.7, "max_tokens": 700, "seed": 11,
                           **changes["sampling"]}
    changes["logits"] = {"top_logprobs": K, "profile": "exact", **changes["logits"]}
    # What is counted here are samples and scores alone.
    changes.setdefault("probe", False)
    return r.job(sampler.port, teachers=teachers, **changes)


def vllm(retort, *options):
    return Server(retort, "--dialect", "vllm", "--max-logprobs", "100", *options)


def answered(server):
    """Answers to prompts of the corpus, all of which are longer than what an endpoint
    may be asked about itself."""
    return sum(x["status"] == 200 and x["prompt_tokens"] > 30 for x in server.lines())


def whole(r, prompts, n=2):
    """Every sample once, with both captures."""
    rows = r.check_whole(prompts, n)
    for row in rows:
        assert "logits_missing" not in row["flags"], row["flags"]
        (scored,) = row["provenance"]["scored"]
        assert scored["capture"] == 1 and scored["missing"] is None, scored
    return rows


def both_captures_are_the_models(retort):
    with vllm(retort) as t, vllm(retort) as s, Rig(retort) as r:
        lines = problems(40)
        r.corpus(lines)
        job(r, t, [s])
        checked = r.command("check", r.job_path)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        # What checking asked is no part of the run.
        t_asked, s_asked = answered(t), answered(s)
        r.run(workers=2)
        whole(r, len(lines))
        assert answered(t) - t_asked == answered(s) - s_asked == 2 * len(lines)
        first, second = Check(0.7, 700), ScoredCheck(0.7, 700)
        rows, scored = r.export("--logits"), r.export("--logits", "--capture", "1")
        for a, b in zip(rows, scored):
            assert (a["capture"], b["capture"]) == (0, 1)
            assert a["token_ids"] == b["token_ids"] and a["logprobs"] == b["logprobs"]
            first.sample(a)
            second.sample(b)
        assert r.export("--logits", "--capture", "0") == rows
        assert r.export("--logits", "--capture", "2")[0]["top_ids"] is None
        money(r, rows)
        read_by_the_page(r, scored)
        trainers(r, scored)
        shown = r.command("show", r.run_dir, rows[0]["id"], "0", "--logits", "--capture", "1")
        assert "top 64" in shown.stdout and "capture 1" in shown.stdout, shown.stdout
        print("  %d tokens; %d candidates sampled, %d scored; %d sampled beyond the %d scored"
              % (first.tokens, first.candidates, second.candidates, second.outside, SCORED))


def money(r, rows):
    """Both asks are counted, everywhere."""
    usage = collections.Counter()
    cost = 0.0
    for row in rows:
        (scored,) = row["provenance"]["scored"]
        n = row["usage"]["prompt_tokens"] + row["usage"]["completion_tokens"]
        assert scored["prompt_tokens"] == n and scored["completion_tokens"] == 1, scored
        own = (2 * n + 8) / 1e6
        assert math.isclose(scored["cost_usd"], own, rel_tol=1e-9), (scored, own)
        usage["prompt"] += row["usage"]["prompt_tokens"] + n
        usage["completion"] += row["usage"]["completion_tokens"] + 1
        cost += row["provenance"]["cost_usd"] + own
    p = r.progress()
    # What a run's start asks an endpoint about itself is paid for, too.
    for e in r.query("select * from endpoints"):
        usage["prompt"] += e.get("questions_prompt_tokens", 0)
        usage["completion"] += e.get("questions_completion_tokens", 0)
        cost += e.get("questions_cost_usd", 0)
    assert (p["prompt_tokens"], p["completion_tokens"]) == (
        usage["prompt"], usage["completion"]), (p, usage)
    assert math.isclose(p["cost_usd"], cost, rel_tol=1e-9), (p, cost)
    spent = sum(e["cost_usd"] for e in r.query("select cost_usd from endpoints"))
    assert math.isclose(spent, cost, rel_tol=1e-6), (spent, cost)


def read_by_the_page(r, scored):
    """As a reader has it that was written from store/FORMAT.md alone."""
    try:
        import format_reader
    except SystemExit as missing:
        print("SKIPPED: the stored captures are not looked at: %s" % missing)
        return
    dataset = format_reader.Dataset(os.path.join(r.run_dir, "dataset"))
    for sample, want in zip(dataset.samples(), scored):
        got = format_reader.as_json(sample, True, 1)
        own, other = sample.logits(0), sample.logits(1)
        assert (got["id"], got["sample"]) == (want["id"], want["sample"])
        for key in ("token_ids", "top_ids", "capture", "flags", "logprobs_mode"):
            assert got[key] == want[key], (key, got[key], want[key])
        assert got["provenance"]["scored"] == want["provenance"]["scored"]
        for a, b in zip(got["top_logprobs"], want["top_logprobs"]):
            assert float32(a) == float32(b)
        assert (own.n_bytes, own.ids) == (other.n_bytes, other.ids)
        # Settings 0; teacher 0, and teacher 1, who scored.
        assert (own.vocabulary, other.vocabulary, other.k_asked) == (0, 2, SCORED)
    dataset.close()


def trainers(r, scored):
    out = r.path("rows")
    done = r.command("export", r.run_dir, "--format", "distillkit", "-o", out, "--capture", "1")
    assert done.returncode == 0, done.stderr
    with open(os.path.join(out, "manifest.json")) as f:
        rows = json.load(f)["rows"]
    assert rows["k"] == SCORED and rows["captures"] == [1], rows
    assert rows["distributions"] == sum(len(x["token_ids"]) for x in scored), rows


def nothing_is_paid_for_before_it_can_be_scored(retort):
    """A scorer that is down at the start is waited for; one that cannot score, a
    sampler that tells no ids, end the run: all without one paid request."""
    with vllm(retort) as t, Restartable(retort, "--dialect", "vllm", "--max-logprobs",
                                        "100") as s, Rig(retort) as r:
        r.corpus(problems(6))
        job(r, t, [s])
        s.kill()
        child = r.start()
        wait_until(lambda: any(e["state"] == "held" for e in r.query(
            "select state from endpoints where teacher = 's0'")) if r.try_progress() else False)
        assert answered(t) == 0
        s.restart()
        assert child.wait(120) == 0
        whole(r, 6)
    for bad, dialects in (("its server (openai) cannot score", ("vllm", "openai")),
                          ("does not tell the token ids", ("openai", "vllm"))):
        with Server(retort, "--dialect", dialects[0]) as t, \
                Server(retort, "--dialect", dialects[1]) as s, Rig(retort) as r:
            r.corpus(problems(6))
            job(r, t, [s], logits={"top_logprobs": 5})
            out = r.run(expect=1)
            assert r.progress()["state"] == "blocked", out
            assert bad in r.worker_logs(), r.worker_logs()
            assert answered(t) == answered(s) == 0


def an_outage_of_the_scorer_costs_nothing_twice(retort):
    """While it refuses, few answers wait, and none is asked for again."""
    # What is to come must last for three outages, each noticed a little late.
    with vllm(retort) as t, Restartable(
            retort, "--dialect", "vllm", "--max-logprobs", "100", "--latency-ms",
            "250") as s, Rig(retort) as r:
        r.corpus(problems(60))
        job(r, t, [s])
        child = r.start()
        for down in ("503", "killed", "429"):
            at = (r.try_progress() or {"samples_committed": 0})["samples_committed"]
            wait_until(lambda: (r.try_progress() or {"samples_committed": 0})[
                "samples_committed"] >= at + 5)
            if down == "killed":
                s.kill()
            else:
                s.control(down=down)
            # So many wait that no more are asked for.
            wait_until(lambda: answered(t) - r.progress()["samples_committed"] > 4)
            if down != "killed":
                wait_until(lambda: s.control()["refused"] >= 2)
            # Those that may wait, and what was on its way at both ends; the ledger
            # hears a little later of what is stored.
            wait_until(lambda: t.control()["running"] == 0 and
                       answered(t) - r.progress()["samples_committed"] <= 4 + 8 + 4)
            if down == "killed":
                s.restart()
            else:
                s.control(down=None)
        assert child.wait(240) == 0
        rows = whole(r, 60)
        assert answered(t) == len(rows) == 120, answered(t)


def what_cannot_be_scored_is_stored_without(retort):
    """A scorer that fails for good on some answers: those are stored, flagged, with the
    reason; they have been asked for once, and scored by the other scorer."""
    # Slow enough for most of the answers to come after the faults are switched on.
    with vllm(retort, "--latency-ms", "500") as t, vllm(retort) as s, vllm(
            retort) as other, Rig(retort) as r:
        r.corpus(problems(40))
        job(r, t, [s, other], sampling_in_flight=4, retry={"attempts": 2})
        child = r.start(workers=2)
        wait_until(lambda: answered(t) >= 3)
        # Both attempts are cut for 3 of 10: none of them, or none of the scored or refused
        # ones, among so many is not to be expected in the life of this test.
        s.control(faults="status-422-json=0.15,cut-length=0.55")
        assert child.wait(240) == 0
        rows = r.check_whole(40, 2)
        assert answered(t) == 80
        why = collections.Counter()
        lists = r.export("--logits", "--capture", "1")
        others = r.export("--logits", "--capture", "2")
        for row, a, b in zip(rows, lists, others):
            one, two = row["provenance"]["scored"]
            assert two["missing"] is None and two["capture"] == 2, two
            assert ("logits_missing" in row["flags"]) == (one["missing"] is not None), row
            assert row["accepted"] == (not row["flags"] and row["finish_reason"] == "stop")
            assert (a["top_ids"] is None) == (one["missing"] is not None), a["id"]
            assert b["top_ids"] and (a["top_ids"] in (None, b["top_ids"])), b["id"]
            # What an answer that cannot be read has cost is told, too.
            assert one["attempts"] >= 1 and two["attempts"] == 1, (one, two)
            why[one["missing"]] += 1
        assert why["bad_request"] > 0 and why["body_cut"] > 0 and why[None] > 0, why
        assert {e["teacher"]: e["unscored"] for e in r.query("select * from endpoints")} == {
            "t0": 0, "s0": 80 - why[None], "s1": 0}
        assert "%d unscored" % (80 - why[None]) in r.command("status", r.run_dir).stdout
        print("  of 80 samples, scored or why not: %s" % dict(why))
        # Those may be asked for again, as a new revision.
        s.control(faults=None)
        done = r.command("retry", r.run_dir, "--where", "'logits_missing' in flags")
        assert done.returncode == 0, done.stderr
        r.run()
        for row in r.export():
            assert not any(x["missing"] for x in row["provenance"]["scored"]), row
        assert answered(t) == 80 + 80 - why[None]


def a_scorer_that_refuses_for_good_ends_the_run(retort):
    """Nobody goes on paying for what nobody will score; what was paid for is stored; and
    the run goes on when it is mended."""
    # Slower than the workers report: what is on its way then must be waited for.
    with vllm(retort, "--latency-ms", "1500") as t, vllm(retort) as s, Rig(retort) as r:
        r.corpus(problems(30))
        job(r, t, [s])
        child = r.start()
        wait_until(lambda: (r.try_progress() or {"samples_committed": 0})[
            "samples_committed"] >= 3)
        s.control(faults="status-401-json=1")
        assert child.wait(120) == 1
        p = r.progress()
        assert p["state"] == "blocked", p
        paid = answered(t)
        assert t.control()["gone"] == t.control()["running"] == 0, t.control()
        assert 0 < paid == p["samples_committed"] < 60, (paid, p)
        unscored = [x for x in r.export() if "logits_missing" in x["flags"]]
        assert unscored and {x["provenance"]["scored"][0]["missing"] for x in unscored} == {
            "unauthorized"}, unscored
        s.control(faults=None)
        r.run()
        rows = r.check_whole(30, 2)
        assert len(unscored) == sum("logits_missing" in x["flags"] for x in rows)
        assert answered(t) == 60, answered(t)


def kills_cost_what_was_in_flight(retort):
    """kill -9 of the store and of workers between the two asks."""
    with vllm(retort, "--latency-ms", "20") as t, vllm(retort, "--latency-ms", "500") as s, \
            Rig(retort) as r:
        r.corpus(problems(40))
        job(r, t, [s])
        child = r.start(workers=2)
        # The store goes: the workers keep what they have, and pay for nothing again.
        for _ in range(3):
            at = (r.try_progress() or {"samples_committed": 0})["samples_committed"]
            wait_until(lambda: s.control()["running"] > 1 and (r.try_progress() or {
                "samples_committed": 0})["samples_committed"] >= at + 3)
            assert kill_role(child, "store")
        wait_until(lambda: (r.try_progress() or {"samples_committed": 0})[
            "samples_committed"] >= 15)
        # Workers go: what they held is asked for again, and nothing else.
        kills = 0
        while kills < 3 and child.poll() is None:
            if s.control()["running"] > 2:
                kills += kill_role(child, "worker")
                was = answered(s)
                wait_until(lambda: answered(s) > was + 4 or child.poll() is not None)
            time.sleep(0.005)
        assert child.wait(240) == 0
        rows = whole(r, 40)
        r.check_against_teacher(rows, t)
        again = answered(t) - len(rows)
        # Of one worker: its part of what is in flight at both, and of what may wait.
        assert 0 < again <= kills * (8 + 4 + 4 + 1), (again, kills)
        first, second = Check(0.7, 700), ScoredCheck(0.7, 700)
        for a in r.export("--logits"):
            first.sample(a)
        for b in r.export("--logits", "--capture", "1"):
            second.sample(b)
        print("  %d kills of workers: %d of %d samples paid for again" % (
            kills, again, len(rows)))


def several_of_a_request_and_streams(retort):
    """However the samples come, each is scored by itself."""
    for how in ({"n_per_request": 4}, {"max_tokens": 5000}):
        with vllm(retort) as t, vllm(retort) as s, Rig(retort) as r:
            r.corpus(problems(4))
            job(r, t, [s], n=4, sampling=how)
            r.run()
            whole(r, 4, 4)
            assert answered(t) == 4 * (1 if "n_per_request" in how else 4), answered(t)
            second = ScoredCheck(0.7, how.get("max_tokens", 700))
            for row in r.export("--logits", "--capture", "1"):
                second.sample(row)


def a_killed_store_costs_nothing(retort):
    with vllm(retort) as t, vllm(retort, "--latency-ms", "400") as s, Rig(retort) as r:
        r.corpus(problems(40))
        job(r, t, [s])
        child = r.start()
        for role in ("store", "store", "coordinator", "store"):
            at = (r.try_progress() or {"samples_committed": 0})["samples_committed"]
            wait_until(lambda: s.control()["running"] > 1 and (r.try_progress() or {
                "samples_committed": 0})["samples_committed"] >= at + 3)
            assert kill_role(child, role)
        assert child.wait(240) == 0
        whole(r, 40)
        assert answered(t) == answered(s) == 80, (answered(t), answered(s))


def a_stop_leaves_nothing_behind(retort):
    """The first signal while the scorer is down: what waits is stored without its
    scores, and the next run goes on."""
    with vllm(retort) as t, vllm(retort, "--latency-ms", "400") as s, Rig(retort) as r:
        r.corpus(problems(20))
        job(r, t, [s])
        child = r.start()
        wait_until(lambda: (r.try_progress() or {"samples_committed": 0})[
            "samples_committed"] >= 3)
        s.control(down="503")
        # It has been asked, and has refused: what it had in hand is answered.
        wait_until(lambda: s.control()["refused"] > 0 and s.control()["running"] == 0)
        wait_until(lambda: answered(t) - r.progress()["samples_committed"] >= 4)
        child.send_signal(signal.SIGTERM)
        child.wait(120)
        assert r.progress()["samples_committed"] == answered(t), (r.progress(), answered(t))
        unscored = [x for x in r.export() if "logits_missing" in x["flags"]]
        assert unscored and {x["provenance"]["scored"][0]["missing"] for x in unscored} <= {
            "overloaded"}, unscored
        s.control(down=None)
        r.run()
        assert answered(t) == 40 and len(r.check_whole(20, 2)) == 40


def other_tokens_are_found_out(retort):
    """A scorer that scores something else, leaves a row out, or whose ids are those of
    another tokenizer: nothing of it is stored."""
    def shifted(request, answer):
        choice = answer["choices"][0]
        choice["prompt_token_ids"] = [7] + choice["prompt_token_ids"][1:-1] + [65]

    def shorter(request, answer):
        choice = answer["choices"][0]
        del choice["prompt_token_ids"][-1], choice["prompt_logprobs"][-1]

    def renamed(request, answer):
        for row in answer["choices"][0]["prompt_logprobs"][1:]:
            for i, entry in enumerate(row.values()):
                entry["decoded_token"] = "other%d" % i

    lines = [{"id": "i%d" % i, "input_ids": [256 + i, 65 + i, 66]} for i in range(6)]
    for wrong, flagged in ((None, 0), (shifted, 6), (shorter, 6), (renamed, 6)):
        def before(request):
            if not wrong:
                return None
            answer = completions(request)
            wrong(request, answer)
            return 200, answer

        with RawServer("/completion") as t, RawServer("/v1/completions", before) as s, \
                Rig(retort) as r:
            r.corpus(lines)
            job(r, t, [{"url": "http://127.0.0.1:%d/v1" % s.port, "model": "raw"}], n=1,
                sampling={"max_tokens": 24}, retry={"attempts": 1})
            with open(r.job_path, encoding="utf-8") as f:
                whole_job = json.load(f)
            whole_job["teachers"][0].update(api="llamacpp", model="raw",
                                            url="http://127.0.0.1:%d" % t.port)
            r.write("job.json", json.dumps(whole_job))
            r.run()
            rows = r.check_whole(6, 1)
            missing = [x["provenance"]["scored"][0]["missing"] for x in rows]
            asked = [x["prompt"] for x in t.asked if isinstance(x["prompt"], list)]
            assert sorted(asked) == sorted(x["input_ids"] for x in lines), asked
            for row, why in zip(r.export("--logits"), missing):
                told = [raw_model.bytes_of(x) for x in row["token_ids"]]
                # Halves of characters have no text that could differ.
                can_be_seen = wrong is not renamed or any(x.isascii() for x in told)
                assert why == ("bad_logprobs" if flagged and can_be_seen else None), (
                    wrong, why, told)
            assert missing.count(None) <= (2 if flagged else 6), missing
    assert raw_model.SIZE > 256


def every_protocol_scores(retort):
    """vLLM's completions, SGLang's and TRL's: each tells what the model thinks."""
    servers = (("completions", "/v1/completions", "/v1"), ("sglang", "/generate", ""),
               ("trl", "/get_sequence_logprobs/", ""))
    lines = [{"id": "i%d" % i, "input_ids": [256 + i, 65 + i, 66]} for i in range(6)]
    with RawServer("/completion") as t, RawServer(servers[0][1]) as a, \
            RawServer(servers[1][1]) as b, RawServer(servers[2][1]) as c, Rig(retort) as r:
        r.corpus(lines)
        job(r, t, [{"url": "http://127.0.0.1:%d%s" % (s.port, behind), "api": api, "model": "raw",
                    "logits": {"top_logprobs": 3 + i}}
                   for i, (s, (api, _, behind)) in enumerate(zip((a, b, c), servers))],
            n=1, sampling={"max_tokens": 24}, logits={"top_logprobs": 2})
        with open(r.job_path, encoding="utf-8") as f:
            whole_job = json.load(f)
        whole_job["teachers"][0].update(api="llamacpp", model="raw",
                                        url="http://127.0.0.1:%d" % t.port)
        r.write("job.json", json.dumps(whole_job))
        checked = r.command("check", r.job_path)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        r.run()
        for row in r.check_whole(6, 1):
            assert [x["missing"] for x in row["provenance"]["scored"]] == [None] * 3, row
        for capture, (api, _, _) in enumerate(servers, 1):
            k = 2 + capture
            for row in r.export("--logits", "--capture", str(capture)):
                ids = row["prompt_token_ids"]
                for i, token in enumerate(row["token_ids"]):
                    values = raw_model.logprobs(tuple(ids + row["token_ids"][:i]))
                    assert math.isclose(row["logprobs"][i], values[token],
                                        rel_tol=1e-6), (api, row)
                    listed = raw_model.top(values, k)
                    if token not in listed and api == "completions":
                        listed.append(token)
                    assert row["top_ids"][i] == listed, (api, row["top_ids"][i], listed)


def shares_are_the_samplers(retort):
    """Sample number modulo those that sample; a scorer in between counts for nothing."""
    with vllm(retort) as a, vllm(retort) as b, vllm(retort) as s, Rig(retort) as r:
        r.corpus(problems(8))
        made = job(r, a, [s], n=4)
        other = dict(made["teachers"][0], name="t1",
                     url="http://127.0.0.1:%d/v1" % b.port)
        made["teachers"] = [made["teachers"][0], made["teachers"][1], other]
        r.write("job.json", json.dumps(made))
        r.run()
        for row in whole(r, 8, 4):
            assert row["provenance"]["teacher"] == ("t0", "t1")[row["sample"] % 2], row
        assert (answered(a), answered(b), answered(s)) == (16, 16, 32)


def sampled_without_logprobs(retort):
    """The sampler is asked for none: the scored capture is what exports give."""
    with vllm(retort) as t, vllm(retort) as s, Rig(retort) as r:
        r.corpus(problems(6))
        job(r, t, [s], logits={"top_logprobs": 0})
        r.run()
        whole(r, 6)
        second = ScoredCheck(0.7, 700)
        second.text = lambda *_: None  # nobody has told the tokens' bytes
        for row in r.export("--logits"):
            assert row["capture"] == 1, row["capture"]
            second.sample(row)
        assert all(set(x["logprobs"]) == {None} for x in r.export("--logits", "--capture", "0"))


main(both_captures_are_the_models, nothing_is_paid_for_before_it_can_be_scored,
     an_outage_of_the_scorer_costs_nothing_twice, what_cannot_be_scored_is_stored_without,
     a_scorer_that_refuses_for_good_ends_the_run, kills_cost_what_was_in_flight,
     several_of_a_request_and_streams, a_killed_store_costs_nothing, a_stop_leaves_nothing_behind, other_tokens_are_found_out,
     every_protocol_scores, shares_are_the_samplers, sampled_without_logprobs)
