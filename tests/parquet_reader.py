#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A reader of Parquet files, written from the format's pages alone.

It shares no code with store/parquet.c and reads more than that writes: any nesting
of required, optional and repeated fields whose lists are three-level LISTs, plain
values, data pages of version 1, zstd or no packing. What it does not know is an error.

As a module:  table = read(path); table["input_ids"] is a list with a value a row
As a program: parquet_reader.py FILE  prints the schema, the notes and the pages
"""
import struct
import sys

try:
    import zstandard
except ImportError as missing:  # a Debian package: python3-zstandard
    raise SystemExit("SKIPPED: %s (python3-zstandard)" % missing)

TYPES = ["BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY"]
REQUIRED, OPTIONAL, REPEATED = range(3)
PLAIN, RLE = 0, 3
UNPACKED, ZSTD = 0, 6
UTF8, LIST = 0, 3
DATA_PAGE = 0


class Thrift:
    """The compact protocol: structures as {number: value}."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def varint(self):
        value = shift = 0
        while True:
            b = self.byte()
            value |= (b & 0x7f) << shift
            if b < 0x80:
                return value
            shift += 7

    def zigzag(self):
        n = self.varint()
        return n >> 1 ^ -(n & 1)

    def value(self, kind):
        if kind in (4, 5, 6):
            return self.zigzag()
        if kind == 8:
            n = self.varint()
            self.at += n
            return bytes(self.data[self.at - n:self.at])
        if kind == 9:
            head = self.byte()
            n = head >> 4
            n = self.varint() if n == 15 else n
            return [self.value(head & 15) for _ in range(n)]
        assert kind == 12, "a type that is not known: %d" % kind
        return self.structure()

    def structure(self):
        out, number = {}, 0
        while True:
            head = self.byte()
            if head == 0:
                return out
            number = number + (head >> 4) if head >> 4 else self.zigzag()
            kind = head & 15
            out[number] = kind == 1 if kind in (1, 2) else self.value(kind)


class Field:
    """A node of the schema; a leaf has its path and its highest levels."""

    def __init__(self, elements, parents=()):
        e = next(elements)
        self.name, self.kind = e[4].decode(), e.get(3, REQUIRED)
        self.type, self.converted = e.get(1), e.get(6)
        self.path = [*(p.name for p in parents[1:]), self.name]
        above = parents[-1] if parents else None
        self.repetition = (above.repetition if above else 0) + (self.kind == REPEATED)
        self.definition = (above.definition if above else 0) + (self.kind != REQUIRED)
        self.children = [Field(elements, (*parents, self)) for _ in range(e.get(5, 0))]
        if self.converted == LIST:
            middle, = self.children
            assert middle.kind == REPEATED and len(middle.children) == 1, self.path

    def leaf(self):
        return self.children[0].leaf() if self.children else self


def hybrid(data, width, n):
    """n levels from runs and packed bits."""
    out, t = [], Thrift(data)
    while len(out) < n:
        head = t.varint()
        if head & 1:
            size = (head >> 1) * width
            bits = int.from_bytes(data[t.at:t.at + size], "little")
            assert t.at + size <= len(data), "packed levels are cut off"
            t.at += size
            out += [bits >> width * i & (1 << width) - 1 for i in range((head >> 1) * 8)]
        else:
            size = (width + 7) // 8
            value = int.from_bytes(data[t.at:t.at + size], "little")
            t.at += size
            out += [value] * (head >> 1)
            assert len(out) <= n, "a run is too long"
    assert len(out) - n < 8, "more levels than the page has values"
    assert t.at == len(data), "bytes behind the levels"
    return out[:n]


