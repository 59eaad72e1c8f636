#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every transcript of tests/data/answers, played by a real server to a real run.

usage: fixtures.py RETORT [--write] [API...]

A transcript is one prompt of a job that speaks its protocol. The server checks the
request - method, path, key, and its body as JSON against the transcript's `request:`
line - and answers with the transcript's body. What becomes of the sample must be what
the transcript says: stored with its texts and flags, or failed for its reason. With
--write, the requests that came are written into the transcripts instead.
"""
import collections
import glob
import http.server
import json
import os
import re
import sys
import threading

import rig
from rig import ROOT, Rig

DATA = os.path.join(ROOT, "tests", "data", "answers")
KEY = "a-key-for-fixtures"
KEY_HEADER = {"anthropic": ("x-api-key", KEY), "gemini": ("x-goog-api-key", KEY)}
BASE = {"ollama": "", "sglang": "", "llamacpp": "", "trl": ""}
# Aborts that name a status are judged by it: raw_prompts.py has them.
ABORTS = ("sglang", "abort_")
Case = collections.namedtuple("Case", "api name path request rules body expect")


def read_case(api, path):
    with open(path, "rb") as f:
        text = f.read()
    head, rest = re.split(rb"^rules: ", text, maxsplit=1, flags=re.M)
    rules, rest = rest.split(b"\nbody:\n", 1) if not rest.startswith(b"body") else (b"", rest)
    body, expect = re.split(rb"^expect:\n", rest, maxsplit=1, flags=re.M)
    body = re.sub(rb"(\\\\)|\\x([0-9a-f]{2})",
                  lambda m: m[1] or bytes([int(m[2], 16)]), body[:-1] if body else body)
    request = re.search(rb"^request: (.*)$", head, re.M)
    lines = dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "")
                 for line in expect.decode("utf-8", "replace").splitlines() if line)
    return Case(api, os.path.basename(path)[:-5], path,
                json.loads(request[1]) if request else None, rules.decode(), body, lines)


def cases_of(api):
    return [read_case(api, p) for p in sorted(glob.glob(os.path.join(DATA, api, "*.case")))]


def group_of(case):
    """What a job must have in common to play the case; None if no job can."""
    k = int(re.search(r"k=(\d+)", case.rules)[1])
    required = "required" in case.rules
    scored = "scored" in case.rules
    if scored and len(given_of(case)) <= prompt_len_of(case):
        return None
    if "body_max" in case.rules or case.path.startswith(os.path.join(DATA, *ABORTS)):
        return None
    if case.api == "anthropic" and k and required:
        return None
    model = re.search(rb'"model(?:Version)?":\s?"([^"\\]+)"', case.body)
    return (k, required, "stream" in case.rules, model[1].decode() if model else "m", scored)


def given_of(case):
    found = re.search(r"given=(\S+)", case.rules)
    return json.loads(found[1]) if found else []


def prompt_len_of(case):
    return int(re.search(r"scored=(\d+)", case.rules)[1])


def line_of(case, scored):
    if not scored:
        return {"id": case.name, "prompt": "play " + case.name}
    return {"id": case.name, "input_ids": given_of(case),
            "prompt_len": prompt_len_of(case)}


class Player:
    """The server."""

    def __init__(self, cases):
        self.cases = {c.name: c for c in cases}
        self.got = {}
        player = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.reply(b'{"object":"list","data":[]}', "application/json")

            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                name = re.search(r"play (\S+?)[\"\\]", json.dumps(request))
                case = player.cases[name[1]] if name else cases[len(player.got)]
                name, value = KEY_HEADER.get(case.api, ("authorization", "Bearer " + KEY))
                assert self.headers[name] == value, (name, self.headers[name])
                if case.api == "anthropic":
                    assert self.headers["anthropic-version"] == "2023-06-01"
                player.got[case.name] = {"path": self.path, "body": request}
                self.reply(case.body, "text/event-stream" if "stream" in case.rules
                           else "application/json")

            def reply(self, body, kind):
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def text_of(expected):
    return None if expected == "null" else json.loads(expected)


def check_stored(case, row):
    assert case.expect["reason"] == "none", "stored, not %s" % case.expect["reason"]
    for key in ("content", "reasoning", "refusal"):
        # What think.h takes out of the content is not the reader's affair.
        if key in case.expect and "<think>" not in case.expect.get("content", ""):
            assert row[key] == text_of(case.expect[key]), (key, row[key])
    if "tool_calls" in case.expect:
        want = case.expect["tool_calls"]
        assert row["tool_calls"] == (None if want == "null" else json.loads(want))
    if "flags" in case.expect:
        missing = set(case.expect["flags"].split()) - set(row["flags"])
        assert not missing, (missing, row["flags"])
    if "usage" in case.expect:
        want = [None if n == "-" else int(n) for n in case.expect["usage"].split()]
        got = [row["usage"][n] for n in ("prompt_tokens", "cached_prompt_tokens",
                                         "completion_tokens", "reasoning_tokens")]
        assert got == want, (got, want)
    if case.expect.get("rows", "-") != "-":
        assert len(row["token_ids"]) == int(case.expect["rows"].split()[0])


def play(retort, api, group, cases, write):
    k, required, stream, model, scored = group
    how = {"sampling": {"n": 1, "max_tokens": 100, "seed": None}}
    if scored:
        # Ids have no room for a name: one after the other, in the corpus' order.
        how = {"sampling": dict.fromkeys(("max_tokens", "seed", "temperature"), None) | {"n": 1},
               "mode": "score"}
    player = Player(cases)
    wrong = []
    with Rig(retort) as r:
        r.corpus([line_of(c, scored) for c in cases])
        r.job(player.port, probe=False, teacher={
            "url": "http://127.0.0.1:%d%s" % (player.port, BASE.get(api, "/v1")), "api": api,
            "model": model, "stream": stream, "api_key_env": "TEACHER_KEY",
            "max_in_flight": 1 if scored else 32,
            "server": "openai" if api == "openai-chat" else "auto"},
            logits={"top_logprobs": k, "required": required}, retry={"attempts": 1},
            cut_loops={"repeats": 6, "bytes": 300}, **how)
        child = r.start()
        out, _ = child.communicate(timeout=120)
        assert child.returncode in (0, 3), out
        r.check_sanitizers()
        r.verify()
        stored = {row["id"]: row for row in r.export("--logits")}
        failed = {cases[f["prompt_no"]].name: f["reason"] for f in r.query("select * from failures")}
    player.close()
    for case in cases:
        try:
            got = player.got[case.name]
            if write:
                write_request(case, got)
            else:
                assert case.request == got, "asked with %s" % json.dumps(got)
            if case.name in stored:
                check_stored(case, stored[case.name])
            else:
                assert failed[case.name] == case.expect["reason"], failed[case.name]
        except (AssertionError, KeyError) as e:
            wrong.append("%s/%s: %r" % (api, case.name, e))
    return wrong


def write_request(case, got):
    with open(case.path, "rb") as f:
        text = f.read()
    line = b"request: " + json.dumps(got, ensure_ascii=False).encode() + b"\n"
    if case.request:
        text = re.sub(rb"^request: .*\n", lambda m: line, text, count=1, flags=re.M)
    else:
        text = re.sub(rb"^rules: ", lambda m: line + m[0], text, count=1, flags=re.M)
    with open(case.path, "wb") as f:
        f.write(text)


def main():
    retort, write = sys.argv[1], "--write" in sys.argv
    rig.ENV["TEACHER_KEY"] = KEY
    apis = [a for a in sys.argv[2:] if a != "--write"] or sorted(os.listdir(DATA))
    wrong, played, left_out = [], 0, 0
    for api in apis:
        groups = collections.defaultdict(list)
        for case in cases_of(api):
            groups[group_of(case)].append(case)
        left_out += len(groups.pop(None, []))
        for group, cases in groups.items():
            wrong += play(retort, api, group, cases, write)
            played += len(cases)
    print("%d transcripts played, %d left to the unit test, %d wrong" % (
        played, left_out, len(wrong)))
    print("\n".join(wrong))
    assert not wrong and played > 0


if __name__ == "__main__":
    main()
