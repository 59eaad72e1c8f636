#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The built-in teacher as a server: dialects, errors, load, outages, the ledger.

usage: teacher_server.py RETORT
Also a module: Server starts a teacher on a free port and stops it.
"""
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PROMPT = "Mia has 1,200 apples. Then Mia buys 34 more. How many apples are there now?"


def wait_until(condition, seconds=120):
    """The time is one after which something is wrong, however busy the machine is."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("waited too long")
        time.sleep(0.005)


class Server:
    """A teacher with a ledger in a folder of its own."""

    def __init__(self, retort, *options):
        self.dir = tempfile.TemporaryDirectory(prefix="retort-teacher.")
        self.port_file = os.path.join(self.dir.name, "port")
        self.ledger = os.path.join(self.dir.name, "ledger.jsonl")
        self.child = subprocess.Popen(
            [retort, "teacher", "--port", "0", "--port-file", self.port_file, "--ledger",
             self.ledger, *options], stderr=subprocess.PIPE)
        wait_until(lambda: os.path.exists(self.port_file) or self.child.poll() is not None)
        if self.child.poll() is not None:
            raise AssertionError(self.child.stderr.read().decode())
        with open(self.port_file, encoding="ascii") as f:
            self.port = int(f.read())

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.child.send_signal(signal.SIGTERM)
        complaint = self.child.stderr.read().decode()
        code = self.child.wait(timeout=60)
        self.dir.cleanup()
        if kind is None:
            assert code == 0, (code, complaint)
            assert complaint.count("\n") == 1, complaint

    def ask(self, path, body=None, headers=None, connection=None, timeout=60):
        """(status, headers, body) of a request; the body read as JSON if it is some."""
        c = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        raw = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        c.request("POST" if body is not None else "GET", path, raw, headers or {})
        response = c.getresponse()
        got = response.read()
        if not connection:
            c.close()
        try:
            got = json.loads(got)
        except ValueError:
            pass
        return response.status, {k.lower(): v for k, v in response.getheaders()}, got

    def chat(self, text=PROMPT, **fields):
        body = {"model": "teacher", "seed": 5, "messages": [{"role": "user", "content": text}]}
        body.update(fields)
        return self.ask("/v1/chat/completions", body)

    def control(self, **fields):
        status, _, state = self.ask("/control", fields)
        assert status == 200, state
        return state

    def lines(self):
        """The ledger's, as far as they are whole: the last one may just be written."""
        with open(self.ledger, encoding="utf-8") as f:
            return [json.loads(line) for line in f if line.endswith("\n")]


def ok(answer):
    status, _, body = answer
    assert status == 200, (status, body)
    return body


def entries(choice):
    return choice["logprobs"]["content"]


def dialect_vllm(retort):
    with Server(retort) as s:
        choice = ok(s.chat(logprobs=True, top_logprobs=4, return_token_ids=True))["choices"][0]
        message = choice["message"]
        assert message["reasoning"].startswith("\n") and "think>" not in message["content"]
        assert len(entries(choice)) == len(choice["token_ids"])
        assert entries(choice)[0]["token"] == "<think>"
        assert choice["token_ids"][-1] == 2 and entries(choice)[-1]["token"] == "<eos>"
        assert "\\boxed{1" in message["content"] and choice["stop_reason"] is None
        raw = b"".join(bytes(e["bytes"]) for e in entries(choice)[:-1]).decode()
        assert raw == f"<think>{message['reasoning']}</think>{message['content']}"
        for e in entries(choice):
            assert len(e["top_logprobs"]) == 4 and e["top_logprobs"][0]["token"] == e["token"]
        named = ok(s.chat(logprobs=True, top_logprobs=1, return_tokens_as_token_ids=True))
        assert entries(named["choices"][0])[0]["token"] == "token_id:3"
        assert entries(named["choices"][0])[0]["bytes"] == list(b"<think>")
        assert ok(s.chat(include_reasoning=False))["choices"][0]["message"]["reasoning"] is None
        plain = ok(s.chat(chat_template_kwargs={"enable_thinking": False}))["choices"][0]
        assert plain["message"]["reasoning"] is None and "boxed" in plain["message"]["content"]
        cut = ok(s.chat(max_tokens=9))["choices"][0]
        assert cut["finish_reason"] == "length" and cut["message"]["content"] is None
        stopped = ok(s.chat(stop=["?!", "\\box"]))["choices"][0]
        assert (stopped["finish_reason"], stopped["stop_reason"]) == ("stop", "\\box")
        assert stopped["message"]["content"].endswith(" ")
        many = ok(s.chat(n=5))
        assert [c["index"] for c in many["choices"]] == list(range(5))
        assert len({c["message"]["reasoning"] for c in many["choices"]}) > 1
        alone = ok(s.chat(seed=7))["choices"][0]["message"]
        assert many["choices"][2]["message"] == alone
        models = ok(s.ask("/v1/models"))
        assert [m["owned_by"] for m in models["data"]] == ["vllm"]
        assert s.ask("/health")[0] == 200