def plain(data, field, n):
    kind = TYPES[field.type]
    if kind == "BOOLEAN":
        assert len(data) == (n + 7) // 8
        return [bool(data[i // 8] >> i % 8 & 1) for i in range(n)]
    if kind != "BYTE_ARRAY":
        code = {"INT32": "i", "INT64": "q", "FLOAT": "f", "DOUBLE": "d"}[kind]
        return list(struct.unpack("<%d%s" % (n, code), data))
    out, at = [], 0
    for _ in range(n):
        size, = struct.unpack_from("<I", data, at)
        text = data[at + 4:at + 4 + size]
        assert len(text) == size
        out.append(text.decode() if field.converted == UTF8 else text)
        at += 4 + size
    assert at == len(data)
    return out


def page(head, body, leaf):
    """(repetition levels, definition levels, values) of a data page."""
    data = head[5]
    n = data[1]
    assert (data[2], data[3], data[4]) == (PLAIN, RLE, RLE), data
    levels, at = [], 0
    for highest in (leaf.repetition, leaf.definition):
        if highest == 0:
            levels.append([0] * n)
            continue
        size, = struct.unpack_from("<I", body, at)
        levels.append(hybrid(body[at + 4:at + 4 + size], highest.bit_length(), n))
        assert max(levels[-1]) <= highest
        at += 4 + size
    there = sum(d == leaf.definition for d in levels[1])
    return *levels, plain(body[at:], leaf, there)


def nest(value_at, records, field, repetition, definition, value):
    """Puts one value, or the lack of one, where its levels say."""
    # The lists that are open, from the outermost: value_at[i] is the one of level i + 1.
    node, filled, level = field, 0, 0
    place = records
    while True:
        if node.kind == OPTIONAL:
            if definition <= filled:
                place.append(None)
                return
            filled += 1
        if not node.children:
            place.append(value)
            return
        middle, = node.children
        level += 1
        if repetition < level:  # this list begins here
            value_at[level - 1] = []
            place.append(value_at[level - 1])
        if definition <= filled:
            return
        filled += 1
        place = value_at[level - 1]
        node, = middle.children


class File:
    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = memoryview(f.read())
        assert self.data[:4] == b"PAR1" and self.data[-4:] == b"PAR1", "not Parquet: " + path
        size, = struct.unpack("<I", self.data[-8:-4])
        footer = Thrift(self.data[:-8], len(self.data) - 8 - size)
        self.meta = footer.structure()
        assert footer.at == len(self.data) - 8, "bytes behind the footer"
        elements = iter(self.meta[2])
        self.root = Field(elements)
        assert next(elements, None) is None, "elements that no group has"
        self.rows = self.meta[3]
        self.notes = {n[1].decode(): n[2].decode() for n in self.meta.get(5, [])}
        self.pages = 0

    def chunk(self, field, chunk):
        meta, leaf = chunk[3], field.leaf()
        assert [p.decode() for p in meta[3]] == leaf.path, (meta[3], leaf.path)
        assert meta[1] == leaf.type and meta[4] in (UNPACKED, ZSTD)
        at, n, records, open_lists = meta[9], 0, [], [None] * leaf.repetition
        unpacked = 0
        while n < meta[5]:
            t = Thrift(self.data, at)
            head = t.structure()
            assert head[1] == DATA_PAGE, head
            body = bytes(self.data[t.at:t.at + head[3]])
            if meta[4] == ZSTD:
                body = zstandard.ZstdDecompressor().decompress(body)
            assert len(body) == head[2]
            unpacked += t.at - at + len(body)
            repetition, definition, values = page(head, body, leaf)
            assert repetition[0] == 0, "a page begins inside a row"
            values = iter(values)
            for r, d in zip(repetition, definition):
                nest(open_lists, records, field, r, d,
                     next(values) if d == leaf.definition else None)
            n += len(repetition)
            at = t.at + head[3]
            self.pages += 1
        assert n == meta[5] and at - meta[9] == meta[7] and unpacked == meta[6]
        return records, at

    def read(self):
        """{column: values by row}; everything that counts twice is compared."""
        table, at = {f.name: [] for f in self.root.children}, 4
        for group in self.meta[4]:
            begin = at
            for field, chunk in zip(self.root.children, group[1], strict=True):
                assert chunk[3][9] == at, "a gap between columns"
                records, at = self.chunk(field, chunk)
                assert len(records) == group[3], (field.name, len(records), group[3])
                table[field.name] += records
            assert group[2] == sum(c[3][6] for c in group[1])
            assert group[6] == at - begin
        assert self.rows == sum(g[3] for g in self.meta[4])
        return table


def read(path):
    return File(path).read()


def pyarrow():
    """pyarrow.parquet, if this machine has it (tests/pyarrow.sh fetches it); or None,
    and says so."""
    import glob
    import os
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path += glob.glob(os.path.join(here, "build/pyarrow/lib/python3*/site-packages"))
    try:
        import pyarrow.parquet
        return pyarrow.parquet
    except ImportError as missing:
        print("SKIPPED: the other reader: %s (tests/pyarrow.sh)" % missing)
        return None


def main():
    f = File(sys.argv[1])

    def show(field, depth):
        print("  " * depth + field.name, ["required", "optional", "repeated"][field.kind],
              TYPES[field.type] if field.type is not None else "")
        for child in field.children:
            show(child, depth + 1)
    show(f.root, 0)
    f.read()
    print(f.notes)
    print("%d rows in %d groups, %d pages" % (f.rows, len(f.meta[4]), f.pages))


if __name__ == "__main__":
    main()
