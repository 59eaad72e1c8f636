#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline against a real server with a real model.

usage: pipeline.py RETORT WORK [option...]      (run.sh calls it)

Asks GSM8K problems, exports what was stored, holds it against what the server says
about itself, and hands it to truth.py, which evaluates every sample again.
"""
import argparse
import collections
import contextlib
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "system")]

import rig  # noqa: E402
from server import LlamaServer  # noqa: E402

K = 20


class Folder(rig.Rig):
    """A rig in the ignored folder, that stays to be looked at."""

    def __init__(self, retort, folder, keep):
        super().__init__(retort, "real")
        os.rmdir(self.dir)
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
        self.dir = folder
        self.run_dir = self.path(self.name + ".run")
        self.job_path = self.path("job.json")

    def __exit__(self, kind, value, trace):
        for child in self.children:
            if child.poll() is None:
                child.terminate()
                child.wait()
        if kind is not None:
            self.print_logs()
            print("left to look at:", self.dir, file=sys.stderr)


def corpus(path, count):
    """Whole lines of the corpus; problems of our own where there is none."""
    if path is None:
        path = os.path.join(rig.SHARED, "gsm8k-test.jsonl")
        if not os.path.exists(path):
            print("no GSM8K beside the project: problems of the project's own generator")
            return rig.problems(count)
    with open(path, encoding="utf-8") as f:
        lines = [json.loads(line) for line in itertools.islice(f, count)]
    assert len(lines) == count, "%s has only %d lines" % (path, len(lines))
    return lines


def ask_all(r, servers, args):
    """One whole run; the seconds it took."""
    lines = corpus(args.corpus, args.prompts)
    native = args.api == "llamacpp"
    if native:
        # No template is applied there, by nobody: the tokens that a chat would have.
        lines = [{"id": "p%d" % i, "input_ids": servers[0].prompt_ids(
            [{"role": "user", "content": line["question"]}])} for i, line in enumerate(lines)]
    r.corpus(lines)
    # Temperature 1 and nothing cut off: what is sampled is what is listed, so that
    # the calibration below can be told.
    r.job(0, template=None if native else "{{question}}",
          teacher={"url": ["http://127.0.0.1:%d%s" % (s.port, "" if native else "/v1")
                           for s in servers],
                   "model": servers[0].model_name, "max_in_flight": args.slots,
                   "api": args.api, "logprobs_mode": "raw"},
          sampling={"n": args.samples, "temperature": 1, "top_p": 1, "top_k": 0, "min_p": 0,
                    "max_tokens": args.max_tokens, "stop": args.stop},
          logits={"top_logprobs": K, "profile": args.profile})
    begun = time.monotonic()
    r.run(timeout=6 * 3600)
    p = r.progress()
    assert p["samples_committed"] == args.prompts * args.samples, p
    assert p["samples_failed"] == 0 and p["prompts_failed"] == 0, p
    r.verify()
    return time.monotonic() - begun


def add_prompt_ids(samples, server):
    """A sample's prompt ids: those that the server gave, else by its own template and
    tokenizer; their number must be the one it counted."""
    given, cache = 0, {}
    for s in samples:
        if s["prompt_token_ids"]:
            given += 1
        else:
            if s["prompt_no"] not in cache:
                cache[s["prompt_no"]] = server.prompt_ids(s["prompt"])
            s["prompt_token_ids"] = cache[s["prompt_no"]]
        assert len(s["prompt_token_ids"]) == s["usage"]["prompt_tokens"], (
            s["id"], len(s["prompt_token_ids"]), s["usage"])
    print("  prompt token ids: %d samples have them from the answer, %d from the server's "
          "/apply-template and /tokenize" % (given, len(samples) - given))


def check_rows(samples, max_tokens):
    flags, finishes, wide = collections.Counter(), collections.Counter(), collections.Counter()
    tokens = 0
    for s in samples:
        where = "%s sample %d" % (s["id"], s["sample"])
        n = len(s["token_ids"] or [])
        assert n > 0, "%s has no rows" % where
        assert len(s["logprobs"]) == len(s["top_ids"]) == len(s["top_logprobs"]) == n, where
        assert s["finish_reason"] in ("stop", "length"), (where, s["finish_reason"])
        if s["finish_reason"] == "length":
            assert s["usage"]["completion_tokens"] == max_tokens, (where, s["usage"])
        assert s["logprobs_mode"] == "raw", where
        for i, (ids, listed) in enumerate(zip(s["top_ids"], s["top_logprobs"])):
            assert len(ids) == len(listed) == len(set(ids)), (where, i)
            assert listed == sorted(listed, reverse=True), (where, i)
            wide[len(ids)] += 1
            assert ids or s["logprobs"][i] is None, (where, i)
            if s["token_ids"][i] in ids and s["logprobs"][i] is not None:
                own = listed[ids.index(s["token_ids"][i])]
                assert abs(own - s["logprobs"][i]) < 0.003, (where, i, own, s["logprobs"][i])
        tokens += n
        flags.update(s["flags"])
        finishes[s["finish_reason"]] += 1
    print("  %d samples, %d rows; candidates a row: %s; finished: %s; flags: %s" % (
        len(samples), tokens, dict(wide), dict(finishes), dict(flags) or "none"))
    return flags


def check_text(samples, pieces):
    """Token ids against texts, with the vocabulary read from the model file: the bytes
    of all tokens are the answer, those of a span are that text (where it was cut within a
    character, U+FFFD stands for what there is of it), and a sample that ended by itself
    ends with an end token and says so."""
    whole = spans = ends = 0
    for s in samples:
        where = "%s sample %d" % (s["id"], s["sample"])
        if "misaligned" in s["flags"]:
            continue
        ids, content = s["token_ids"], (s["content"] or "").encode()
        told = b"".join(pieces[i] for i in ids)
        whole += told.decode("utf-8", "replace") == s["content"]
        assert content.strip() in told or b"\xef\xbf\xbd" in content, (where, told, content)
        span = s["spans"]["content"]
        if span:
            part = b"".join(pieces[i] for i in ids[span[0]:span[1]])
            assert part.decode("utf-8", "replace") == s["content"], (where, span, part, content)
            spans += 1
        if s["top_ids"][-1]:
            assert s["eos_row"] is (ids[-1] in s["end_ids"]), (where, s["eos_row"], ids[-1])
            assert (s["finish_reason"] == "stop") is s["eos_row"], (where, s["finish_reason"])
        ends += s["eos_row"] or 0
        extra = s["usage"]["completion_tokens"] - len(ids)
        assert extra == 0, (where, extra)
    print("  %d answers are their tokens' bytes; %d spans are the content's; %d "
          "end rows" % (whole, spans, ends))


def check_flagged(samples):
    """How many samples the server itself gave too few rows, and no ids of all tokens:
    those that end within a character have none. No other may be flagged, and all of
    these must be."""
    n = 0
    for s in samples:
        short = s["usage"]["completion_tokens"] != len(s["token_ids"])
        assert ("misaligned" in s["flags"]) is short, (s["id"], s["sample"], s["flags"])
        n += short
    print("  %d samples lack rows for tokens that end within a character, and are flagged "
          "misaligned; no other is" % n)
    return n


def ends_within(text):
    """As the server looks at it: a first byte near the end, and too few behind it."""
    return any(0xc0 <= c < 0xf8 and n < (4 if c >= 0xf0 else 3 if c >= 0xe0 else 2)
               for n, c in enumerate(reversed(text[-3:]), 1))


def check_absent(samples, pieces):
    """A token has no row just where the text ends within a character behind it, or
    where a stop word has cut off the last rows."""
    within = cut = several = 0
    for s in samples:
        if "misaligned" in s["flags"]:
            continue
        text, absent, wanted = b"", [], []
        for i, token in enumerate(s["token_ids"]):
            text += pieces[token]
            absent += [i] if not s["top_ids"][i] else []
            wanted += [i] if ends_within(text) else []
        first_cut = len(s["token_ids"])
        while (s["finish_reason"] == "stop" and s["token_ids"][-1] not in s["end_ids"]
               and first_cut - 1 in absent):
            first_cut -= 1
        assert [i for i in absent if i < first_cut] == [i for i in wanted if i < first_cut], (
            s["id"], s["sample"], absent, wanted)
        assert bool(absent) is ("logits_partial" in s["flags"]), (s["id"], s["sample"])
        within += sum(i < first_cut for i in absent)
        several += any(i < first_cut for i in absent)
        cut += len(s["token_ids"]) - first_cut
    print("  %d tokens of %d aligned samples have no row, since the text ends within a "
          "character behind each; %d rows were cut off by stop words" % (within, several, cut))


def check_vocabulary(r, samples, pieces):
    """What the dataset has learnt about the bytes behind ids."""
    import format_reader
    dataset = format_reader.Dataset(os.path.join(r.run_dir, "dataset"))
    vocabulary = next(dataset.samples()).logits().vocabulary
    listed = {i for s in samples for ids in s["top_ids"] for i in ids}
    told, wrong = 0, []
    for token_id in sorted(listed):
        stored = dataset.token(vocabulary, token_id)
        told += stored is not None
        if stored not in (None, pieces[token_id]):
            wrong.append((token_id, stored, pieces[token_id]))
    dataset.close()
    print("  the dataset knows the bytes of %d of %d listed ids, %d of them wrongly" % (
        told, len(listed), len(wrong)))
    assert not wrong, wrong[:5]


def check_calibration(samples):
    """Needs no truth: as often as the model says, the first of the list is taken."""
    n = hits = 0
    expected = variance = 0.0
    for s in samples:
        for x, ids, listed in zip(s["token_ids"], s["top_ids"], s["top_logprobs"]):
            if not ids:
                continue
            p = min(1.0, math.exp(listed[0]))
            n, hits = n + 1, hits + (x == ids[0])
            expected, variance = expected + p, variance + p * (1 - p)
    z = (hits - expected) / math.sqrt(variance)
    print("  calibration: %.4f of the sampled tokens are the list's first, %.4f expected "
          "(%.1f sigma)" % (hits / n, expected / n, z))
    assert abs(z) < 5, z


def truth(work, args, *more):
    """truth.py, in the environment that has the model's library."""
    env = dict(os.environ, PYTHONPATH=os.path.join(work, "python"),
               LLAMA_CPP_LIB_PATH=os.path.join(work, "llama"))
    return subprocess.run(
        [os.path.join(work, "venv", "bin", "python"), os.path.join(HERE, "truth.py"),
         os.path.join(work, "model.gguf"), *more, "--jobs", str(args.jobs)],
        env=env).returncode