def dialect_vllm_switches(retort):
    with Server(retort, "--no-reasoning-parser", "--no-eos-row", "--bytes-of-ids",
                "--model", "a", "--model", "b", "--strict-model") as s:
        answer = ok(s.chat(model="b", logprobs=True, top_logprobs=0, return_token_ids=True,
                           return_tokens_as_token_ids=True))
        choice = answer["choices"][0]
        assert choice["message"]["content"].startswith("<think>\n")
        assert choice["message"]["reasoning"] is None
        assert len(entries(choice)) + 1 == answer["usage"]["completion_tokens"]
        assert entries(choice)[0]["bytes"] == list(b"token_id:3")
        assert entries(choice)[0]["top_logprobs"] == []
        status, _, body = s.chat(model="c")
        assert status == 404 and body["error"]["code"] == 404
    with Server(retort, "--no-reasoning-parser", "--no-open-think") as s:
        answer = ok(s.chat(return_token_ids=True))
        content = answer["choices"][0]["message"]["content"]
        assert "<think>" not in content and content.count("</think>") == 1
        assert answer["prompt_token_ids"][-1] == 3


def dialect_others(retort):
    with Server(retort, "--dialect", "openai", "--null-bytes") as s:
        answer = ok(s.chat(logprobs=True, top_logprobs=5, temperature=1.9))
        choice = answer["choices"][0]
        assert "token_ids" not in choice and answer["system_fingerprint"]
        assert choice["message"]["refusal"] is None and "reasoning" not in choice["message"]
        assert any(e["bytes"] is None for e in entries(choice))
        outside = 0
        for e in entries(choice):
            listed = [x["logprob"] for x in e["top_logprobs"]]
            assert len(listed) == 5 and listed == sorted(listed, reverse=True)
            outside += e["logprob"] < listed[-1]
        status, _, body = s.chat(top_k=3)
        assert status == 400 and "top_k" in body["error"]["message"]
        assert isinstance(body["error"]["type"], str) and body["error"]["param"] == "top_k"
        assert "completion_tokens_details" in answer["usage"]
    with Server(retort, "--dialect", "llamacpp") as s:
        answer = ok(s.chat("There are 3 rows of 4 cups in the bar. How many?", logprobs=True))
        choice = answer["choices"][0]
        assert choice["message"]["reasoning_content"] and answer["timings"]["predicted_n"]
        for e in entries(choice):
            assert len(e["top_logprobs"]) == 20
            assert bytes(e["bytes"]).decode("utf-8", "ignore") == e["token"]
            assert all("id" in x for x in e["top_logprobs"] + [e])
        halves = [e for e in entries(choice) if e["token"] == ""]
        assert [195] in [e["bytes"] for e in halves] and [151] in [e["bytes"] for e in halves]
    with Server(retort, "--dialect", "sglang") as s:
        answer = ok(s.chat(logprobs=True, top_logprobs=2))
        assert answer["choices"][0]["matched_stop"] == 2
        assert answer["usage"]["reasoning_tokens"] > 10
        assert answer["choices"][0]["message"]["reasoning_content"]
        assert s.chat(n=0)[2]["object"] == "error"
    with Server(retort, "--dialect", "ollama") as s:
        assert ok(s.chat())["choices"][0]["message"]["reasoning"]
        assert ok(s.ask("/v1/models"))["data"][0]["owned_by"] == "library"


def old_completions(retort):
    with Server(retort) as s:
        def complete(prompt, **fields):
            return ok(s.ask("/v1/completions", {"model": "teacher", "prompt": prompt, "seed": 3,
                                                **fields}))
        answer = complete("Once upon a time", logprobs=3, return_tokens_as_token_ids=True)
        choice = answer["choices"][0]
        assert answer["object"] == "text_completion" and choice["finish_reason"] == "length"
        lp = choice["logprobs"]
        assert len(lp["tokens"]) == len(lp["token_logprobs"]) == len(lp["top_logprobs"]) == 16
        for token, value, top in zip(lp["tokens"], lp["token_logprobs"], lp["top_logprobs"]):
            assert top[token] == value and len(top) in (3, 4)
        ids = complete("Once upon a time", return_token_ids=True)["choices"][0]
        again = complete(ids["prompt_token_ids"][1:])["choices"][0]
        assert again["text"] == ids["text"] == choice["text"]
        scored(s, complete)
        full = complete("Once upon a time", max_tokens=900)["choices"][0]
        assert full["text"].startswith("<think>") and "</think>" in full["text"]


