#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ids from a tokenizer.json for teachers that give only strings or bytes.

usage: tokenizer.py RETORT [TEST...]

The built-in teacher's vocabulary, which tests/teacher_twin.py knows, is written as a
tokenizer.json. In the dialects that give no ids every stored id must then be the twin's;
but for the two ids that share their text, and for tokens whose bytes the server has not
shown: those have none.
"""
import collections
import json
import os
import re

from rig import Rig, Server, kill_role, main, problems
from teacher_twin import EOS, Teacher, V

K = 12
VOCABULARY = Teacher().vocabulary
TABLE = VOCABULARY.table
SO = TABLE.index(b" so")
TWINS = {SO, V - 1}


def gpt2_alphabet():
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in own]
    return {**{b: chr(b) for b in own}, **{b: chr(256 + n) for n, b in enumerate(others)}}


def tokenizer(decoder=None, changed=None):
    """The teacher's vocabulary; marks and the second " so" are added tokens."""
    letters = gpt2_alphabet()
    added = [x for x in range(V) if VOCABULARY.is_special(x) or x == V - 1]
    vocab = {"".join(letters[b] for b in TABLE[x]): x for x in range(V) if x not in added}
    assert len(vocab) + len(added) == V
    vocab.update(changed or {})
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": x, "content": TABLE[x].decode(), "single_word": False,
                              "lstrip": False, "rstrip": False, "normalized": False,
                              "special": x != V - 1} for x in added],
            "normalizer": None, "pre_tokenizer": level, "post_processor": None,
            "decoder": decoder or level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None,
                      "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "vocab": vocab,
                      "merges": ["a b", "c d"]}}


def start(r, t, prompts=40, teacher=None, indent=None, **changes):
    r.corpus(problems(prompts))
    r.write("tokenizer.json", json.dumps(tokenizer(), ensure_ascii=False, indent=indent))
    return r.job(t.port, teacher={"tokenizer": "tokenizer.json", **(teacher or {})},
                 sampling={"temperature": 1.3, "max_tokens": 300},
                 logits={"top_logprobs": K}, **changes)


def events(r, kind):
    return [e["detail"] for e in r.query("select * from event where kind = ?", kind)]


class Counts:
    """Compares stored ids with the twin's; hidden: an id that the server's way to show
    it cannot tell."""

    def __init__(self, hidden, eos_row):
        self.hidden, self.eos_row = hidden, eos_row
        self.teacher, self.seen = Teacher(), collections.Counter()

    def id(self, got, want, where):
        if want in TWINS or self.hidden(want):
            assert got is None, (where, got, want)
            self.seen["twins" if want in TWINS else "hidden"] += 1
        else:
            assert got == want, (where, got, want, TABLE[want])
            self.seen["equal"] += 1

    def sample(self, s):
        prompt = self.teacher.prompt(s["prompt"])
        ids, _, _, _ = prompt.sample(s["provenance"]["seed"], 300, T=1.3)
        if ids[-1] == EOS and not self.eos_row:
            ids.pop()
        assert len(s["token_ids"]) == len(ids), s["id"]
        state = prompt.start
        for i, x in enumerate(ids):
            where = (s["id"], s["sample"], i)
            row = prompt.row(state)
            self.id(s["token_ids"][i], x, where)
            top = row.top(K)
            got = s["top_ids"][i]
            # Sorted by logprob, which the twin's ranks are too: strictly falling.
            assert len(got) == len(top), where
            for place, (a, b) in enumerate(zip(got, top)):
                # Of two candidates with equal texts neither is known, as ever.
                self.id(a, b, (*where, place))
            state = prompt.next(state, x, row)


def samples_of(r, t):
    samples = r.export("--logits")
    r.verify()
    digests = {line["nonce"]: line["digest"] for line in r.teacher_ledger(t)}
    assert all(s["provenance"]["request_id"] in digests for s in samples)
    return samples


