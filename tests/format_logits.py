# SPDX-License-Identifier: Apache-2.0
"""Captures of logits, read from FORMAT.md alone, as format_reader.py reads the rest."""
import math
import struct

NONE32 = 0xffffffff


class Damaged(Exception):
    """The bytes are not what FORMAT.md says."""


def require(condition, what):
    if not condition:
        raise Damaged(what)


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
        require(self.first_place <= 256, "places of symbols that there are not")
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
