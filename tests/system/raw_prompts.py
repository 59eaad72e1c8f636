#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Teachers that take one text or token ids: whole runs against a model that is known.

What is stored of every token - its id, its logprob, the candidates' ids and logprobs,
the tail - is held against tests/raw_model.py, to float32.
"""
import array
import json
import math

from rig import Rig, Server, main
import raw_model
from raw_model import EOS, RawServer

K = 8
API = {"completions": ("/v1/completions", "/v1"), "sglang": ("/generate", ""),
       "llamacpp": ("/completion", ""), "trl": ("/get_sequence_logprobs/", "")}
# Texts, and ids that no text would give.
LINES = [{"id": "t%d" % i, "prompt": "Café number %d: what is %d + %d?" % (i, i, 7 * i)}
         for i in range(12)]
LINES += [{"id": "i%d" % i, "input_ids": [EOS, 256 + i % 9, 65 + i, 200], "level": i}
          for i in range(8)]


def float32(x):
    return array.array("f", [x])[0]


def near(got, want, absolute=0.0):
    return abs(got - want) <= abs(want) * 2.0**-23 + absolute


def prompt_ids(sample):
    prompt = sample["prompt"]
    if isinstance(prompt, dict):
        return prompt["input_ids"]
    (message,) = prompt
    assert message["role"] == "user"
    return raw_model.ids_of(message["content"])


def check(sample, api):
    """How many tokens the sample has, and how many of them were not listed."""
    ids, new, outside = prompt_ids(sample), sample["token_ids"], 0
    assert len(new) == len(sample["logprobs"]) == len(sample["top_ids"]) > 0, sample
    assert "misaligned" not in sample["flags"], sample
    for i, token in enumerate(new):
        values = raw_model.logprobs(tuple(ids + new[:i]))
        listed = raw_model.top(values, K)
        if token not in listed:
            outside += 1
            listed += [token] if api == "completions" else []
        where = (sample["id"], sample["sample"], i)
        assert sample["top_ids"][i] == listed, (where, sample["top_ids"][i], listed)
        assert near(sample["logprobs"][i], values[token]), where
        assert all(near(a, values[t]) for a, t in zip(sample["top_logprobs"][i], listed)), where
        tail = 1 - sum(math.exp(values[t]) for t in listed)
        assert near(sample["tail_mass"][i], tail, 1e-7), (where, sample["tail_mass"][i], tail)
    ended = sample["finish_reason"] == "stop"
    assert sample["content"] == raw_model.text_of(new), sample
    if api == "llamacpp":
        assert EOS not in new and sample["usage"]["completion_tokens"] == len(new) + ended
        assert sample["eos_row"] is False, sample
    else:
        assert (new[-1] == EOS) == ended and sample["usage"]["completion_tokens"] == len(new)
    if api == "completions" or isinstance(sample["prompt"], dict):
        assert sample["prompt_token_ids"] == ids, sample
    assert sample["usage"]["prompt_tokens"] == len(ids)
    return len(new), outside


def job(r, port, api, **changes):
    r.job(port, teacher={"api": api, "model": "raw", "logprobs_mode": "raw",
                         "url": "http://127.0.0.1:%d%s" % (port, API[api][1])},
          sampling={"n": 2, "temperature": 1, "max_tokens": 24, "seed": 5},
          logits={"top_logprobs": K, "profile": "exact"}, **changes)


def one(retort, api):
    with RawServer(API[api][0]) as t, Rig(retort) as r:
        r.corpus(LINES + [
            {"id": "talk", "messages": [{"role": "user", "content": "a"},
                                        {"role": "assistant", "content": "b"},
                                        {"role": "user", "content": "c"}]},
            {"id": "told", "prompt": "a", "system": "Be short."},
            {"id": "odd", "input_ids": [1, -1]}])
        job(r, t.port, api)
        r.run(workers=2)
        rows = r.export("--logits")
        assert len(rows) == 2 * len(LINES), len(rows)
        r.verify()
        rejects = [(x["line"], x["reason"]) for x in r.query("select * from rejects")]
        n = len(LINES)
        assert rejects == [(n + 1, "not_raw"), (n + 2, "not_raw"), (n + 3, "bad_ids")], rejects
        counts = [check(row, api) for row in rows]
        kept = {row["id"]: row for row in rows}
        assert kept["i3"]["extra"] == {"level": 3} and kept["t3"]["extra"] is None
        assert kept["i3"]["prompt"] == {"input_ids": LINES[15]["input_ids"]}
        tokens, outside = map(sum, zip(*counts))
        assert tokens > 200 and outside > 20, (tokens, outside)
        # And what it gives, by questions at the start.
        gives = json.loads(r.query("select gives from endpoints")[0]["gives"])
        assert gives["largest_k"] == K and gives["token_ids"], gives
        assert gives["prompt_logprobs"] == (api != "llamacpp" or None), gives
        assert len(t.asked) == len(rows) + gives["questions"], (len(t.asked), gives)
        shown = r.command("show", r.run_dir, "i3", "0")
        assert '{"input_ids":[266,' in shown.stdout, shown.stdout
        print("  %s: %d tokens with %d candidates each, %d sampled beyond them, all as the "
              "model has them" % (api, tokens, K, outside))


def completions_are_the_models(retort):
    one(retort, "completions")


def sglangs_answers_are_the_models(retort):
    one(retort, "sglang")


def llamacpps_answers_are_the_models(retort):
    one(retort, "llamacpp")


def check_scored(sample, lists_given, ids, prompt_len):
    """Every token behind the prompt has the row that the model gives it."""
    assert sample["prompt_token_ids"] == ids[:prompt_len], sample
    assert sample["token_ids"] == ids[prompt_len:], sample
    assert sample["finish_reason"] == "stop" and not sample["flags"], sample
    for i, token in enumerate(ids[prompt_len:]):
        values = raw_model.logprobs(tuple(ids[:prompt_len + i]))
        listed = raw_model.top(values, K)
        where = (sample["id"], i)
        assert near(sample["logprobs"][i], values[token]), where
        if lists_given and token not in listed:
            listed = sorted(listed + [token], key=lambda t: (-values[t], t))
        assert sample["top_ids"][i] == listed, where
        assert all(near(a, values[t]) for a, t in zip(sample["top_logprobs"][i], listed)), where
        tail = 1 - sum(math.exp(values[t]) for t in listed)
        assert near(sample["tail_mass"][i], tail, 1e-7), where
    return len(ids) - prompt_len


def what_is_given_is_scored(retort):
    """By both servers that can, from ids and from texts; and a second teacher scores
    what a first one has written."""
    with RawServer("/completion") as writer, Rig(retort, "writer") as r:
        r.corpus([x for x in LINES if "input_ids" in x])
        job(r, writer.port, "llamacpp")
        r.run()
        written = r.export("--logits")
    lines = [{"id": "%s/%d" % (x["id"], x["sample"]), "text": x["content"], "level": 1,
              "input_ids": x["prompt_token_ids"] + x["token_ids"],
              "prompt_len": len(x["prompt_token_ids"])} for x in written]
    texts = [{"id": "t%d" % i, "text": "Café %d. It is %d" % (i, i * i)} for i in range(8)]
    bad = [({"input_ids": [1, 2], "prompt_len": 2}, "bad_prompt_len"),
           ({"input_ids": [1, 2], "prompt_len": 0}, "bad_prompt_len"),
           ({"input_ids": [1, 2], "prompt_len": "1"}, "bad_prompt_len"),
           ({"input_ids": [1]}, "bad_ids"),
           ({"prompt": "a", "completion": "b"}, "nothing_to_score")]
    def older(request):
        """TRL's server before it knew another format than lists."""
        request["response_format"] = "json"

    for api, before in (("completions", None), ("sglang", None), ("trl", None),
                        ("trl", older)):
        lists_given = api == "completions" or before is older
        # Only ids, which is all that TRL's server takes.
        texts = texts if api != "trl" else []
        with RawServer(API[api][0], before or (lambda request: None)) as t, Rig(retort) as r:
            r.corpus(lines + texts + [x for x, _ in bad])
            r.job(t.port, teacher={"api": api, "model": "raw", "logprobs_mode": "raw",
                                   "url": "http://127.0.0.1:%d%s" % (t.port, API[api][1])},
                  logits={"top_logprobs": K, "profile": "exact"}, mode="score")
            with open(r.job_path, encoding="utf-8") as f:
                whole = json.load(f)
            del whole["sampling"]
            r.write("job.json", json.dumps(whole))
            checked = r.command("check", r.job_path)
            assert checked.returncode == 0, checked.stdout + checked.stderr
            r.run(workers=2)
            gives = json.loads(r.query("select gives from endpoints")[0]["gives"])
            assert gives["prompt_logprobs"] and gives["largest_k"] == K, gives
            rows = {row["id"]: row for row in r.export("--logits")}
            r.verify()
            reasons = [x["reason"] for x in r.query("select * from rejects order by line")]
            assert reasons == [why for _, why in bad], reasons
            tokens = 0
            for line in lines:
                row = rows.pop(line["id"])
                assert row["content"] == line["text"] and row["extra"] == {"level": 1}
                tokens += check_scored(row, lists_given, line["input_ids"], line["prompt_len"])
            for line in texts:
                row = rows.pop(line["id"])
                assert row["content"] == line["text"] and row["prompt"] == {
                    "text": line["text"]}, row
                tokens += check_scored(row, lists_given, raw_model.ids_of(line["text"]), 1)
            assert not rows and tokens > (80 if api == "trl" else 200), (rows, tokens)
            print("  %s: %d tokens scored, all as the model has them%s" % (
                api, tokens, before and ", in lists" or ""))