def collect(r, work, args):
    """The run and its export, with prompt ids, as samples.jsonl."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(LlamaServer(work, n, args.slots, rig.wait_until))
                   for n in range(args.jobs)]
        server = servers[0]
        seconds = ask_all(r, servers, args)
        print("  %s: %d prompts x %d in %.0f s, %.0f tokens/s; %d requests asked again" % (
            args.api, args.prompts, args.samples, seconds,
            r.progress()["completion_tokens"] / seconds,
            r.progress()["requests_retried"]))
        samples = r.export("--logits")
        assert len(samples) == args.prompts * args.samples, len(samples)
        add_prompt_ids(samples, server)
        for s in samples:
            s["end_ids"] = server.end_ids()
        r.write("samples.jsonl", "".join(json.dumps(s) + "\n" for s in samples))


def check(r, work, samples, args):
    more = ["--most", str(args.truth)] if args.truth else []
    if args.topk:
        more += ["--topk", work]
    flags = check_rows(samples, args.max_tokens)
    code = truth(work, args, r.path("samples.jsonl"), "--ids", r.path("ids.json"), *more)
    with open(r.path("ids.json")) as f:
        pieces = [bytes.fromhex(p) for p in json.load(f)]
    check_text(samples, pieces)
    check_absent(samples, pieces)
    check_vocabulary(r, samples, pieces)
    check_calibration(samples)
    assert code == 0, "the stored logits are not the model's"
    misaligned = check_flagged(samples)
    assert flags["misaligned"] == misaligned, flags
    assert args.api != "llamacpp" or misaligned == 0


def main():
    options = argparse.ArgumentParser(prog="run.sh")
    options.add_argument("retort")
    options.add_argument("work")
    options.add_argument("--prompts", type=int, default=200)
    options.add_argument("--samples", type=int, default=2)
    options.add_argument("--max-tokens", type=int, default=256)
    options.add_argument("--corpus", help="JSON lines with a question (default: GSM8K's "
                         "test set beside the project, else problems of our own)")
    options.add_argument("--api", default="openai-chat", choices=("openai-chat", "llamacpp"))
    options.add_argument("--profile", default="fine", choices=("exact", "fine", "compact"))
    options.add_argument("--stop", action="append", help="a stop word; several are possible")
    options.add_argument("--slots", type=int, default=2, help="requests at once, of a server")
    options.add_argument("--jobs", type=int, default=os.cpu_count(),
                         help="servers, and processes of the truth, of one thread each")
    options.add_argument("--truth", type=int, default=0, help="samples that are evaluated "
                         "again (all)")
    options.add_argument("--topk", action="store_true",
                         help="write the top-k lists for the packing bench")
    options.add_argument("--name", help="of the folder in .work that the run is left in")
    options.add_argument("--again", action="store_true",
                         help="only check the samples of the last run once more")
    args = options.parse_args()
    work = os.path.abspath(args.work)
    folder = os.path.join(work, args.name or "run-" + args.api)
    with Folder(args.retort, folder, args.again) as r:
        if not args.again:
            collect(r, work, args)
        with open(r.path("samples.jsonl"), encoding="utf-8") as f:
            samples = [json.loads(line) for line in f]
        check(r, work, samples, args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
