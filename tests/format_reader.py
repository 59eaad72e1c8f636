#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A reader of datasets, written from store/FORMAT.md alone.

It shares no code with the program: what it reads differently is a fault of
the page or of one of the two. Every seal is checked on the way.

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
NONE32 = 0xffffffff
NONE64 = 0xffffffffffffffff

STREAM, REASONING, CONTENT, TOOL_CALLS, REFUSAL = 1, 2, 3, 4, 5
MODEL, FINGERPRINT, REQUEST_ID, ENDPOINT, SCORED = 8, 9, 10, 11, 13
PROMPT_ID, PROMPT_MESSAGES, PROMPT_REFERENCE, PROMPT_EXTRA, PROMPT_REQUEST = 1, 2, 3, 4, 5

PASSES, PASSES_AS_DUPLICATE = 1, 2


class Damaged(Exception):
    """The bytes are not what FORMAT.md says."""


def require(condition, what):
    if not condition:
        raise Damaged(what)


def open_seal(key, value):
    require(len(value) >= 8, "no seal")
    length, checksum = struct.unpack_from("<II", value)
    payload = value[8:]
    require(length == len(payload), "wrong length")
    seed = xxhash.xxh3_64_intdigest(key)
    require(xxhash.xxh3_64_intdigest(payload, seed=seed) & NONE32 == checksum,
            "wrong checksum")
    return payload