def other_tokens_are_not_what_was_given(retort):
    """A server that scores something else - it put a token before, or cut - is found
    out, and nothing of it is kept."""
    def one_before(request):
        request["input_ids"] = [7] + request["input_ids"]

    def others(request):
        request["sequences"][0][-1] += 1

    def cut(request):
        request["sequences"][0].pop()

    def lies(request):
        answer = raw_model.trl(request)
        answer["shape"][2] -= 1
        return 200, answer

    for api, before in (("sglang", one_before), ("trl", others), ("trl", cut), ("trl", lies)):
        with RawServer(API[api][0], before) as t, Rig(retort) as r:
            r.corpus([{"id": "a", "input_ids": [65, 66, 67, 68], "prompt_len": 2}])
            r.job(t.port, teacher={"api": api, "model": "raw",
                                   "url": "http://127.0.0.1:%d" % t.port},
                  sampling={"n": 1, "temperature": None, "max_tokens": None, "seed": None},
                  logits={"top_logprobs": K}, mode="score", retry={"attempts": 1})
            r.run(expect=3)
            (failed,) = r.query("select * from failures")
            assert failed["reason"] == "bad_logprobs", failed
            assert not r.export()


def trl_needs_token_ids(retort):
    with RawServer(API["trl"][0]) as t, Rig(retort) as r:
        r.corpus([{"id": "a", "text": "abc"}])
        r.job(t.port, teacher={"api": "trl", "model": "raw",
                               "url": "http://127.0.0.1:%d" % t.port},
              sampling={"n": 1, "temperature": None, "max_tokens": None, "seed": None},
              logits={"top_logprobs": K}, mode="score", retry={"attempts": 1}, probe=False)
        r.run(expect=3)
        (failed,) = r.query("select * from failures")
        assert failed["reason"] == "bad_prompt" and not t.asked, failed


