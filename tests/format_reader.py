#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A reader of datasets, written from store/FORMAT.md alone.

Captures of logits are format_logits.py's. It shares no code with the program: what it
reads differently is a fault of the page or of one of the two. Every seal is checked on
the way.

    format_reader.py DATASET [--logits]

prints one JSON object for each live sample, with the keys of the jsonl export.
Needs the packages python3-lmdb, python3-zstandard and python3-xxhash (Debian).
"""
import collections
import datetime
import json
import math
import struct
import sys

from format_logits import NONE32, Damaged, Logits, require, varint

try:
    import lmdb
    import xxhash
    import zstandard
except ImportError as missing:
    sys.exit("format_reader.py: %s; on Debian: apt-get install python3-lmdb "
             "python3-zstandard python3-xxhash, and run it with /usr/bin/python3" % missing)

FINISH = ["other", "stop", "stop", "length", "tool_calls", "content_filter"]
FLAGS = ["truncated", "filtered", "refused", "looping", "misaligned", "no_content",
         "unclosed_reasoning", "no_usage", "logits_missing", "logits_partial",
         "duplicate_elsewhere"]
SCORES = ["length", "repetition", "compression_ratio", "finish", "refusal", "confidence",
          "entropy", "answer"]
RULES = [None, "rows_not_tokens", "row_of_other_id", "usage_not_rows",
         "sampled_not_its_entry", "sampled_above_list", "sampled_missing", "sum_above_one",
         "listed_twice", "list_short", "tail_unexplained", "draft_token",
         "token_not_its_bytes", "text_not_in_tokens", "span_outside_rows"]
MISALIGNED = 16
MEANING = ["unknown", "raw", "processed"]
NONE64 = 0xffffffffffffffff

STREAM, REASONING, CONTENT, TOOL_CALLS, REFUSAL = 1, 2, 3, 4, 5
MODEL, FINGERPRINT, REQUEST_ID, ENDPOINT, SCORED = 8, 9, 10, 11, 13
PROMPT_ID, PROMPT_MESSAGES, PROMPT_REFERENCE, PROMPT_EXTRA, PROMPT_REQUEST = 1, 2, 3, 4, 5

PASSES, PASSES_AS_DUPLICATE = 1, 2


def open_seal(key, value):
    require(len(value) >= 8, "no seal")
    length, checksum = struct.unpack_from("<II", value)
    payload = value[8:]
    require(length == len(payload), "wrong length")
    seed = xxhash.xxh3_64_intdigest(key)
    require(xxhash.xxh3_64_intdigest(payload, seed=seed) & NONE32 == checksum,
            "wrong checksum")
    return payload


def read_sections(data):
    """{kind: bytes}; a kind that is absent is not in it."""
    found, at = {}, 0
    while at < len(data):
        kind, form = data[at], data[at + 1]
        at += 2
        require(form in (0, 1), "unknown form of section")
        if form == 1:
            offset, at = varint(data, at)
            length, at = varint(data, at)
            text = found[STREAM][offset:offset + length]
        else:
            length, at = varint(data, at)
            text = data[at:at + length]
            at += length
        require(len(text) == length and kind not in found, "bad section")
        found[kind] = text
    return found


class Key(collections.namedtuple("Key", "prompt sample revision store")):
    FORM = ">QIIH"

    @classmethod
    def read(cls, key):
        return cls(*struct.unpack(cls.FORM, key))


class Entry(collections.namedtuple("Entry", "key sequence fingerprint bits")):
    pass


class Head:
    """The 200 bytes of a record."""

    def __init__(self, v):
        require(len(v) == 200 and v[0] == 1, "bad record head")
        self.finish = v[1]
        (self.store, self.flags, self.prompt, self.sample, self.revision, self.shard,
         self.epoch, self.fingerprint, self.settings, self.teacher, self.endpoint,
         self.created_ms, self.latency_ms, self.attempts, self.captures, self.seed,
         self.prompt_tokens, self.cached_tokens, self.completion_tokens,
         self.reasoning_tokens, self.cost, self.failed_cost, self.failed_prompt_tokens,
         self.failed_completion_tokens, self.reasoning_bytes, self.content_bytes,
         self.tokens) = struct.unpack_from("<HIQIIQQQIHHqIHHQIIIIqqIIIII", v, 2)
        self.reasoning_span = struct.unpack_from("<II", v, 132)
        self.content_span = struct.unpack_from("<II", v, 140)
        self.eos_row, self.meaning, self.rule, self.choice = v[148], v[149], v[150], v[151]
        self.scores = struct.unpack_from("<12f", v, 152)


class Sample:
    """A live sample, with what the others of its prompt make of it."""

    def __init__(self, dataset, entry, head):
        self.dataset, self.entry, self.head = dataset, entry, head
        self.duplicate_of = None
        self.accepted = False

    @property
    def texts(self):
        return self.dataset.texts(self.entry.sequence)

    @property
    def prompt(self):
        return self.dataset.prompt(self.head.prompt, self.head.settings)

    @property
    def prompt_token_ids(self):
        return self.dataset.prompt_token_ids(self.head.prompt, self.head.settings)

    def first_capture(self):
        """The first that lists a candidate, or else the first."""
        there = [c for c in range(16) if self.head.captures >> c & 1]
        return next((c for c in there if any(self.logits(c).top_ids)), (there + [None])[0])

    def logits(self, capture=0):
        if not self.head.captures >> capture & 1:
            return None
        return self.dataset.logits(self.entry.sequence, capture)


class Dataset:
    def __init__(self, path):
        self.env = lmdb.open(path, readonly=True, max_dbs=16, create=False)
        self.txn = self.env.begin()
        self.db = {}
        for name in ("meta", "key", "record", "text", "logits", "prompt", "prompt_key",
                     "vocab", "shard", "raw"):
            try:
                self.db[name] = self.env.open_db(name.encode(), txn=self.txn, create=False)
            except lmdb.NotFoundError:
                require(name in ("shard", "raw"), "no database '%s'" % name)
        require(struct.unpack("<I", self.meta("format"))[0] == 1, "another format")
        self.plain_zstd = zstandard.ZstdDecompressor()
        self.dictionaries = {}

    def close(self):
        self.txn.abort()
        self.env.close()

    # Values.

    def get(self, name, key):
        value = self.txn.get(key, db=self.db[name])
        return None if value is None else open_seal(key, value)

    def get_parts(self, name, key):
        joined, part = b"", 0
        while True:
            value = self.txn.get(key + bytes([part]), db=self.db[name])
            if value is None and part == 0:
                return None
            require(value is not None, "a part is missing")
            joined += value
            part += 1
            if len(joined) >= 8 and len(joined) >= 8 + struct.unpack_from("<I", joined)[0]:
                return open_seal(key + b"\0", joined)

    def unpack(self, payload):
        codec, dictionary, length = struct.unpack_from("<BII", payload)
        body = bytes(payload[9:])
        if codec == 1:
            body = self.zstd(dictionary).decompress(body, max_output_size=length)
        require(codec in (0, 1) and len(body) == length, "does not unpack")
        return body

    def zstd(self, number):
        if number == 0:
            return self.plain_zstd
        if number not in self.dictionaries:
            data = zstandard.ZstdCompressionDict(self.meta("dictionary/%08x" % number))
            self.dictionaries[number] = zstandard.ZstdDecompressor(dict_data=data)
        return self.dictionaries[number]

    def items(self, name):
        if name in self.db:
            yield from self.txn.cursor(db=self.db[name])

    # What they mean.

    def meta(self, key):
        return self.get("meta", key.encode())

    def settings(self, generation):
        value = self.meta("settings/%08x" % generation)
        return None if value is None else json.loads(value)

    def generations(self):
        keys = (bytes(k) for k, _ in self.items("meta"))
        return [int(k[9:], 16) for k in keys if k.startswith(b"settings/")]

    def head(self, sequence):
        return Head(self.get("record", struct.pack(">Q", sequence)))

    def texts(self, sequence):
        return read_sections(self.unpack(self.get_parts("text", struct.pack(">Q", sequence))))

    def logits(self, sequence, capture):
        return Logits(self.get_parts("logits", struct.pack(">QB", sequence, capture)))

    def prompt_value(self, prompt, settings, kind):
        at = self.get("prompt_key", struct.pack(">QIB", prompt, settings, kind))
        return None if at is None else self.unpack(
            self.get_parts("prompt", struct.pack(">Q", struct.unpack("<Q", at)[0])))

    def prompt(self, prompt, settings):
        return read_sections(self.prompt_value(prompt, settings, 0))

    def prompt_token_ids(self, prompt, settings):
        value = self.prompt_value(prompt, settings, 1)
        return None if value is None else struct.unpack("<%dI" % (len(value) // 4), value)

    def token(self, vocabulary, token_id):
        value = self.get("vocab", struct.pack(">II", vocabulary, token_id))
        return None if value is None else value[2:]

    def entries(self):
        for key, value in self.items("key"):
            payload = open_seal(key, value)
            require(len(payload) == 17, "bad key value")
            yield Entry(Key.read(key), *struct.unpack("<QQB", payload))

    def samples(self):
        """Live samples in key order."""
        newest = self.generations()
        job = self.settings(max(newest)) if newest else {}
        exact = (job.get("dedup") or {}).get("exact", True)
        batch = []
        for entry in self.entries():
            if batch and batch[0].key.prompt != entry.key.prompt:
                yield from self.judge(batch, exact)
                batch = []
            batch.append(entry)
        yield from self.judge(batch, exact)

    def judge(self, entries, exact):
        live = {}
        for entry in entries:
            live[entry.key.sample] = entry  # the highest revision comes last
        groups = collections.defaultdict(list)
        for entry in live.values():
            alone = not exact or entry.fingerprint == 0
            groups[entry.key if alone else entry.fingerprint].append(entry)
        for entry in live.values():
            group = next(g for g in groups.values() if entry in g)
            sample = Sample(self, entry, self.head(entry.sequence))
            if entry is not group[0]:
                sample.duplicate_of = group[0].key.sample
            sample.accepted = entry in selected(group)
            yield sample


def selected(group):
    """The members of a group that `accept` selects."""
    passing = [e for e in group if e.bits & PASSES]
    representative = passing[0] if passing else group[0]
    return [e for e in group
            if e.bits & (PASSES if e is representative else PASSES_AS_DUPLICATE)]


def text(sections, kind):
    return sections[kind].decode("utf-8", "replace") if kind in sections else None


def count(n):
    return None if n == NONE32 else n


def finite(x):
    return x if math.isfinite(x) else None


def span(pair):
    return None if pair[0] == NONE32 else list(pair)


def time_text(ms):
    when = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (ms % 1000)


def flag_names(sample):
    names = [name for i, name in enumerate(FLAGS) if sample.head.flags >> i & 1]
    return names + (["duplicate"] if sample.duplicate_of is not None else [])


def rule_name(head):
    known = head.flags & MISALIGNED and head.rule < len(RULES)
    return RULES[head.rule] if known else None


def as_json(sample, with_logits, number=None):
    head, texts, prompt = sample.head, sample.texts, sample.prompt
    teacher = (sample.dataset.settings(head.settings) or {}).get("teachers", [])
    teacher = teacher[head.teacher] if head.teacher < len(teacher) else {}
    raw = {k: prompt.get(k) for k in (PROMPT_MESSAGES, PROMPT_EXTRA, PROMPT_REQUEST)}
    line = {
        "id": text(prompt, PROMPT_ID),
        "prompt_no": head.prompt,
        "sample": head.sample,
        "revision": head.revision,
        "prompt": json.loads(raw[PROMPT_MESSAGES]) if raw[PROMPT_MESSAGES] else None,
        "request": json.loads(raw[PROMPT_REQUEST]) if raw[PROMPT_REQUEST] else None,
        "reasoning": text(texts, REASONING),
        "content": text(texts, CONTENT),
        "tool_calls": json.loads(texts[TOOL_CALLS]) if TOOL_CALLS in texts else None,
        "refusal": text(texts, REFUSAL),
        "finish_reason": FINISH[head.finish],
        "model": text(texts, MODEL),
        "usage": {
            "prompt_tokens": count(head.prompt_tokens),
            "cached_prompt_tokens": count(head.cached_tokens),
            "completion_tokens": count(head.completion_tokens),
            "reasoning_tokens": count(head.reasoning_tokens),
        },
        "scores": {name: finite(head.scores[i]) for i, name in enumerate(SCORES)},
        "flags": flag_names(sample),
        "misaligned_rule": rule_name(head),
        "duplicate_of": sample.duplicate_of,
        "accepted": sample.accepted,
        "reference": text(prompt, PROMPT_REFERENCE),
        "provenance": {
            "teacher": teacher.get("name"),
            "endpoint": text(texts, ENDPOINT),
            "request_id": text(texts, REQUEST_ID),
            "system_fingerprint": text(texts, FINGERPRINT),
            "attempts": head.attempts,
            "latency_ms": head.latency_ms,
            "cost_usd": head.cost / 1e9,
            "created_at": time_text(head.created_ms),
            "seed": None if head.seed == NONE64 else head.seed,
            "choice": head.choice,
            "settings": head.settings,
            "scored": json.loads(texts[SCORED]) if SCORED in texts else None,
        },
        "extra": json.loads(raw[PROMPT_EXTRA]) if raw[PROMPT_EXTRA] else None,
    }
    if with_logits:
        line.update(logits_json(sample, sample.first_capture() if number is None else number))
    return line


def logits_json(sample, number):
    head, ids = sample.head, sample.prompt_token_ids
    capture = None if number is None else sample.logits(number)
    columns = dict.fromkeys(["token_ids", "logprobs", "top_ids", "top_logprobs", "tail_mass"])
    if capture:
        columns = {
            "token_ids": [count(i) for i in capture.ids],
            "logprobs": [finite(x) for x in capture.logprobs],
            "top_ids": [list(row) for row in capture.top_ids],
            "top_logprobs": [[finite(x) for x in row] for row in capture.top_logprobs],
            "tail_mass": [finite(x) for x in capture.tail],
        }
    return {
        "prompt_token_ids": None if ids is None else list(ids),
        **columns,
        "spans": {"reasoning": span(head.reasoning_span), "content": span(head.content_span)},
        "eos_row": {0: False, 1: True, 2: None}[head.eos_row],
        "logprobs_mode": MEANING[capture.meaning if capture else head.meaning],
        "capture": number if capture else None,
    }


def main(arguments):
    with_logits = "--logits" in arguments
    paths = [a for a in arguments if a != "--logits"]
    if len(paths) != 1 or paths[0].startswith("-"):
        sys.exit("usage: format_reader.py DATASET [--logits]")
    dataset = Dataset(paths[0])
    try:
        for sample in dataset.samples():
            print(json.dumps(as_json(sample, with_logits), ensure_ascii=False))
    except Damaged as what:
        sys.exit("format_reader.py: %s" % what)
    dataset.close()


if __name__ == "__main__":
    main(sys.argv[1:])
