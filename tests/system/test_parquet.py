#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the Parquet writer wrote, two readers read: tests/parquet_reader.py, and
pyarrow where it is there.

usage: test_parquet.py MAKE_PARQUET
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import parquet_reader  # noqa: E402

# (rows, page bytes, group bytes): from one page in all to a page and a group a row.
CASES = [(0, 0, 0), (1, 0, 0), (7, 0, 0), (500, 0, 0), (300, 200, 4000), (40, 1, 1),
         (2000, 1000, 100000)]


def float32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def expected(lines):
    table = {}
    for line in lines:
        for i, (name, value) in enumerate(json.loads(line).items()):
            if 12 <= i < 16:  # PARQUET_F32
                value = json.loads(json.dumps(value), parse_float=lambda x: float32(float(x)))
            table.setdefault(name, []).append(value)
    return table


def check(make, path, seed, case, other):
    rows, page_bytes, group_bytes = case
    done = subprocess.run([make, path, *map(str, (rows, seed, page_bytes, group_bytes))],
                          check=True, capture_output=True, text=True)
    want = expected(done.stdout.splitlines())
    f = parquet_reader.File(path)
    got = f.read()
    assert f.rows == rows and f.notes == {"retort.test": "one", "empty": ""}, f.notes
    assert len(got) == 24 and all(len(c) == rows for c in got.values())
    for name in want:
        assert got[name] == want[name], (case, name)
    if other:
        meta = other.read_metadata(path)
        assert meta.num_rows == rows and meta.num_row_groups == len(f.meta[4])
        assert meta.metadata[b"retort.test"] == b"one"
        table = other.read_table(path)
        for name in want:
            assert table.column(name).to_pylist() == want[name], (case, name, "pyarrow")
    print("  %d rows in %d groups and %d pages, %d bytes" % (
        rows, len(f.meta[4]), f.pages, os.path.getsize(path)))
    return len(f.meta[4]), f.pages


def main():
    make = sys.argv[1]
    other = parquet_reader.pyarrow()
    with tempfile.TemporaryDirectory(prefix="retort-test.") as folder:
        shapes = [check(make, os.path.join(folder, "%d.parquet" % seed), seed, case, other)
                  for seed, case in enumerate(CASES)]
    assert shapes[0] == (0, 0) and shapes[3][0] == 1 and shapes[4][0] > 10
    assert shapes[5] == (40, 40 * 24) and shapes[6][1] > 24 * shapes[6][0]
    print("read by %s" % ("both readers" if other else "one reader"))


if __name__ == "__main__":
    main()