def stored(r):
    """What the dataset has beside: whose ids they are, and the whole table."""
    try:
        import format_reader
    except SystemExit as missing:
        print("SKIPPED: the dataset is not looked at: %s" % missing)
        return
    dataset = format_reader.Dataset(os.path.join(r.run_dir, "dataset"))
    with open(os.path.join(r.run_dir, "job.json"), encoding="utf-8") as f:
        digest = json.load(f)["teachers"][0]["tokenizer"]
    for sample in dataset.samples():
        logits = sample.logits()
        assert not logits.interned and logits.vocabulary == 0
        assert "%016x" % logits.tokenizer == digest["digest"]
    for x in range(V):
        assert dataset.token(0, x) == TABLE[x], x
    dataset.close()


def exact_bytes(retort):
    """OpenAI's way: each token's bytes, halves of characters too, and no ids."""
    with Server(retort, "--dialect", "openai") as t, Rig(retort) as r:
        start(r, t)
        r.run(workers=2)
        counts = Counts(hidden=lambda x: False, eos_row=False)
        for s in samples_of(r, t):
            counts.sample(s)
        assert counts.seen["equal"] > 30000 and counts.seen["twins"] > 20, counts.seen
        assert counts.seen["hidden"] == 0
        stored(r)
        [told] = events(r, "tokenizer")
        assert re.fullmatch(r't0: 32768 ids, byte-level BPE; 2 of them cannot be told apart by '
                            r'their bytes: %d and %d are " so"' % (SO, V - 1), told), told
        unknown = events(r, "tokenizer_unknown")
        assert unknown and unknown[0].startswith("t0: 0 tokens of answers are not"), unknown
        assert events(r, "tokenizer_differs") == []
        # libretort and show know every id's bytes.
        row = r.export("--logits")[0]
        shown = r.command("show", r.run_dir, row["id"], "0", "--logits")
        assert shown.returncode == 0 and "own vocabulary" not in shown.stdout, shown
        print("  " + str(dict(counts.seen)))


def strings_with_broken_characters(retort):
    """SGLang's way: bytes are those of the text, in which half a character is U+FFFD."""
    def hidden(x):
        try:
            return not TABLE[x].decode()
        except UnicodeDecodeError:
            return True

    with Server(retort, "--dialect", "sglang") as t, Rig(retort) as r:
        start(r, t, indent=2)
        r.run()
        counts = Counts(hidden, eos_row=True)
        for s in samples_of(r, t):
            counts.sample(s)
        assert counts.seen["equal"] > 30000 and counts.seen["hidden"] > 100, counts.seen
        print("  " + str(dict(counts.seen)))


def killed_on_the_way(retort):
    """Store and coordinator killed while the table travels and after: the ids are
    the same, and nothing is stored before the table is whole."""
    with Server(retort, "--dialect", "openai") as t, Rig(retort) as r:
        start(r, t, prompts=30)
        child = r.start(workers=1)
        for n in range(8):
            if not kill_role(child, "store" if n % 2 else "coordinator"):
                break
        child.communicate(timeout=300)
        if child.returncode != 0:
            r.run()
        counts = Counts(hidden=lambda x: False, eos_row=False)
        for s in samples_of(r, t):
            counts.sample(s)
        assert r.progress()["samples_committed"] == 60
        stored(r)