def an_abort_is_judged_by_the_status_that_it_names(retort):
    """Behind a 200: a full queue is waited for, a prompt that is too long is not."""
    busy = []

    def before(request):
        reason = None
        if request["text"] == "long":
            reason = {"type": "abort", "message": "The input is too long", "status_code": 400,
                      "err_type": "BadRequestError"}
        elif len(busy) < 3:
            busy.append(request)
            reason = {"type": "abort", "message": "The request queue is full.",
                      "status_code": 503, "err_type": None}
        return reason and (200, {"text": "", "output_ids": [], "meta_info": {
            "id": "r", "finish_reason": reason, "prompt_tokens": 3, "completion_tokens": 0}})

    with RawServer("/generate", before) as t, Rig(retort) as r:
        r.corpus([{"id": "a", "prompt": "short"}, {"id": "b", "prompt": "long"}])
        job(r, t.port, "sglang", retry={"attempts": 1})
        r.run(expect=3)
        failed = {x["prompt_no"]: x["reason"] for x in r.query("select * from failures")}
        assert failed == {1: "bad_request"}, failed
        rows = r.export("--logits")
        assert [row["id"] for row in rows] == ["a", "a"], rows
        assert len(busy) == 3
        for row in rows:
            check(row, "sglang")


def the_built_in_teacher_serves_completions(retort):
    """Its rows are keyed by ids where it plays vLLM; the text goes as it is."""
    with Server(retort, "--dialect", "vllm") as t, Rig(retort) as r:
        r.corpus([{"id": "p%d" % i, "prompt": "What is %d + 30?" % i} for i in range(10)])
        r.job(t.port, teacher={"api": "completions"},
              sampling={"n": 2, "max_tokens": 400}, logits={"top_logprobs": 5})
        r.run()
        rows = r.check_whole(10, 2)
        rows = r.export("--logits")
        assert all(not row["flags"] or row["flags"] == ["truncated"] for row in rows), [
            row["flags"] for row in rows]
        for row in rows:
            assert len(row["token_ids"]) == row["usage"]["completion_tokens"], row
            assert all(len(one) in (5, 6) for one in row["top_ids"]), row


main(completions_are_the_models, sglangs_answers_are_the_models,
     llamacpps_answers_are_the_models, an_abort_is_judged_by_the_status_that_it_names,
     the_built_in_teacher_serves_completions, what_is_given_is_scored,
     other_tokens_are_not_what_was_given, trl_needs_token_ids)
