#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every fault of the built-in teacher, looked at byte by byte.

usage: teacher_faults.py RETORT
Each fault is switched on alone; what comes over the socket must be wrong in just the way
that its name says, the ledger must have a line that names it, and the server must go on.
"""
import gzip
import json
import math
import os
import socket
import subprocess
import sys
import time
import zlib

from teacher_server import PROMPT, Server, ok, wait_until

KEY = "Bearer canary-7f3a"
PATIENCE_S, QUIET_S = 60, 0.4


class Raw:
    """What came over the socket, and how it ended.

    `has`: whether all is there that will come, of what has come; then it must stay quiet
    for a moment. How long the first byte takes is not looked at.
    """

    def __init__(self, server, n=1, limit=1 << 40, has=None):
        body = json.dumps({
            "model": "teacher", "seed": 5, "n": n, "logprobs": True, "top_logprobs": 4,
            "messages": [{"role": "user", "content": PROMPT}]}).encode()
        self.got, self.size, self.end = b"", 0, None
        s = socket.create_connection(("127.0.0.1", server.port))
        deadline = time.monotonic() + (QUIET_S if has and has(b"") else PATIENCE_S)
        s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n"
                  b"Connection: close\r\nContent-Length: %d\r\n\r\n" %
                  (KEY.encode(), len(body)) + body)
        try:
            while self.end is None:
                s.settimeout(max(deadline - time.monotonic(), 0.001))
                part = s.recv(1 << 20)
                self.size += len(part)
                if len(self.got) < limit:
                    self.got += part
                if not part:
                    self.end = "closed"
                elif has and has(self.got):
                    deadline, has = time.monotonic() + QUIET_S, None
        except ConnectionResetError:
            self.end = "reset"
        except TimeoutError:
            self.end = "open"
        s.close()
        head, _, self.body = self.got.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        self.status = int(lines[0].split()[1]) if lines[0].startswith(b"HTTP/1.1 ") else None
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(b": ")
            self.headers[name.lower().decode()] = value.decode()

    def json(self):
        """The body, which must be whole and in good order."""
        assert (self.status, self.end) == (200, "closed"), (self.status, self.end)
        assert int(self.headers["content-length"]) == len(self.body)
        return json.loads(self.body)

    def choice(self):
        return self.json()["choices"][0]

    def rows(self):
        return self.choice()["logprobs"]["content"]

    def odd_numbers(self, text):
        """How many rows have this for the number of the sampled token."""
        return self.body.count(b'"logprob":' + text + b",")


def no_json(raw):
    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        return True
    return False


def whole_json(r):
    return r.json()["choices"][0]["finish_reason"] == "stop"


def list_lengths(r):
    return {len(row["top_logprobs"]) for row in r.rows()}


def gaps(r):
    """Between the best two of every list."""
    lists = [sorted((x["logprob"] for x in row["top_logprobs"]), reverse=True)
             for row in r.rows()]
    return [x[0] - x[1] for x in lists]


def with_gap(r, size):
    return sum(abs(x - size) < 1e-4 for x in gaps(r))


def row_count(r):
    return len(r.rows()) - r.json()["usage"]["completion_tokens"]


def content(r):
    return r.choice()["message"]["content"]


def odd(text):
    return lambda r: r.odd_numbers(text) > 10 and r.status == 200


def cut_to(r):
    return int(r.headers["content-length"]) - len(r.body)


def redirect(status, to):
    return lambda r: r.status == status and r.headers["location"].startswith(to)


def retry(value):
    return lambda r: r.status == 429 and r.headers["retry-after"] == value


CHECKS = {
    "cut-length": lambda r: cut_to(r) > 0 and r.end == "closed",
    "cut-chunked": lambda r: r.headers["transfer-encoding"] == "chunked"
    and not r.body.endswith(b"0\r\n\r\n"),
    "cut-close": lambda r: "content-length" not in r.headers and no_json(r.body),
    "error-at-200": lambda r: "message" in r.json()["error"],
    "choices-null": lambda r: r.json()["choices"] is None,
    "choices-empty": lambda r: r.json()["choices"] == [],
    "content-null": lambda r: content(r) is None and r.choice()["message"]["reasoning"],
    "content-empty": lambda r: content(r) == "" and r.json()["usage"]["total_tokens"] == 0,
    "finish-null": lambda r: r.choice()["finish_reason"] is None,
    "finish-length": lambda r: r.choice()["finish_reason"] == "length" and "boxed" in content(r),
    "finish-filter": lambda r: r.choice()["finish_reason"] == "content_filter",
    "finish-unknown": lambda r: r.choice()["finish_reason"] == "banana",
    "finish-abort": lambda r: r.choice()["finish_reason"] == "abort",
    "logprobs-null": lambda r: r.choice()["logprobs"] is None,
    "logprobs-fewer": lambda r: list_lengths(r) == {2},
    "logprobs-more": lambda r: list_lengths(r) == {7},
    "logprobs-rows-missing": lambda r: row_count(r) < -10,
    "logprobs-rows-extra": lambda r: row_count(r) == 1,
    "logprobs-unsorted": lambda r: r.rows()[0]["top_logprobs"][-1] == {
        k: v for k, v in r.rows()[0].items() if k != "top_logprobs"},
    "logprobs-duplicate": lambda r: all(
        row["top_logprobs"][0] == row["top_logprobs"][1] for row in r.rows()),
    "logprobs-positive": odd(b"0.75"),
    "logprobs-nan": odd(b"NaN"),
    "logprobs-infinity": odd(b"-Infinity"),
    "logprobs-9999": odd(b"-9999.0"),
    "logprobs-100": odd(b"-100.0"),
    "logprobs-float-min": odd(b"-3.4028234663852886e+38"),
    "logprobs-shifted": lambda r: all(
        one["top_logprobs"][0]["token"] == two["token"]
        for one, two in zip(r.rows(), r.rows()[1:])) and list_lengths(r) == {4},
    "logprobs-unsampled": lambda r: list_lengths(r) == {4} and not any(
        row["token"] in [x["token"] for x in row["top_logprobs"]] for row in r.rows()),
    "logprobs-dropped": lambda r: list_lengths(r) == {4}
    # Peaked rows begin 16 : 4 : 1. What was sampled stays.
    and with_gap(r, math.log(16)) > with_gap(r, math.log(4)),
    # Two ids share " so"; in other lists nothing shows the same.
    "logprobs-merged": lambda r: list_lengths(r) <= {3, 4} and all(
        len({x["token"] for x in row["top_logprobs"]}) == len(row["top_logprobs"])
        for row in r.rows()),
    "logprobs-warm": lambda r: list_lengths(r) == {4} and all(
        row["top_logprobs"][0]["logprob"] == row["logprob"] for row in r.rows())
    # Peaked rows begin 4 : 1.
    and with_gap(r, math.log(4) / 0.7) > 10 > with_gap(r, math.log(4)),
    "logprobs-drafted": lambda r: [
        (row["logprob"], row["top_logprobs"]) == (0, []) for row in r.rows()] == [
            i % 3 == 1 for i in range(len(r.rows()))],
    "token-broken": lambda r: all(
        (x["token"], x["bytes"]) == ("\ufffd", [239, 191, 189]) for x in r.rows()),
    "bytes-null": lambda r: all(x["bytes"] is None for x in r.rows()),
    "bytes-other": lambda r: all(bytes(x["bytes"]).decode("utf-8", "replace") != x["token"]
                                 for x in r.rows()),
    "utf8-invalid": lambda r: b'"content":"\xff' in r.body,
    "utf8-overlong": lambda r: b'"content":"\xc0\xaf' in r.body,
    "utf8-surrogate": lambda r: b'"content":"\xed\xa0\x80' in r.body,
    "escape-surrogate": lambda r: content(r).startswith("\ud83d "),
    "text-nul": lambda r: content(r).startswith("a\0b"),
    "text-ansi": lambda r: content(r).startswith("\x1b[31m"),
    "text-bidi": lambda r: content(r).startswith("\u202e"),
    "raw-control": lambda r: b'"content":"a\001b' in r.body and no_json(r.body),
    "body-bom": lambda r: r.body.startswith(b"\xef\xbb\xbf{"),
    "duplicate-key": lambda r: r.body.count(b'"content":"') == 2,
    "integer-huge": lambda r: b'"extra":' + b"9" * 400 + b"}" in r.body,
    "number-1e400": odd(b"-1e400"),
    "number-minus-zero": odd(b"-0.0"),
    "nesting-deep": lambda r: b"[" * 100000 + b"]" * 100000 in r.body,
    "objects-many": lambda r: r.body.count(b"{},") == 999999,
    "text-long": lambda r: r.size > 100 << 20
    and r.size - r.got.index(b"\r\n\r\n") - 4 == int(r.headers["content-length"]),
    "gzip": lambda r: r.headers["content-encoding"] == "gzip"
    and b"choices" in gzip.decompress(r.body),
    "gzip-twice": lambda r: b"choices" in gzip.decompress(gzip.decompress(r.body)),
    "gzip-bomb": lambda r: len(r.body) < 4 << 20 and gzip_length(r.body) == 1 << 30,
    "html": lambda r: r.status == 200 and r.headers["content-type"].startswith("text/html"),
    "type": lambda r: r.headers["content-type"] == "text/plain" and whole_json(r),
    "header-flood": lambda r: len(r.headers["x-flood"]) == 400 << 10 and whole_json(r),
    "header-lines": lambda r: "x-line-99999" in r.headers and whole_json(r),
    "interim-storm": lambda r: r.got.count(b"HTTP/1.1 102 ") == 1000
    and b"HTTP/1.1 200 OK" in r.got,
    "http-09": lambda r: json.loads(r.got)["choices"] and r.end == "closed",
    "length-and-chunked": lambda r: {"content-length", "transfer-encoding"} <= set(r.headers)
    and r.body.endswith(b"\r\n0\r\n\r\n"),
    "extra-bytes": lambda r: r.end == "open" and b"smuggled" in r.body,
    "model-other": lambda r: r.json()["model"] == "another-model",
    "id-other": lambda r: r.json()["id"] == "chatcmpl-0000000000000000",
    "choices-more": lambda r: len(r.json()["choices"]) == 3,
    "choices-fewer": lambda r: len(r.json()["choices"]) == 1,
    "index-duplicate": lambda r: [c["index"] for c in r.json()["choices"]] == [0, 0],
    "index-order": lambda r: [c["index"] for c in r.json()["choices"]] == [1, 0],
    "answer-swapped": lambda r: "1,200" not in r.choice()["message"]["reasoning"],
    "drip": lambda r: 20 < len(r.body) < 1000 and r.end == "open",
    "stall": lambda r: r.status == 200 and not r.body and r.end == "open",
    "silence": lambda r: not r.got and r.end == "open",
    "reset": lambda r: r.end == "reset",
    "redirect-file": redirect(302, "file:///"),
    "redirect-metadata": redirect(307, "http://169.254.169.254/"),
    "redirect-port": redirect(308, "http://127.0.0.1:9/"),
    "retry-after-negative": retry("-1"),
    "retry-after-huge": retry("1000000000000"),
    "retry-after-date": retry("Fri, 31 Dec 1999 23:59:59 GMT"),
    "retry-after-words": retry("soon"),
    "usage-missing": lambda r: "usage" not in r.json(),
    "usage-negative": lambda r: r.json()["usage"]["completion_tokens"] < 0,
    "usage-text": lambda r: isinstance(r.json()["usage"]["completion_tokens"], str),
    "usage-huge": lambda r: r.json()["usage"]["completion_tokens"] > 2**63,
    "echo-key": lambda r: content(r).startswith(KEY),
    "same-body": lambda r: r.json()["id"] == first_id and whole_json(r),
}
TWO = {"choices-more", "choices-fewer", "index-duplicate", "index-order"}
# Those that leave the connection open: what comes until then.
QUIET = {"drip": lambda got: len(got.partition(b"\r\n\r\n")[2]) > 20,
         "stall": lambda got: b"\r\n\r\n" in got,
         "silence": lambda got: True,
         "extra-bytes": lambda got: b"smuggled" in got}
first_id = None


def gzip_length(packed):
    unpack, n = zlib.decompressobj(31), 0
    while packed and not unpack.eof:
        n += len(unpack.decompress(packed, 1 << 24))
        packed = unpack.unconsumed_tail
    assert unpack.eof  # the checksum was right
    return n


def check_status(name, r):
    _, code, body = name.split("-")
    assert r.status == int(code), r.status
    if body == "empty":
        return r.body == b""
    if body == "html":
        return r.body.startswith(b"<html>")
    return "error" in json.loads(r.body)


def check(server, name):
    server.control(faults=f"{name}=1")
    before = len(server.lines())
    r = Raw(server, 2 if name in TWO else 1, 1 << 20 if name == "text-long" else 1 << 40,
            QUIET.get(name))
    good = check_status(name, r) if name.startswith("status-") else CHECKS[name](r)
    assert good, (name, r.status, r.end, r.headers, r.body[:300])
    wait_until(lambda: len(server.lines()) > before)
    line = server.lines()[before]
    assert line["fault"] == name and line["attempt"] > 0
    assert line["status"] == (200 if r.status in (None, 102) else r.status)


def all_faults(retort):
    global first_id
    listed = subprocess.run([retort, "teacher", "--list-faults"], check=True,
                            capture_output=True, text=True).stdout
    names = [line.split()[0] for line in listed.splitlines()]
    assert set(CHECKS) == {n for n in names if not n.startswith("status-")}
    with Server(retort, "--drip-ms", "10") as s:
        first_id = ok(s.chat())["id"]
        for name in names:
            check(s, name)
        s.control(faults=None)
        assert whole_json(Raw(s))
        wait_until(lambda: s.control()["running"] == 0)
        print(f"{len(names)} faults: each as its name says")


def resets_at_every_place(retort):
    """The place of the reset differs from seed to seed, from nothing to nearly all."""
    with Server(retort, "--faults", "reset=1") as s:
        sizes = []
        for seed in range(60):
            body = {"seed": seed, "messages": [{"role": "user", "content": PROMPT}]}
            k = socket.create_connection(("127.0.0.1", s.port))
            raw = json.dumps(body).encode()
            k.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
                      b"Content-Length: %d\r\n\r\n" % len(raw) + raw)
            got = 0
            try:
                while True:
                    part = k.recv(65536)
                    assert part, "an end in good order"
                    got += len(part)
            except ConnectionResetError:
                sizes.append(got)
            k.close()
        assert len(set(sizes)) > 20, sizes


def raw_files(retort):
    with Server(retort) as s:
        path = os.path.join(s.dir.name, "teapot.http")
        with open(path, "wb") as f:
            f.write(b"HTTP/1.1 418 I am a teapot\r\n\r\nshort and stout")
        with Server(retort, "--fault-file", path, "--fault-file-rate", "1") as t:
            r = Raw(t)
            assert (r.status, r.body, r.end) == (418, b"short and stout", "closed")
            assert t.lines()[0]["fault"] == "file:teapot.http"


def runs_repeat(retort):
    """The same requests are struck by the same faults; a retry may be spared."""
    def run(*options):
        with Server(retort, "--faults", "html=0.3,status-500-json=0.3", *options) as s:
            return [s.chat(seed=i % 40)[0] == 200 and s.lines()[-1]["fault"]
                    for i in range(80)]
    first = run()
    assert first == run() and first != run("--fault-seed", "1")
    assert first[:40] != first[40:]
    spared = run("--fault-attempts", "1")
    assert spared[:40] == first[:40] and set(spared[40:]) == {None}


def main():
    for test in (all_faults, resets_at_every_place, raw_files, runs_repeat):
        start = time.monotonic()
        test(sys.argv[1])
        print(f"{test.__name__}: ok, {time.monotonic() - start:.2f} s")


if __name__ == "__main__":
    main()