def ids_of_its_own(retort):
    """A teacher that gives ids is held against the table, and told on once."""
    letters = gpt2_alphabet()
    with Server(retort, "--dialect", "vllm") as t, Rig(retort) as r:
        start(r, t, prompts=20)
        r.run()
        assert events(r, "tokenizer_differs") == []
        used = collections.Counter()
        for s in samples_of(r, t):
            used.update(s["token_ids"])
        stored(r)
    # Two words that are used much change places.
    a, b = [x for x, _ in used.most_common() if x >= 1024][:2]
    piece = {x: "".join(letters[c] for c in TABLE[x]) for x in (a, b)}
    with Server(retort, "--dialect", "vllm") as t, Rig(retort) as r:
        start(r, t, prompts=20)
        r.write("tokenizer.json", json.dumps(tokenizer(changed={piece[a]: b, piece[b]: a})))
        r.run(workers=2)
        told = events(r, "tokenizer_differs")
        assert len(told) == 1 and re.match(r"t0 0: token id (%d|%d) " % (a, b), told[0]), told
        # What the teacher said of its ids is what was stored.
        counts = Counts(hidden=lambda x: False, eos_row=True)
        for s in samples_of(r, t):
            ids, _, _, _ = counts.teacher.prompt(s["prompt"]).sample(
                s["provenance"]["seed"], 300, T=1.3)
            assert s["token_ids"] == ids


def another_tokenizer(retort):
    """A changed file is a new meaning; a broken one stops before anything is asked."""
    with Server(retort, "--dialect", "openai") as t, Rig(retort) as r:
        start(r, t, prompts=4)
        r.run()
        first = r.export("--logits")
        # The same file elsewhere is the same.
        os.rename(r.path("tokenizer.json"), r.path("moved.json"))
        job = r.job(t.port, teacher={"tokenizer": "moved.json"},
                    sampling={"temperature": 1.3, "max_tokens": 300},
                    logits={"top_logprobs": K})
        r.run()
        with open(r.path("moved.json"), "a") as f:
            f.write("\n")
        done = r.command("run", r.job_path)
        assert done.returncode != 0
        with open(os.path.join(r.run_dir, "log", "coordinator.log")) as f:
            assert "teachers[0].tokenizer has changed" in f.read() + done.stderr
        job["sampling"]["n"] = 3
        r.write("job.json", json.dumps(job))
        r.run("--new-settings")
        rows = r.export("--logits")
        assert len(rows) == 12 and {s["provenance"]["settings"] for s in rows} == {0, 1}
        assert [s for s in rows if s["sample"] < 2] == first
        r.verify()

        for text, want in (
                ("{", r"tokenizer.json:1:\d+: "),
                (json.dumps(tokenizer(decoder={"type": "WordPiece"})), "WordPiece"),
                (json.dumps({"model": {"type": "WordPiece", "vocab": {"a": 0}}}),
                 "tokenizer.json:1:.*model.type: .*WordPiece")):
            r.write("tokenizer.json", text)
            r.job(t.port, name="other", teacher={"tokenizer": "tokenizer.json"})
            for command in ("run", "check"):
                done = r.command(command, r.job_path)
                assert done.returncode == 2, done
                assert re.search(r"job.json:1:\d+: teachers\[0\].tokenizer: .*" + want,
                                 done.stderr), done.stderr
        assert not os.path.exists(r.path("other.run"))


def check_says_what_it_is(retort):
    with Server(retort, "--dialect", "openai") as t, Rig(retort) as r:
        start(r, t, prompts=2)
        done = r.command("check", r.job_path)
        assert done.returncode == 0, done
        assert "32768 ids, byte-level BPE; 2 of them cannot be told apart" in done.stdout, done
        assert '%d and %d are " so"' % (SO, V - 1) in done.stdout
        done = r.command("check", "--json", r.job_path)
        [told] = json.loads(done.stdout)["tokenizers"]
        assert told["ids"] == told["vocabulary_size"] == V and told["collided"] == 2, told
        # A job may insist on one file.
        for digest, code in ((told["digest"], 0), ("0" * 15 + "1", 2)):
            start(r, t, prompts=2, teacher={
                "tokenizer": {"file": "tokenizer.json", "digest": digest}})
            done = r.command("check", r.job_path)
            assert done.returncode == code, done
        assert told["digest"] in done.stderr, done.stderr


if __name__ == "__main__":
    main(exact_bytes, strings_with_broken_characters, killed_on_the_way, ids_of_its_own,
         another_tokenizer, check_says_what_it_is)