def scored(s, complete):
    """What was said in a chat, given back token by token, has the rows it was said with."""
    said = ok(s.chat(logprobs=True, top_logprobs=4, return_token_ids=True))
    choice, prompt = said["choices"][0], said["prompt_token_ids"]
    ids = prompt + choice["token_ids"]
    answer = complete(ids, prompt_logprobs=4, return_token_ids=True, max_tokens=1)
    given = answer["choices"][0]["prompt_logprobs"]
    assert answer["choices"][0]["prompt_token_ids"] == ids
    assert answer["usage"]["prompt_tokens"] == len(ids) == len(given) and given[0] is None
    for token, row in zip(ids[1:], given[1:]):
        assert len(row) == (4 if row[str(token)]["rank"] <= 4 else 5), row
    for entry, token, row in zip(entries(choice), choice["token_ids"], given[len(prompt):]):
        assert row[str(token)]["logprob"] == entry["logprob"], (entry, row)
        assert row[str(token)]["decoded_token"] == entry["token"], (entry, row)
        assert {x["logprob"] for x in entry["top_logprobs"]} <= {
            x["logprob"] for x in row.values()}
    for bad in ({"prompt": "a text"}, {"prompt_logprobs": 21}, {"prompt": ids + [40]}):
        status, _, _ = s.ask("/v1/completions", {"model": "m", "prompt": ids,
                                                 "prompt_logprobs": 4, **bad})
        assert status == 400, (bad, status)


def processed_logprobs(retort):
    def lists(s, **fields):
        choice = ok(s.chat(logprobs=True, top_logprobs=8, **fields))["choices"][0]
        return [sorted(x["logprob"] for x in e["top_logprobs"]) for e in entries(choice)]
    with Server(retort) as s:
        raw = lists(s, temperature=0.5)
        assert raw == lists(s, temperature=0.5, top_k=8) and max(map(max, raw)) < 0
    with Server(retort, "--logprobs", "processed") as s:
        cold, cut = lists(s, temperature=0.5), lists(s, temperature=0.5, top_k=2)
        assert cold != raw and all(row[:6] == [-9999.0] * 6 for row in cut)
        assert cut[5][-1] > cold[5][-1] > raw[5][-1]


def refusals(retort):
    with Server(retort, "--api-key", "sesame", "--max-logprobs", "7") as s:
        key = {"Authorization": "Bearer sesame"}
        body = {"messages": [{"role": "user", "content": "x"}]}

        def status(fields, headers=key, path="/v1/chat/completions"):
            return s.ask(path, fields, headers)[0]
        assert status(body) == 200
        assert status(body, {}) == status(body, {"Authorization": "Bearer simsim"}) == 401
        for wrong in ({"temperature": -1}, {"temperature": "1"}, {"n": 0},
                      {"n": 129}, {"logprobs": True, "top_logprobs": 8}, {"top_logprobs": 2},
                      {"stop": [1]}, {"max_tokens": 0}, {"seed": 1.5}, {"messages": []},
                      {"messages": "x"}, {"messages": [{"content": "x"}]}, {"model": 3}):
            assert status({**body, **wrong}) == 400, wrong
        assert status(b"{") == status(b"[]") == status(b"") == status(b'"\xff"') == 400
        assert status({"prompt": [40000]}, path="/v1/completions") == 400
        assert s.ask("/v1/nothing", None, key)[0] == 404
        assert s.ask("/v1/chat/completions", None, key)[0] == 405
        assert status({**body, "some_field": 1}) == 200
        assert [x["status"] for x in s.lines()[:3]] == [200, 401, 401]


def kept_parts(message):
    return (message.get("reasoning"), message["content"])


def blake(text, size=32):
    return hashlib.blake2b(text, digest_size=size).hexdigest()


def ledger_lines(retort):
    with Server(retort, "--correct", "0.5") as s:
        c = http.client.HTTPConnection("127.0.0.1", s.port)
        bodies = []
        for seed in (1, 2, 1, None):
            body = {"messages": [{"role": "user", "content": PROMPT}], "n": 2}
            if seed is not None:
                body["seed"] = seed
            c.request("POST", "/v1/chat/completions", json.dumps(body))
            bodies.append(c.getresponse().read())
        lines = s.lines()
        assert [x["attempt"] for x in lines] == [1, 1, 2, 1]
        assert [x["seed"] for x in lines] == [1, 2, 1, None]
        assert len({x["nonce"] for x in lines}) == 4 and len({x["digest"] for x in lines}) == 1
        for line, raw in zip(lines, bodies):
            assert line["body"] == blake(raw, 16) and line["body_bytes"] == len(raw)
            answer = json.loads(raw)
            assert answer["id"] == "chatcmpl-" + line["nonce"] and line["status"] == 200
            assert answer["usage"]["completion_tokens"] == line["completion_tokens"]
            for choice, told in zip(answer["choices"], line["choices"]):
                reasoning, content = kept_parts(choice["message"])
                assert told["reasoning"] == blake(reasoning.strip("\n").encode())
                assert told["content"] == blake(content.strip("\n").encode())
                assert f"\\boxed{{{told['boxed']}}}" in content
                assert told["truth"] == (told["boxed"].replace(",", "") == "1234")
        assert lines[0]["choices"] == lines[2]["choices"]
        s.ask("/v1/models")
        assert len(s.lines()) == 4


