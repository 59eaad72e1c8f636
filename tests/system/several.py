# SPDX-License-Identifier: Apache-2.0
"""Several samples in one request: asked once for, paid once for, stored one by one."""
import collections
import threading

from rig import (OwnTeacher, Rig, Server, chat_answer, child_in_role, kill_role, main,
                 problems, wait_until)

PRICE = {"prompt_usd_per_mtok": 0.37, "completion_usd_per_mtok": 1.13,
         "cached_prompt_usd_per_mtok": 0.11}


def good_lines(r, server):
    return [x for x in r.teacher_ledger(server) if x["status"] == 200]


def check_sums(r, rows, lines):
    """What the dataset and the ledger count is what the teacher has counted."""
    for key in ("prompt_tokens", "completion_tokens"):
        told = sum(x[key] for x in lines)
        assert sum(x["usage"][key] for x in rows) == told, key
        # And what the questions at the start have cost.
        at_start, = r.query("select questions_%s n from endpoints" % key)
        assert r.progress()[key] == told + at_start["n"], (key, r.progress()[key], told)
    nano = sum(round(x["prompt_tokens"] * 370 + x["completion_tokens"] * 1130) for x in lines)
    assert sum(round(x["provenance"]["cost_usd"] * 1e9) for x in rows) == nano
    at_start, = r.query("select questions_cost_usd n from endpoints")
    assert round((r.progress()["cost_usd"] - at_start["n"]) * 1e9) == nano


def a_prompt_is_paid_once(retort):
    """6 samples, 4 a request: a request for 4 and one for 2, a prompt."""
    with Server(retort) as t, Rig(retort) as r:
        r.corpus(problems(40))
        r.job(t.port, teacher={"price": PRICE}, sampling={"n": 6, "n_per_request": 4})
        r.run(workers=2)
        rows = r.check_whole(40, 6)
        lines = good_lines(r, t)
        assert collections.Counter(x["n"] for x in lines) == {4: 40, 2: 40}, lines
        r.check_against_teacher(rows, t)
        check_sums(r, rows, lines)
        by_nonce = collections.defaultdict(list)
        for row in rows:
            by_nonce[row["provenance"]["request_id"]].append(row)
        for line in lines:
            group = by_nonce[line["nonce"]]
            group.sort(key=lambda x: x["provenance"]["choice"])
            assert len({x["id"] for x in group}) == 1, group
            assert [x["provenance"]["choice"] for x in group] == list(range(line["n"]))
            assert {x["provenance"]["seed"] for x in group} == {line["seed"]}
            assert [x["usage"]["completion_tokens"] for x in group] == [
                c["tokens"] for c in line["choices"]], (line, group)
            assert [x["usage"]["prompt_tokens"] for x in group] == \
                [line["prompt_tokens"]] + [0] * (line["n"] - 1)
        # Samples are numbered as they were asked for.
        first = [x for x in rows if x["sample"] == 0]
        assert all(x["provenance"]["choice"] == 0 for x in first)
        # And n may grow, and n_per_request change, as a run goes on.
        r.job(t.port, teacher={"price": PRICE}, sampling={"n": 9, "n_per_request": 3})
        r.run()
        rows = r.check_whole(40, 9)
        lines = good_lines(r, t)
        assert collections.Counter(x["n"] for x in lines) == {4: 40, 2: 40, 3: 40}
        check_sums(r, rows, lines)


def several(n, broken=(), order=None):
    """An answer with n choices, some of which cannot be read."""
    said = chat_answer("x", usage={"prompt_tokens": 9, "completion_tokens": 7,
                                   "total_tokens": 16})
    said["choices"] = [
        {"index": i, "finish_reason": None if i in broken else "stop",
         "message": {"role": "assistant", "content": "choice %d" % i}}
        for i in order or range(n)]
    return 200, said, {}