def varint(data, at):
    value, shift = 0, 0
    while True:
        require(at < len(data), "a number is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if not byte & 0x80:
            return value, at


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


def zigzag_back(v):
    return (v >> 1 ^ -(v & 1)) & NONE32


def signed(v):
    return v - (1 << 32) if v >> 31 else v


class Bits:
    """A string of bits, read from the low end of its first byte on."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def peek(self, n):
        """Up to 32 bits; behind the end there are zeros."""
        near = int.from_bytes(self.data[self.at >> 3:(self.at >> 3) + 5], "little")
        return near >> (self.at & 7) & ((1 << n) - 1)

    def skip(self, n):
        self.at += n
        require(self.at <= 8 * len(self.data), "a string of bits is too short")

    def take(self, n):
        value = self.peek(n)
        self.skip(n)
        return value

    def require_end(self):
        left = 8 * len(self.data) - self.at
        require(left < 8 and self.take(left) == 0, "a string of bits is too long")


def read_number(symbol, bits):
    """The number of a symbol and its extra bits."""
    require(symbol <= 232, "a symbol of no number")
    return (((8 + symbol % 8) << symbol // 8) + bits.take(symbol // 8) - 8) & NONE32


class Code:
    """A prefix code, as its description says."""

    LONGEST, EXPECTED, RUN = 11, 6, 3

    def __init__(self, bits, may_occur):
        first, last = bits.take(8), bits.take(8)
        require(first <= last, "a code's last symbol is before its first")
        lengths = {first: 0} if first == last else self.hear(bits, first, last)
        occur = sorted((n, symbol) for symbol, n in lengths.items())
        require(all(may_occur(symbol) for _, symbol in occur), "a symbol that may not occur")
        self.longest = occur[-1][0]
        self.table = [None] * (1 << self.longest)
        word, before = 0, 0
        for n, symbol in occur:
            word <<= n - before
            require(word < 1 << n, "a code has more words than there are")
            self.enter(word, n, symbol)
            word, before = word + 1, n
        require(word == 1 << before, "a code does not have all words")

    def hear(self, bits, symbol, last):
        """{symbol: length of its word}, of those that occur."""
        lengths, length = {}, self.EXPECTED
        while symbol <= last:
            told = self.zeros(bits)
            if told == self.RUN:
                require(symbol - 1 in lengths, "a run at first, or behind a run")
                low = self.zeros(bits)
                require(low <= 8, "too long a run")
                symbol += (1 << low) + bits.take(low)
                require(symbol <= last, "a run of the last symbol")
                continue
            length += signed(zigzag_back(told - (told > self.RUN)))
            require(1 <= length <= self.LONGEST, "no length of a word")
            lengths[symbol] = length
            symbol += 1
        return lengths

    @staticmethod
    def zeros(bits):
        """As many as there are before the next one."""
        n = 0
        while bits.take(1) == 0:
            n += 1
        return n

    def enter(self, word, n, symbol):
        """By the next bits, of which the first is the low one; any may follow."""
        low = int(format(word, "0%db" % n)[::-1], 2) if n else 0
        for behind in range(1 << self.longest - n):
            self.table[low | behind << n] = symbol, n

    def read(self, bits):
        symbol, n = self.table[bits.peek(self.longest)]
        bits.skip(n)
        return symbol


def is_number(symbol):
    return symbol <= 232


class Block:
    """The rows of one block of a capture, as columns."""

    STEPS = {1: 256, 2: 16}
    STREAMS = 8
    SPELLED, UNKNOWN, LISTED = 0, 1, 2  # at
    OWN_LISTED, OWN_ABSENT, OWN_SPELLED = 0, 1, 2

    def __init__(self, v, rows, profile):
        self.steps = self.STEPS.get(profile)
        self.rows = rows
        self.m, listed, places, self.first_place = self.open_strings(v)
        require(places <= 2040, "too many places")
        self.read_listed(listed)
        lengths = self.numbers(rows)
        require(max(lengths) <= 65535, "a token is too long")
        self.n_bytes = [(n - 1) & 65535 for n in lengths]
        where, own = self.numbers(rows), self.numbers(rows)
        for place, how, n in zip(where, own, self.listed):
            require(place < self.LISTED + n and how <= self.OWN_SPELLED and
                    (how != self.OWN_LISTED or place >= self.LISTED), "no such place")
        spelled_ids = iter(self.numbers(where.count(self.SPELLED)))
        spelled = iter(self.numbers(own.count(self.OWN_SPELLED)))
        self.read_dictionary(places)
        self.read_ids()
        keys = self.read_keys()
        self.top_logprobs = [[self.logprob(k) for k in row] for row in keys]
        self.tail = [self.read_tail(n, row) for n, row in zip(self.numbers(rows), keys)]
        for bits in (self.codes, *self.streams, self.extra):
            bits.require_end()
        self.ids, self.logprobs = [], []
        for i in range(rows):
            place = where[i] - self.LISTED
            self.ids.append(next(spelled_ids) if where[i] == self.SPELLED
                            else NONE32 if where[i] == self.UNKNOWN
                            else self.top_ids[i][place])
            key = (None if own[i] == self.OWN_ABSENT
                   else keys[i][place] if own[i] == self.OWN_LISTED
                   else next(spelled) if place < 0
                   else (keys[i][place] + zigzag_back(next(spelled))) & NONE32)
            self.logprobs.append(math.nan if key is None else self.logprob(key))

    def open_strings(self, v):
        """What stands in the block's head; and the strings of bits behind it."""
        head, strings, at = [], [], 0
        for _ in range(5 + self.STREAMS):
            value, at = varint(v, at)
            require(value <= NONE32, "too large a number")
            head.append(value)
        for length in head[4:]:
            require(at + length <= len(v), "a block is too short")
            strings.append(Bits(v[at:at + length]))
            at += length
        self.codes, *self.streams = strings
        self.extra = Bits(v[at:])
        return head[:4]

    def symbols(self, code, n):
        """A column of n symbols, a part of it from each stream."""
        part, symbols = -(-n // self.STREAMS), []
        for stream in self.streams:
            for _ in range(min(part, n - len(symbols))):
                symbols.append(code.read(stream))
        return symbols

    def numbers(self, n):
        if n == 0:
            return []
        symbols = self.symbols(Code(self.codes, is_number), n)
        return [read_number(symbol, self.extra) for symbol in symbols]

    def read_listed(self, listed):
        self.listed = []
        for change in self.numbers(self.rows):
            listed = (listed + zigzag_back(change)) & NONE32
            require(listed <= 65535, "a row lists too many candidates")
            self.listed.append(listed)
        require(sum(self.listed) == self.m, "a block's candidates do not add up")

    def read_dictionary(self, places):
        self.dictionary, last = [], 0
        for place, number in enumerate(self.numbers(places)):
            # Is it the first place with its symbol?
            y = place + 8
            first = y & ((1 << y.bit_length() - 4) - 1) == 0
            last = number if first else (last + number) & NONE32
            self.dictionary.append(last)

    def may_be_id(self, symbol):
        place = symbol - self.first_place
        if place < 0:
            return is_number(symbol)
        # The smallest place that it can name is there.
        return place < 64 and ((8 + place % 8) << place // 8) - 8 < len(self.dictionary)

    def id(self, symbol):
        if symbol < self.first_place:
            return read_number(symbol, self.extra)
        place = read_number(symbol - self.first_place, self.extra)
        return self.dictionary[place] if place < len(self.dictionary) else NONE32

    def read_ids(self):
        ids = []
        if self.m > 0:
            symbols = self.symbols(Code(self.codes, self.may_be_id), self.m)
            ids = [self.id(symbol) for symbol in symbols]
        ids = iter(ids)
        self.top_ids = [[next(ids) for _ in range(n)] for n in self.listed]

    def classes(self):
        """The ranks of each class, [begin, end), up to the longest list's last."""
        begins = [0, 1, 2, 3]
        for power in range(2, 16):
            begins += [1 << power, 3 << power - 1]
        most = max(self.listed)
        for begin, end in zip(begins, begins[1:] + [1 << 16]):
            if begin < most:
                yield begin, min(end, most)

    def gap_symbols(self):
        classes, symbols = list(self.classes()), []
        while classes:
            code, n = Code(self.codes, is_number), 0
            while True:
                begin, end = classes.pop(0)
                n += sum(max(0, min(end, c) - begin) for c in self.listed)
                if not classes or self.codes.take(1):
                    break
            symbols += self.symbols(code, n)
        return symbols

    def read_keys(self):
        keys = [[] for _ in self.listed]
        gaps = iter([read_number(symbol, self.extra) for symbol in self.gap_symbols()])
        for rank in range(max(self.listed)):
            for row, n in zip(keys, self.listed):
                if n > rank:
                    row.append((next(gaps) + (row[-1] if row else 0)) & NONE32)
        return keys

    def logprob(self, key):
        if self.steps:
            return -signed(key) / self.steps + 0.0
        bits = key + (1 << 31) - 1 if 0 < key <= 1 << 31 else -key & NONE32
        return struct.unpack("<f", struct.pack("<I", bits))[0]

    def read_tail(self, number, keys):
        if number == 0:
            return math.nan
        if not self.steps:
            return struct.unpack("<f", struct.pack("<I", number - 1))[0]
        if number == 1:
            return 0.0
        key = zigzag_back(number - 2) + (keys[-1] if keys else 0)
        return math.exp(-signed(key & NONE32) / self.steps)


class Logits:
    """One capture: tokens, their logprobs, and the candidates of each."""

    HEAD = 48

    def __init__(self, v):
        v = bytes(v)
        (version, self.interned, self.meaning, self.profile, self.vocabulary, self.k_asked,
         self.keep_k, self.temperature, self.keep_mass, n, m, rows, self.tokenizer,
         self.chat_template) = struct.unpack_from("<BBBBIHHffIIIQQ", v)
        require(version == 3 and self.profile <= 2 and rows > 0, "bad logits head")
        blocks = (n + rows - 1) // rows
        ends = struct.unpack_from("<%dI" % blocks, v, self.HEAD)
        begin = self.HEAD + 4 * blocks
        require(begin + (ends[-1] if ends else 0) == len(v), "logits of a wrong length")
        self.ids, self.logprobs, self.tail, self.n_bytes = [], [], [], []
        self.top_ids, self.top_logprobs = [], []
        for b in range(blocks):
            before = ends[b - 1] if b else 0
            require(before < ends[b], "a block of no bytes")
            data = v[begin + before:begin + ends[b]]
            block = Block(data, min(rows, n - b * rows), self.profile)
            self.ids += block.ids
            self.logprobs += block.logprobs
            self.tail += block.tail
            self.n_bytes += block.n_bytes
            self.top_ids += block.top_ids
            self.top_logprobs += block.top_logprobs
        require(sum(map(len, self.top_ids)) == m, "candidates do not add up")


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