def loaded(retort):
    """Two slots and room for two to wait: of six at once two are refused."""
    with Server(retort, "--slots", "2", "--queue", "2", "--latency-ms", "3000",
                "--overload", "429", "--retry-after", "3") as s:
        got = []

        def one(i):
            got.append(s.chat(seed=i)[:2])
        threads = [threading.Thread(target=one, args=(i,)) for i in range(6)]
        for t in threads[:4]:
            t.start()
        # All places are taken, and none is free again before the last two have asked.
        wait_until(lambda: (s.control()["running"], s.control()["waiting"]) == (2, 2))
        for t in threads[4:]:
            t.start()
        for t in threads:
            t.join()
        statuses = [status for status, _ in got]
        assert sorted(statuses) == [200] * 4 + [429] * 2, statuses
        assert all(h.get("retry-after") == "3" for status, h in got if status == 429)
        assert [x["fault"] for x in s.lines()].count("overload") == 2
    with Server(retort, "--tokens-per-second", "1000") as s:
        start = time.monotonic()
        tokens = ok(s.chat())["usage"]["completion_tokens"]
        assert time.monotonic() - start >= tokens / 1000


def client_leaves(retort):
    """Who hangs up gives the slot back, and is in the ledger."""
    with Server(retort, "--slots", "1", "--latency-ms", "100000") as s:
        body = json.dumps({"messages": [{"role": "user", "content": PROMPT}]}).encode()
        sockets = [socket.create_connection(("127.0.0.1", s.port)) for _ in range(3)]
        for k in sockets:
            k.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: "
                      b"%d\r\n\r\n" % len(body) + body)
        wait_until(lambda: s.control()["running"] == 1 and s.control()["waiting"] == 2)
        sockets[1].close()
        wait_until(lambda: s.control()["gone"] == 1)
        sockets[0].close()
        sockets[2].close()
        wait_until(lambda: s.control()["gone"] == 3)
        assert s.control()["running"] == s.control()["waiting"] == 0
        assert [x["status"] for x in s.lines()] == [499] * 3


def outages(retort):
    with Server(retort, "--retry-after", "1") as s:
        s.control(down="503")
        status, headers, _ = s.chat()
        assert status == 503 and headers["retry-after"] == "1"
        assert s.ask("/health")[0] == 503
        s.control(down="429")
        assert s.chat()[0] == 429
        s.control(down=None)
        assert s.chat()[0] == 200
        kept = http.client.HTTPConnection("127.0.0.1", s.port)
        assert s.ask("/control", {"down": "refuse"}, connection=kept)[0] == 200
        try:
            s.chat()
            raise AssertionError("it should have refused")
        except ConnectionRefusedError:
            pass
        assert s.ask("/control", {"down": None}, connection=kept)[0] == 200
        assert s.chat()[0] == 200
        s.control(down="refuse", down_ms=3000)

        def is_up():
            try:
                return s.chat()[0] == 200
            except ConnectionError:
                return False
        assert not is_up()
        wait_until(is_up)
        assert s.ask("/control", {"down": "maybe"})[0] == 400
        assert s.ask("/control", {"faults": "no-such=1"})[0] == 400
    with Server(retort, "--down", "0:3", "--down-status", "429") as s:
        assert s.chat()[0] == 429
        wait_until(lambda: s.chat()[0] == 200)


def usage_errors(retort):
    def code(*options):
        return subprocess.run([retort, "teacher", *options], capture_output=True,
                              check=False).returncode
    assert code("--dialect", "klingon") == code("--faults", "cut=2") == 2
    assert code("--down", "5") == code("--port", "99999") == code("extra") == 2
    assert code("--references", "/nonexistent") == code("--ledger", "/nonexistent/x") == 1
    assert code("--list-faults") == code("--help") == 0


TESTS = [dialect_vllm, dialect_vllm_switches, dialect_others, old_completions,
         processed_logprobs, refusals, ledger_lines, loaded, client_leaves, outages,
         usage_errors]


def main():
    for test in TESTS:
        start = time.monotonic()
        test(sys.argv[1])
        print(f"{test.__name__}: ok, {time.monotonic() - start:.2f} s")


if __name__ == "__main__":
    main()