def what_is_missing_is_asked_for_again(retort):
    """Of four choices two cannot be read: the next request is for two."""
    got, lock = [], threading.Lock()

    def answer(request, handler):
        with lock:
            got.append(request)
            if len(got) == 1:
                return several(4, broken=(1, 2), order=(3, 1, 0, 2))
            return several(request.get("n", 1), order=(1, 0))

    with OwnTeacher(answer) as t, Rig(retort) as r:
        r.corpus([{"id": "a", "prompt": "2 + 2?"}])
        r.job(t.port, sampling={"n": 4, "n_per_request": 4}, logits={"top_logprobs": 0})
        r.run()
        rows = r.check_whole(1, 4)
        assert [x.get("n") for x in got] == [4, 2], got
        assert "stream" not in got[0]
        assert [(x["content"], x["provenance"]["choice"], x["provenance"]["attempts"])
                for x in rows] == [("choice 0", 0, 1), ("choice 0", 0, 2), ("choice 1", 1, 2),
                                   ("choice 3", 3, 1)], rows
        # By the bytes of the texts, which are equal: 2, 2, 2, 1; then 4, 3.
        assert [x["usage"]["completion_tokens"] for x in rows] == [2, 4, 3, 1], rows
        p = r.progress()
        assert (p["prompt_tokens"], p["completion_tokens"]) == (18, 14), p


def other_choices_than_asked_are_no_answer(retort):
    wrong = [several(3), several(5), several(4, order=(0, 1, 1, 2)),
             several(4, order=(0, 1, 2, 4))]
    got, lock = [], threading.Lock()

    def answer(request, handler):
        with lock:
            got.append(request)
            return wrong[len(got) - 1] if len(got) <= len(wrong) else several(4)

    with OwnTeacher(answer) as t, Rig(retort) as r:
        r.corpus([{"id": "a", "prompt": "2 + 2?"}])
        r.job(t.port, sampling={"n": 4, "n_per_request": 4}, logits={"top_logprobs": 0})
        r.run()
        rows = r.check_whole(1, 4)
        assert [x.get("n") for x in got] == [4] * 5, got
        assert [x["content"] for x in rows] == ["choice %d" % i for i in range(4)]
        assert {x["provenance"]["attempts"] for x in rows} == {5}
        p = r.progress()
        assert (p["prompt_tokens"], p["completion_tokens"]) == (45, 35), p


def servers_without_n_are_asked_for_each(retort):
    got = []

    def answer(request, handler):
        got.append(request)
        return several(1)

    with OwnTeacher(answer) as t, Rig(retort) as r:
        r.corpus([{"id": "a", "prompt": "2 + 2?"}])
        r.job(t.port, teacher={"server": "llamacpp"}, sampling={"n": 4, "n_per_request": 4},
              logits={"top_logprobs": 0})
        r.run()
        r.check_whole(1, 4)
        assert len(got) == 4 and not any("n" in x for x in got), got


def faults_cost_what_they_break(retort):
    """Every answer to a prompt's first question is bad in some way."""
    faults = ("cut-length", "choices-empty", "finish-null", "logprobs-positive", "text-ansi",
              "choices-more", "choices-fewer", "index-duplicate", "index-order", "usage-negative",
              "error-at-200", "utf8-invalid")  # index-order alone does no harm
    with Server(retort, "--faults", ",".join("%s=0.08" % x for x in faults),
                "--fault-attempts", "1") as t, Rig(retort) as r:
        r.corpus(problems(60))
        r.job(t.port, sampling={"n": 4, "n_per_request": 4})
        r.run(workers=2)
        rows = r.check_whole(60, 4)
        r.check_against_teacher(rows, t)
        assert r.progress()["requests_retried"] > 20, r.progress()
        seen = {x["fault"] for x in r.teacher_ledger(t)}
        assert len(seen & set(faults)) > 6, seen


def killed_workers_pay_again_for_what_was_in_flight(retort):
    """A worker dies with requests for several samples in flight: no sample is lost or
    stored twice."""
    def committed():
        return (r.try_progress() or {}).get("samples_committed", 0)

    with Server(retort, "--latency-ms", "400") as t, Rig(retort) as r:
        r.corpus(problems(60))
        r.job(t.port, teacher={"max_in_flight": 8}, sampling={"n": 6, "n_per_request": 4})
        child = r.start(workers=1)
        for _ in range(3):
            # Each worker is killed when it has stored something.
            at = committed()
            wait_until(lambda: committed() > at + 20)
            assert kill_role(child, "worker")
        assert child.wait(timeout=300) == 0, child.stdout.read()
        r.check_sanitizers()
        rows = r.check_whole(60, 6)
        r.check_against_teacher(rows, t)
        asked = sum(x["n"] for x in good_lines(r, t))
        assert asked <= 60 * 6 + 3 * 8 * 4, asked


main(a_prompt_is_paid_once, what_is_missing_is_asked_for_again,
     other_choices_than_asked_are_no_answer, servers_without_n_are_asked_for_each,
     faults_cost_what_they_break, killed_workers_pay_again_for_what_was_in_flight)
